"""The routers, as the asker process talks to them: one connection each, kept up; one question after another tried in turn."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

from ops.clock import SystemClock
from ops.inner import ROUTER, UNIX, certificate_name
from sip.kemi.breaker import Breaker
from sip.kemi.h2 import Connection, Failed, GoAway, ProtocolError, Reply

PATH = "/tierline.routing.v1.Routing/RouteCall"
ROUTER_NAME = certificate_name(ROUTER)
AUTHORITY = "localhost"  # of requests: a socket's path is none
BACKOFF_S = (0.1, 0.2, 0.5, 1.0)
ROOM = 16384  # bytes read at once
DEAF_MS = 2000  # a connection on which questions time out and nothing was heard for so long is dropped and made anew
now_ms = SystemClock().mono_ms


class Host(Protocol):
    """What is told of the routers' state."""

    def warn(self, text: str) -> None:
        """Something to log."""

    def connected(self, address: str, up: bool) -> None:
        """A router's connection came or went."""


@dataclass(slots=True)
class Asking:
    """A question on its way. `done` is called once, with the reply's bytes or why there is none."""

    question: bytes
    end: int  # monotonic ms
    done: Callable[[bytes | None, str], None]
    turn: int = 0
    tried: int = 0
    why: str = "unavailable"
    timer: asyncio.TimerHandle | None = None


class Link(asyncio.BufferedProtocol):
    """One connection to one router. Buffered: asyncio would else map and unmap 256 KB for each answer."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._h2 = Connection(AUTHORITY, PATH)
        self._waiting: dict[int, Asking] = {}
        self._room = memoryview(bytearray(ROOM))
        self._heard = now_ms()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello and be of use."""
        self._transport = cast(asyncio.Transport, transport)
        self._flush()
        self._router.found(self)

    def connection_lost(self, error: Exception | None) -> None:
        """All questions on it have failed."""
        self._router.lost(self)
        waiting, self._waiting = self._waiting, {}
        for asking in waiting.values():
            self._router.failed(asking, "unavailable")

    def ask(self, asking: Asking) -> bool:
        """Send a question; False if there is no room."""
        stream = self._h2.request(asking.question)
        if stream is None:
            return False
        self._waiting[stream] = asking
        left = max(0, asking.end - now_ms()) / 1000
        asking.timer = asyncio.get_running_loop().call_later(left, self._late, stream)
        self._flush()
        return True

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Answers and the protocol's own talk."""
        self._heard = now_ms()
        try:
            events = self._h2.feed(bytes(self._room[:nbytes]))
        except ProtocolError:
            self._transport.abort()
            return
        self._flush()
        for event in events:
            if isinstance(event, GoAway):
                self._go_away(event.last)
            else:
                self._answered(event)

    def _answered(self, event: Reply | Failed) -> None:
        asking = self._waiting.pop(event.stream, None)
        if asking is None:
            return
        if isinstance(event, Reply):
            self._router.answered(asking, event.message)
        else:
            self._router.failed(asking, event.why)

    def _go_away(self, last: int) -> None:
        self._router.lost(self)
        for stream in [stream for stream in self._waiting if stream > last]:
            self._router.failed(self._waiting.pop(stream), "unavailable")

    def _late(self, stream: int) -> None:
        asking = self._waiting.pop(stream, None)
        if asking is None:
            return
        self._h2.cancel(stream)
        self._flush()
        if now_ms() - self._heard > DEAF_MS:
            self._transport.abort()
        self._router.failed(asking, "deadline_exceeded")

    def _flush(self) -> None:
        if self._h2.outgoing and not self._transport.is_closing():
            self._transport.write(bytes(self._h2.outgoing))
        self._h2.outgoing.clear()


@dataclass(eq=False)
class Router:
    """One router at unix:PATH or host:port: its breaker and its connection."""

    address: str
    host: Host
    retry: Callable[[Asking], None]
    tls: ssl.SSLContext | None = None
    breaker: Breaker = field(default_factory=Breaker)
    link: Link | None = None
    _attempt: int = 0
    _connecting: asyncio.Task[None] | None = None

    def connect(self) -> None:
        """Keep trying until connected."""
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        while True:
            try:
                await self._open()
            except OSError:
                await asyncio.sleep(BACKOFF_S[min(self._attempt, len(BACKOFF_S) - 1)])
                self._attempt += 1
            else:
                return

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self.address.startswith(UNIX):
            await loop.create_unix_connection(lambda: Link(self), self.address.removeprefix(UNIX))
            return
        host, _, port = self.address.rpartition(":")
        name = ROUTER_NAME if self.tls else None
        await loop.create_connection(lambda: Link(self), host, int(port), ssl=self.tls, server_hostname=name)

    def found(self, link: Link) -> None:
        """Connected."""
        self.link = link
        self.host.connected(self.address, True)

    def lost(self, link: Link) -> None:
        """This connection takes no more questions; a new one is made."""
        if self.link is link:
            self.link = None
            self.host.connected(self.address, False)
            self.connect()

    def answered(self, asking: Asking, message: bytes) -> None:
        """A reply in time."""
        self._attempt = 0
        self.breaker.success(now_ms())
        self._over(asking)
        asking.done(message, "")

    def failed(self, asking: Asking, why: str) -> None:
        """No reply from this router; the next one may have time left."""
        if why == "invalid_argument":
            self.breaker.success(now_ms())  # the router is well; it is the question
        elif self.breaker.failure(now_ms()):
            self.host.warn(f"breaker open before router {self.address}: {why}\n")
        self._over(asking)
        asking.why = why
        self.retry(asking)

    @staticmethod
    def _over(asking: Asking) -> None:
        if asking.timer is not None:
            asking.timer.cancel()
            asking.timer = None


class Routers:
    """All routers: round robin, the next one when one fails, until the deadline."""

    def __init__(self, addresses: tuple[str, ...], host: Host, tls: ssl.SSLContext | None = None) -> None:
        self._routers = [Router(address, host, self._next, tls) for address in addresses]
        self._turn = 0

    def connect(self) -> None:
        """Connect to all, in the background."""
        for router in self._routers:
            router.connect()

    def ask(self, question: bytes, end: int, done: Callable[[bytes | None, str], None]) -> None:
        """Put a question; `done(reply, why)` is called once, not later than at monotonic ms `end` (by much)."""
        self._turn += 1
        self._next(Asking(question, end, done, self._turn))

    def _next(self, asking: Asking) -> None:
        while asking.tried < len(self._routers) and now_ms() < asking.end:
            router = self._routers[(asking.turn + asking.tried) % len(self._routers)]
            asking.tried += 1
            if router.link is None:
                continue
            if not router.breaker.admit(now_ms()):
                asking.why = "breaker" if asking.why == "unavailable" else asking.why
            elif router.link.ask(asking):
                return
            else:
                router.failed(asking, "resource_exhausted")
                return
        asking.done(None, asking.why)
