"""One connection to Redis for batches of commands: one write, one wait for all replies.

redis-py's asyncio pipeline takes about 550 us of CPU a batch of seven on the machine this was measured on, this takes 150 us; a
media node writes fifty batches a second (docs/adr/0503-facts-go-out-in-batches.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import hiredis

CONNECT_S = 2.0
REPLY_S = 5.0
Command = tuple[str | bytes | int, ...]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RedisAway(Exception):
    """No connection, no reply in time, or a server that cannot write at the moment; nothing is known of the batch's effect."""


class RedisRefused(Exception):
    """The server refused one command of the batch for good; `index` tells which, the others had their effect."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index


# A server that is loading, a replica, out of memory, failing over: it passes.
PASSING = ("LOADING", "READONLY", "OOM", "MISCONF", "MASTERDOWN", "NOAUTH", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS")


class Pipe:
    """To redis://[[user:]password@]host:port/db or unix://[user:password@]PATH. Connects when first used and again
    after every error. Not for several tasks at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = unquote(parts.path) if parts.scheme == "unix" else ""
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379
        self._hello: list[Command] = []
        if parts.password:
            user = (unquote(parts.username),) if parts.username else ()
            self._hello.append(("AUTH", *user, unquote(parts.password)))
        if not self._path and parts.path.strip("/"):
            self._hello.append(("SELECT", parts.path.strip("/")))
        self._streams: Streams | None = None
        self._parser = hiredis.Reader()

    async def run(self, commands: Sequence[Command]) -> list[object]:
        """All replies in order. Raises RedisAway, RedisRefused."""
        try:
            replies = await self._exchange(self._streams or await self._connect(), commands)
        except (OSError, EOFError, TimeoutError, hiredis.ProtocolError) as error:
            self.close()
            raise RedisAway(repr(error)) from error
        except asyncio.CancelledError:
            self.close()  # replies would come that nobody counts
            raise
        self._check(replies)
        return replies

    async def _connect(self) -> Streams:
        async with asyncio.timeout(CONNECT_S):
            if self._path:
                streams = self._streams = await asyncio.open_unix_connection(self._path)
            else:
                streams = self._streams = await asyncio.open_connection(self._host, self._port)
        self._parser = hiredis.Reader()
        if self._hello:
            self._check(await self._exchange(streams, self._hello))
        return streams

    async def _exchange(self, streams: Streams, commands: Sequence[Command]) -> list[object]:
        reader, writer = streams
        writer.write(b"".join([hiredis.pack_command(command) for command in commands]))  # type: ignore[arg-type]  # wrong stub
        replies: list[object] = []
        async with asyncio.timeout(REPLY_S):
            while len(replies) < len(commands):
                data = await reader.read(65536)
                if not data:
                    raise EOFError("Redis closed the connection")
                self._parser.feed(data)
                while (reply := self._parser.gets()) is not False:
                    replies.append(reply)
        return replies

    def _check(self, replies: list[object]) -> None:
        for index, reply in enumerate(replies):
            if isinstance(reply, hiredis.ReplyError):
                if str(reply).startswith(PASSING):
                    self.close()
                    raise RedisAway(str(reply))
                raise RedisRefused(index, str(reply))

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
