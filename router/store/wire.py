"""One connection to Redis for many callers: everything asked in one turn of the loop leaves in one write, answers come in order.

Not redis-py's: its per-command cost (locks, time-outs, pools) is several times that of the whole verb here (docs/adr/0203).
Only what we need of it: RESP2 requests and replies; no blocking commands, no pub/sub.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis

from router.core.errors import StoreAway

Word = str | int | float | bytes
Decode = Callable[[Any], Any]


def packed(words: tuple[Word, ...]) -> bytes:
    """A command as it travels."""
    made: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub forgets variance
    return made


class Wire(asyncio.Protocol):
    """Made by `connect`. `lost` is set when the connection is gone; then every call fails with StoreAway."""

    def __init__(self, on_error: Callable[[hiredis.ReplyError], Exception]) -> None:
        self.lost = asyncio.Event()
        self._on_error = on_error
        self._reader = hiredis.Reader()
        self._out: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Any], Decode | None]] = deque()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._answered = 0
        self._looked_at = 0

    def call(self, words: tuple[Word, ...], decode: Decode | None = None) -> asyncio.Future[Any]:
        """Send a command; the future gets `decode(reply)`, or the exception that an error reply stands for."""
        return self.send(packed(words), decode)

    def send(self, command: bytes, decode: Decode | None = None) -> asyncio.Future[Any]:
        """The same with a command that is packed already: a long one by another thread, so that the loop goes on."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(StoreAway("not connected"))
            return future
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)
        self._waiting.append((future, decode))
        return future

    def stalled(self) -> bool:
        """Asked at intervals: something waits, and nothing was answered since the last time it was asked."""
        stalled = bool(self._waiting) and self._answered == self._looked_at
        self._looked_at = self._answered if self._waiting else -1
        return stalled

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            future, decode = self._waiting.popleft()
            self._answered += 1
            if not future.done():
                self._settle(future, decode, reply)

    def _settle(self, future: asyncio.Future[Any], decode: Decode | None, reply: object) -> None:
        if isinstance(reply, hiredis.ReplyError):
            future.set_exception(self._on_error(reply))
            return
        try:
            future.set_result(decode(reply) if decode is not None else reply)
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # no reply of our scripts: told to who asked
            future.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: gone."""
        self._transport = None
        self.lost.set()
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(StoreAway(f"connection lost: {exc or 'closed'}"))


async def connect(url: str, on_error: Callable[[hiredis.ReplyError], Exception]) -> Wire:
    """A connection to redis://[[user:]password@]host:port/db or unix://[user:password@]/path.

    Raises OSError, or what `on_error` makes of a refusal.
    """
    at = urlsplit(url)
    loop = asyncio.get_running_loop()
    if at.scheme == "unix":
        _, wire = await loop.create_unix_connection(lambda: Wire(on_error), unquote(at.path))
    else:
        _, wire = await loop.create_connection(lambda: Wire(on_error), at.hostname or "localhost", at.port or 6379)
    if at.password:
        await wire.call(("AUTH", *([unquote(at.username)] if at.username else []), unquote(at.password)))
    if at.scheme != "unix" and at.path.strip("/") not in ("", "0"):
        await wire.call(("SELECT", at.path.strip("/")))
    return wire
