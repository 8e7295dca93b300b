"""How SIP workers ask the router without ever waiting: a socket pair to one asyncio process inside Kamailio.

A worker suspends the transaction and writes one datagram; the asker process asks a router over gRPC (routers.py), then
continues the transaction, which runs `resume` right there. SEQPACKET and made before the fork: plain unix datagram sockets are
ten messages deep and stall.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import KSR
from google.protobuf.message import DecodeError
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2

from ops.inner import Identity
from sip.kemi import headers
from sip.kemi.account import Accounts, Entry
from sip.kemi.guard import Guard
from sip.kemi.routers import Routers, now_ms
from sip.kemi.settings import Settings

HEAD = struct.Struct("!IIQ")  # transaction's index and label, monotonic ms of asking
LATENCY = "route_ms"
UP = "router_up"
LISTENING = "asker"  # shared variable of kamailio.cfg: 1 when questions are read
CONTINUE = "CONTINUE"  # route of sip/routes/asker.cfg
LONGEST = 65536  # bytes of a question


class Question(NamedTuple):
    """What a worker asks."""

    index: int
    label: int
    entry: Entry
    diversion: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `kind`: media, seat, refuse; "" for no answer, `why` tells."""

    kind: str = ""
    why: str = ""
    refuse: int = 0  # SIP status
    reason: str = ""
    seat: str = ""
    node: str = ""
    home: str = ""
    vip: int = 0

    def tell(self) -> None:
        """To route RESUME."""
        for name, value in (("kind", self.kind), ("why", self.why), ("reason", self.reason), ("seat", self.seat)):
            KSR.pv.sets(f"$var({name})", value)
        KSR.pv.sets("$var(node)", self.node)
        KSR.pv.sets("$var(home)", self.home)
        KSR.pv.seti("$var(vip)", self.vip)
        KSR.pv.seti("$var(status)", self.refuse)


def go_on(index: int, label: int, answer: Answer) -> bool:
    """Continue a suspended transaction in route RESUME (the function that Python has knows no routes); False if it was gone."""
    answer.tell()
    KSR.pv.seti("$var(resumed)", 0)
    KSR.pv.seti("$var(index)", index)
    KSR.pv.seti("$var(label)", label)
    KSR.route(CONTINUE)
    return bool(KSR.pv.get("$var(resumed)"))


class Line:
    """The pair of sockets, shared by all processes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.inlet, self.outlet = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.inlet, self.outlet):
            end.setblocking(False)
        self.outlet.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)

    def ask(self, question: Question) -> bool:
        """Hand the question over; False if the asker does not keep up or is gone."""
        entry = question.entry
        request = routing_pb2.RouteCallRequest(
            tenant=self._settings.tenant,
            call=entry.call,
            edge=self._settings.edge,
            trunk=entry.trunk,
            called=entry.called,
            calling=entry.calling,
            diversion=question.diversion,
        )
        head = HEAD.pack(question.index & 0xFFFFFFFF, question.label & 0xFFFFFFFF, now_ms())
        try:
            self.outlet.send(head + request.SerializeToString())
        except OSError as error:
            KSR.err(f"question about call {entry.call} not handed over: {error}\n")
            return False
        return True


def read(message: bytes) -> Answer:
    """The router's reply as an Answer; one without a usable decision is no answer."""
    try:
        reply = routing_pb2.RouteCallReply.FromString(message)
    except DecodeError:
        return Answer(why="bad_reply")
    kind = reply.WhichOneof("decision")
    home = reply.home
    where = headers.home_value(home.country, home.province, home.city, home.carrier)
    if kind == "media" and reply.media.node:
        return Answer("media", node=reply.media.node, home=where, vip=reply.vip)
    if kind == "seat" and reply.seat.seat:
        return Answer("seat", seat=reply.seat.seat, home=where)
    if kind == "refuse" and 300 <= reply.refuse.sip_status < 700:
        return Answer("refuse", refuse=reply.refuse.sip_status, reason=_phrase(reply.refuse.reason))
    return Answer(why="bad_reply")


def _phrase(reason: int) -> str:
    name = common_pb2.Reason.Name(reason).removeprefix("REASON_") if reason in common_pb2.Reason.values() else "UNSPECIFIED"
    return "Refused" if name == "UNSPECIFIED" else name.replace("_", " ").title()


class Asker:
    """The loop of the asker process."""

    def __init__(self, settings: Settings, line: Line, accounts: Accounts) -> None:
        self._settings = settings
        self._line = line
        self._accounts = accounts
        self._in_flight = 0
        self._guard = Guard(settings)
        self._room = memoryview(bytearray(LONGEST))

    def run(self) -> None:
        """Serve until the process ends."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._fault)
        self._routers = Routers(self._settings.routers, self, self._tls())
        self._routers.connect()
        loop.add_reader(self._line.inlet, self._readable)
        KSR.pvx.shv_seti(LISTENING, 1)
        await self._guard.run()

    def _tls(self) -> ssl.SSLContext | None:
        pems = self._settings.identity
        return Identity(*map(Path, pems)).client() if pems else None

    def warn(self, text: str) -> None:
        """To Kamailio's log."""
        KSR.warn(text)

    def connected(self, address: str, up: bool) -> None:
        """A gauge for each router."""
        KSR.xhttp_prom.gauge_set_l1(UP, str(int(up)), address)

    @staticmethod
    def _fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The call goes on by the guard timer; the fault is told."""
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if error else ""
        KSR.err(f"asking a router failed: {context['message']} {trace}\n")

    def _readable(self) -> None:
        """One at a time: looking in vain for a second costs more than being called again."""
        try:
            length = self._line.inlet.recv_into(self._room)
        except (BlockingIOError, InterruptedError):
            return
        self._one(bytes(self._room[:length]))

    def _one(self, datagram: bytes) -> None:
        index, label, asked = HEAD.unpack_from(datagram)
        question = datagram[HEAD.size :]

        def done(reply: bytes | None, why: str) -> None:
            self._in_flight -= 1
            took = now_ms() - asked
            KSR.xhttp_prom.histogram_observe_l0(LATENCY, str(took))
            self._guard.answered(took, why)
            answer = Answer(why=why) if reply is None else read(reply)
            self._continue(index, label, answer, question, asked)

        self._in_flight += 1
        if self._in_flight > self._settings.in_flight:
            done(None, "overload")
        else:
            self._routers.ask(question, asked + self._settings.deadline_ms, done)

    def _continue(self, index: int, label: int, answer: Answer, question: bytes, asked: int) -> None:
        if not go_on(index, label, answer):
            self._not_resumed(question, asked)

    def _not_resumed(self, question: bytes, asked: int) -> None:
        """Cancelled while suspended: tm answered 487 without a word to the script, so the end is written here.

        Later than the guard it was not that: the failure route took the call on.
        """
        if now_ms() - asked < self._settings.guard_ms:
            request = routing_pb2.RouteCallRequest.FromString(question)
            self._accounts.ended(request.call, 487, "Request Terminated", "edge")
