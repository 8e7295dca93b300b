"""Unary gRPC questions by the edge's own client, for the floor bench: only the server's share is measured."""

from __future__ import annotations

import asyncio
from typing import cast

from sip.kemi.h2 import Connection, Failed, GoAway

PATH = "/tierline.routing.v1.Routing/RouteCall"


class Unary(asyncio.Protocol):
    """One connection."""

    def __init__(self, authority: str) -> None:
        self._h2 = Connection(authority, PATH)
        self._waiting: dict[int, asyncio.Future[None]] = {}

    @classmethod
    async def open(cls, authority: str) -> Unary:
        """Connect."""
        host, _, port = authority.rpartition(":")
        _, made = await asyncio.get_running_loop().create_connection(lambda: cls(authority), host, int(port))
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Answers. Raises OSError to who asked what failed."""
        for event in self._h2.feed(data):
            if isinstance(event, GoAway):
                continue
            future = self._waiting.pop(event.stream)
            if isinstance(event, Failed):
                future.set_exception(OSError(f"gRPC: {event.why}"))
            else:
                future.set_result(None)
        self._flush()

    async def ask(self, message: bytes) -> None:
        """One question, answered."""
        stream = self._h2.request(message)
        if stream is None:
            raise OSError("gRPC: no room")
        future = self._waiting[stream] = asyncio.get_running_loop().create_future()
        self._flush()
        await future

    def _flush(self) -> None:
        if self._h2.outgoing:
            self._transport.write(bytes(self._h2.outgoing))
            self._h2.outgoing.clear()
