"""A client of rtpengine's ng control protocol over UDP: "<cookie> <bencoded dictionary>" each way.

A command that gets no answer is sent again with the same cookie: rtpengine answers a known cookie from memory and does not
carry the command out twice. Many commands may be in flight; one timer sweeps them all, because a timer a command costs more
than the command.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from media.rtp.api import RtpError
from media.rtp.bencode import BadBencode, Encodable, Value, decode, flat
from ops.clock import Clock, SystemClock

log = logging.getLogger(__name__)
Reply = dict[str, Value]
RESEND_MS = (250, 500, 750)  # after each of these once more; after the last one it is given up
SWEEP_MS = 50
READS = 64  # datagrams taken in one go
RESULT = b"6:result2:oke"
DONE = b"d" + RESULT  # the whole answer to most commands


def with_sdp(body: bytes) -> Reply | None:
    """What an offer or answer that went well is answered with, read at a glance; None if `body` is anything else."""
    if not body.startswith(b"d3:sdp") or not body.endswith(RESULT):
        return None
    size, _, rest = body[6:].partition(b":")
    if not size.isdigit() or size[:1] == b"0" or len(size) > 5 or len(rest) != int(size) + len(RESULT):
        return None
    return {"sdp": rest[: -len(RESULT)], "result": b"ok"}


class NgTimeout(RtpError):
    """rtpengine did not answer in time: away, or stuck."""


@dataclass(slots=True)
class _Pending:
    command: str
    datagram: bytes
    due_ms: int
    reply: asyncio.Future[Reply] = field(repr=False)
    sent: int = 1


class NgClient:
    """One rtpengine at host:port. `await open()` before, `close()` after."""

    def __init__(self, host: str, port: int, clock: Clock | None = None) -> None:
        self.address = (host, port)
        self._clock = clock or SystemClock()
        self._socket: socket.socket | None = None
        self._waiting: dict[bytes, _Pending] = {}
        self._prefix = os.urandom(4).hex().encode()  # no cookie of an earlier process may come again
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop  # from open() on: asking asyncio for it is a system call

    async def open(self) -> None:
        """Bind a local socket; rtpengine need not be there yet."""
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(self.address)
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Give up what is in flight (RtpError for who waits) and free the socket."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for cookie in list(self._waiting):
            self._fail(cookie, "the client was closed")
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def command(self, command: str, fields: Mapping[str, Encodable], more: bytes = b"") -> Reply:
        """Send one command; rtpengine's answer, whatever its `result`. Raises NgTimeout after some 1.5 s.

        `more`: further fields, encoded beforehand (`bencode.flat`).
        """
        if self._socket is None:
            raise RtpError("the ng client is closed")
        self._count += 1
        cookie = b"%s%x" % (self._prefix, self._count)
        datagram = b"%s d7:command%d:%s%s%se" % (cookie, len(command), command.encode(), flat(fields), more)
        due = self._clock.mono_ms() + RESEND_MS[0]
        pending = self._waiting[cookie] = _Pending(command, datagram, due, self._loop.create_future())
        self._send(self._socket, datagram)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_MS / 1000, self._sweep)
        try:
            return await pending.reply
        finally:
            self._waiting.pop(cookie, None)

    def _send(self, to: socket.socket, datagram: bytes) -> None:
        try:
            to.send(datagram)
        except OSError as error:
            # Refused (nobody there at the moment) or no buffer space: the sweep sends again.
            log.debug("ng send failed", extra={"error": str(error)})

    def _sweep(self) -> None:
        """Send again what is due, give up what was sent often enough."""
        if self._socket is None:
            return
        now = self._clock.mono_ms()
        for cookie, pending in list(self._waiting.items()):
            if pending.due_ms > now:
                continue
            if pending.sent == len(RESEND_MS):
                self._fail(cookie, f"no answer from rtpengine to {pending.command!r} in {sum(RESEND_MS)} ms")
                continue
            pending.due_ms = now + RESEND_MS[pending.sent]
            pending.sent += 1
            self._send(self._socket, pending.datagram)
        self._timer = self._loop.call_later(SWEEP_MS / 1000, self._sweep) if self._waiting else None

    def _fail(self, cookie: bytes, why: str) -> None:
        pending = self._waiting.pop(cookie)
        if not pending.reply.done():
            pending.reply.set_exception(NgTimeout(why))

    def _readable(self) -> None:
        for _ in range(min(READS, len(self._waiting)) or 1):  # one more would be a system call for nothing
            try:
                data = self._socket.recv(65_535) if self._socket is not None else b""
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("ng receive failed", extra={"error": str(error)})  # connection refused: the sweep sends again
                return
            self._received(data)

    def _received(self, data: bytes) -> None:
        cookie, _, body = data.partition(b" ")
        pending = self._waiting.get(cookie)
        if pending is None or pending.reply.done():
            return  # the second answer to a command sent twice
        if body == DONE:
            pending.reply.set_result({"result": b"ok"})
            return
        try:
            reply = with_sdp(body) or decode(body)
        except BadBencode as error:
            pending.reply.set_exception(RtpError(f"answer to {pending.command!r} is no bencode: {error}"))
            return
        if isinstance(reply, dict):
            pending.reply.set_result(reply)
        else:
            pending.reply.set_exception(RtpError(f"answer to {pending.command!r} is no dictionary"))
