"""How SIP workers ask the router without ever waiting: a socket pair to one asyncio process inside Kamailio.

A worker suspends the transaction and writes one datagram; the asker process does gRPC, then continues the transaction, which
runs `resume` right there. SEQPACKET and made before the fork: plain unix datagram sockets are ten messages deep and stall.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import KSR
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2

from ops.clock import SystemClock
from sip.kemi import headers, hooks
from sip.kemi.account import Accounts, Entry
from sip.kemi.breaker import Breaker
from sip.kemi.settings import Settings

HEAD = struct.Struct("!IIQ")  # transaction's index and label, monotonic ms of asking
LATENCY = "route_ms"
LISTENING = "asker"  # shared variable of kamailio.cfg: 1 when questions are read
BURST = 64  # datagrams read per wake-up
CHANNEL = [
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.use_local_subchannel_pool", 1),
]


class Question(NamedTuple):
    """What a worker asks."""

    index: int
    label: int
    entry: Entry
    diversion: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: exactly one of why, refuse, seat, node is set."""

    why: str = ""  # no answer: the reason told in X-Tierline-Routed
    refuse: int = 0  # SIP status
    reason: str = ""
    seat: str = ""
    node: str = ""
    uri: str = ""
    home: str = ""


@dataclass(slots=True)
class _Router:
    ask: Callable[..., Any]
    breaker: Breaker


class Line:
    """The pair of sockets, shared by all processes, and the answer at hand in this one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.inlet, self.outlet = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.inlet, self.outlet):
            end.setblocking(False)
        self.outlet.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.answer: Answer | None = None

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
        head = HEAD.pack(question.index & 0xFFFFFFFF, question.label & 0xFFFFFFFF, _now())
        try:
            self.outlet.send(head + request.SerializeToString())
        except OSError as error:
            KSR.err(f"question about call {entry.call} not handed over: {error}\n")
            return False
        return True


_now = SystemClock().mono_ms


def read(reply: routing_pb2.RouteCallReply) -> Answer:
    """The reply as an Answer; a reply without a usable decision is no answer."""
    kind = reply.WhichOneof("decision")
    home = reply.home
    where = headers.home_value(home.country, home.province, home.city, home.carrier)
    if kind == "media" and reply.media.uri:
        return Answer(node=reply.media.node, uri=reply.media.uri.partition(";")[0], home=where)
    if kind == "seat" and reply.seat.seat:
        return Answer(seat=reply.seat.seat, home=where)
    if kind == "refuse" and 300 <= reply.refuse.sip_status < 700:
        return Answer(refuse=reply.refuse.sip_status, reason=_phrase(reply.refuse.reason))
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
        self._routers: list[_Router] = []
        self._turn = 0
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Serve until the process ends."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        import grpc  # here and not above: workers need no gRPC, and it must be loaded after the fork

        self._away = grpc.RpcError
        for address in self._settings.routers:
            channel = grpc.aio.insecure_channel(address, options=CHANNEL)
            ask = channel.unary_unary(
                "/tierline.routing.v1.Routing/RouteCall",
                request_serializer=None,  # the worker has serialised it
                response_deserializer=routing_pb2.RouteCallReply.FromString,
            )
            self._routers.append(_Router(ask, Breaker()))
        asyncio.get_running_loop().add_reader(self._line.inlet, self._readable)
        KSR.pvx.shv_seti(LISTENING, 1)
        await asyncio.get_running_loop().create_future()

    def _readable(self) -> None:
        for _ in range(BURST):
            try:
                datagram = self._line.inlet.recv(65536)
            except (BlockingIOError, InterruptedError):
                return
            task = asyncio.create_task(self._one(datagram))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = task.exception()
        if error is not None:  # the call itself goes on by the guard timer
            KSR.err(f"asking a router failed: {''.join(traceback.format_exception(error))}\n")

    async def _one(self, datagram: bytes) -> None:
        index, label, asked = HEAD.unpack_from(datagram)
        question = datagram[HEAD.size :]
        if self._in_flight >= self._settings.in_flight:
            answer = Answer(why="overload")
        else:
            self._in_flight += 1
            try:
                answer = await self._ask(question)
            finally:
                self._in_flight -= 1
        KSR.xhttp_prom.histogram_observe_l0(LATENCY, str(_now() - asked))
        self._line.answer = answer
        KSR.tmx.t_continue(index, label, hooks.RESUME)
        if self._line.answer is not None:
            self._not_resumed(question, asked)

    async def _ask(self, question: bytes) -> Answer:
        """Ask the routers in turn, until one answers or the deadline is over."""
        why, end = "breaker", _now() + self._settings.deadline_ms
        self._turn += 1
        for step in range(len(self._routers)):
            router = self._routers[(self._turn + step) % len(self._routers)]
            left = end - _now()
            if left <= 0 or not router.breaker.admit(_now()):
                continue
            try:
                reply = await router.ask(question, timeout=left / 1000)
            except self._away as error:
                why = error.code().name.lower()
                self._failed(router, why)
            else:
                router.breaker.success(_now())
                return read(reply)
        return Answer(why=why)

    @staticmethod
    def _failed(router: _Router, why: str) -> None:
        if why == "invalid_argument":
            router.breaker.success(_now())  # the router is well; it is the question
        elif router.breaker.failure(_now()):
            KSR.warn(f"breaker open before a router: {why}\n")

    def _not_resumed(self, question: bytes, asked: int) -> None:
        """Cancelled while suspended: tm answered 487 without a word to the script, so the end is written here.

        Later than the guard it was not that: the failure route took the call on.
        """
        self._line.answer = None
        if _now() - asked < self._settings.guard_ms:
            request = routing_pb2.RouteCallRequest.FromString(question)
            self._accounts.ended(request.call, 487, "Request Terminated", "edge")
