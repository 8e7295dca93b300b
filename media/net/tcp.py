"""SIP over TCP: framing by Content-Length (RFC 3261 §18.3), keep-alive CRLF (RFC 5626 §3.5.1), connections used again both ways."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable

MAX_HEAD = 65_536
MAX_MESSAGE = 131_072
MAX_CONNECTIONS = 10_000
MAX_UNSENT = 4 * 1024 * 1024  # a peer that does not read is cut off
CONNECT_S = 5.0
IDLE_S = 600.0
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d{1,6})[ \t]*\r\n", re.I)
log = logging.getLogger(__name__)
Address = tuple[str, int]


class BadFrame(ValueError):
    """The stream cannot be cut into messages any more: the connection has to be closed."""


class Framer:
    """Cuts a byte stream into messages. `feed` gives whole messages and the CRLFs that want a pong. Raises BadFrame."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = 0  # bytes of the message under way, 0 while its head is not complete
        self._seen = 0  # so far its head was looked through: one that comes byte by byte costs no more

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """(messages, number of double-CRLF pings between them)."""
        self._buffer += data
        messages: list[bytes] = []
        pings = 0
        while self._buffer:
            if not self._need:
                pings += self._skip()
                if not self._head():
                    break
            if len(self._buffer) < self._need:
                break
            messages.append(bytes(self._buffer[: self._need]))
            del self._buffer[: self._need]
            self._need = self._seen = 0
        return messages, pings

    def _skip(self) -> int:
        """Drop line ends between messages."""
        if self._buffer[0] not in b"\r\n":
            return 0
        count = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        self._seen = 0
        pings = bytes(self._buffer[:count]).count(b"\r\n\r\n")
        if pings * 4 < count and count == len(self._buffer) and count % 4:
            del self._buffer[: pings * 4]  # perhaps half a ping
            return pings
        del self._buffer[:count]
        return pings

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", max(0, self._seen - 3))
        if end < 0:
            self._seen = len(self._buffer)
            if len(self._buffer) > MAX_HEAD:
                raise BadFrame("head without end")
            return False
        head = bytes(self._buffer[: end + 2])
        if not head.strip():
            return False
        found = _LENGTH.search(head)
        if found is None:
            raise BadFrame("no Content-Length")
        self._need = end + 4 + int(found[1])
        if self._need > MAX_MESSAGE:
            raise BadFrame("message too long")
        return True


class Connection(asyncio.Protocol):
    """One connection, in either direction."""

    def __init__(self, pool: TcpPool) -> None:
        self._pool, self._framer = pool, Framer()
        self.transport: asyncio.Transport | None = None
        self.peer: Address = ("", 0)
        self.used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Known to the pool from now on."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[:2]
        self.used = asyncio.get_running_loop().time()
        transport.set_write_buffer_limits(high=MAX_UNSENT)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        """Cut and hand on; answer keep-alives."""
        self.used = asyncio.get_running_loop().time()
        try:
            messages, pings = self._framer.feed(data)
        except BadFrame as error:
            self._pool.bad_frames += 1
            log.warning("stream cannot be framed", extra={"peer": f"{self.peer[0]}:{self.peer[1]}", "why": str(error)})
            self.close()
            return
        if pings and self.transport is not None:
            self.transport.write(b"\r\n")
        for message in messages:
            self._pool.received(message, self.peer)

    def pause_writing(self) -> None:
        """Four megabytes unread: this peer is not coming back."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgotten by the pool."""
        self.transport = None
        self._pool.closed(self)

    def send(self, data: bytes) -> None:
        """Write a message."""
        if self.transport is not None:
            self.used = asyncio.get_running_loop().time()
            self.transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close after what is written."""
        if self.transport is not None:
            self.transport.close()


class TcpPool:
    """All connections of an endpoint by their far end. `broken(address)`: nothing can be sent there. Only `only` comes in."""

    def __init__(
        self, received: Callable[[bytes, Address], None], broken: Callable[[Address], None], only: Address | None = None
    ) -> None:
        self.received, self._broken, self._only = received, broken, only
        self._connections: dict[Address, Connection] = {}
        self._opening: dict[Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.bad_frames = 0

    def __len__(self) -> int:
        return len(self._connections)

    async def start(self, bound: socket.socket) -> None:
        """Listen on a bound socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=bound, backlog=1024)
        self._sweeper = loop.call_later(IDLE_S / 2, self._sweep)

    def opened(self, connection: Connection) -> None:
        """A connection came up, ours or theirs."""
        if self._only not in (None, connection.peer):
            connection.abort()
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            connection.close()
        self._connections[connection.peer] = connection

    def closed(self, connection: Connection) -> None:
        """A connection went down."""
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]

    def has(self, to: Address) -> bool:
        """Whether there is a connection to `to`, or one under way."""
        return to in self._connections or to in self._opening

    def send(self, data: bytes, to: Address) -> None:
        """Send over the connection to `to`; make one if there is none. `broken` tells if that fails."""
        connection = self._connections.get(to)
        if connection is not None:
            connection.send(data)
        elif to in self._opening:
            self._opening[to].append(data)
        else:
            self._opening[to] = [data]
            task = asyncio.get_running_loop().create_task(self._open(to))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, to: Address) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await asyncio.wait_for(loop.create_connection(lambda: Connection(self), *to), CONNECT_S)
        except (OSError, TimeoutError) as error:
            log.info("no connection", extra={"to": f"{to[0]}:{to[1]}", "why": str(error) or "time-out"})
            self._opening.pop(to, None)
            self._broken(to)
            return
        for data in self._opening.pop(to, []):
            connection.send(data)

    def _sweep(self) -> None:
        """Close what nobody used for ten minutes."""
        loop = asyncio.get_running_loop()
        for connection in [c for c in self._connections.values() if loop.time() - c.used > IDLE_S]:
            connection.close()
        self._sweeper = loop.call_later(IDLE_S / 2, self._sweep)

    async def close(self) -> None:
        """Close all."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()
