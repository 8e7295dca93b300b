"""Provisional answers that the peer requires to be reliable (RFC 3262): one at a time, repeated until its PRACK."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from media.ua.context import Context
from media.ua.message import Request
from media.ua.tables import T1, TIMEOUT
from media.ua.timer import Timer
from media.ua.transaction import Server
from media.ua.wire import Answering


class Reliable:
    """The reliable provisional answers to one INVITE. `missed(now)` is called when no PRACK came in 32 s."""

    def __init__(self, context: Context, server: Server, cseq: int, missed: Callable[[int], None]) -> None:
        self._context, self._server, self._cseq, self._missed = context, server, cseq, missed
        self._rseq = random.randint(1, 2**30)
        self._waiting: deque[Answering] = deque()
        self._open: Answering | None = None
        self._timer: Timer | None = None
        self._pause, self._left = T1, TIMEOUT

    def send(self, now: int, what: Answering) -> None:
        """Send it, after those before it were acknowledged."""
        self._waiting.append(what)
        if self._open is None:
            self._next(now)

    def _next(self, now: int) -> None:
        if not self._waiting:
            return
        what = self._waiting.popleft()
        self._rseq += 1
        self._open = what._replace(lines=[*what.lines, "Require: 100rel", f"RSeq: {self._rseq}"])
        self._pause, self._left = T1, TIMEOUT
        self._context.respond(now, self._server, self._open)
        self._arm(now)

    def _arm(self, now: int) -> None:
        delay = min(self._pause, self._left)
        self._left -= delay
        self._timer = self._context.later(now, delay, self._due)

    def _due(self, now: int, _: object) -> None:
        self._timer = None
        if self._open is None:
            return
        if self._left <= 0:
            self._missed(now)
            return
        self._context.count.retransmitted += 1
        self._context.respond(now, self._server, self._open)
        self._pause *= 2
        self._arm(now)

    def prack(self, now: int, request: Request) -> int:
        """A PRACK came: the status to answer, 200 or 481."""
        words = request.get("rack").split()
        if self._open is None or words != [str(self._rseq), str(self._cseq), "INVITE"]:
            return 481
        self.stop()
        self._next(now)
        return 200

    def stop(self) -> None:
        """The final answer is out: repeat no more."""
        self._context.stop(self._timer)
        self._timer = self._open = None
