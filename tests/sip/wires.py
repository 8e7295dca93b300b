"""Other transports for tests: SIP over TCP, TLS and WebSocket."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp

from tests.sip.sip_client import Address, Message, parse


def trusting() -> ssl.SSLContext:
    """A TLS client that takes any certificate: the edge's is its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Stream:
    """One TCP or TLS connection; messages framed by Content-Length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.host, self.port = writer.get_extra_info("sockname")[:2]

    @classmethod
    async def open(cls, edge: Address, tls: bool = False) -> Stream:
        """Connect."""
        return cls(*await asyncio.open_connection(*edge, ssl=trusting() if tls else None))

    def send(self, data: str | bytes, to: Address) -> None:
        """One message (`to` is where the connection goes)."""
        self.writer.write(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))

    async def receive(self, seconds: float = 8.0) -> Message:
        """The next message; asyncio.IncompleteReadError when the edge closed."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), seconds)
        message = parse(head)
        return parse(head + await self.reader.readexactly(int(message.get("content-length") or 0)))

    async def final(self, seconds: float = 8.0) -> Message:
        """The next message that is no provisional response."""
        while 100 <= (message := await self.receive(seconds)).status < 200:
            pass
        return message

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


class WebSocket:
    """SIP over WSS (RFC 7118)."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.session = session
        self.socket = socket
        self.host, self.port = "browser.invalid", 0

    @classmethod
    async def open(cls, host: str, port: int, origin: str = "https://console.example") -> WebSocket:
        """Shake hands; aiohttp.WSServerHandshakeError if refused."""
        session = aiohttp.ClientSession()
        try:
            socket = await session.ws_connect(f"wss://{host}:{port}/", protocols=("sip",), origin=origin, ssl=trusting())
        except aiohttp.ClientError:
            await session.close()
            raise
        return cls(session, socket)

    def send(self, data: str | bytes, to: Address) -> None:
        """One message."""
        text = data.decode() if isinstance(data, bytes) else data
        self.sending = asyncio.ensure_future(self.socket.send_str(text))

    async def receive(self, seconds: float = 8.0) -> Message:
        """The next message."""
        data = (await self.socket.receive(seconds)).data
        return parse(data.encode() if isinstance(data, str) else data)

    async def final(self, seconds: float = 8.0) -> Message:
        """The next message that is no provisional response."""
        while 100 <= (message := await self.receive(seconds)).status < 200:
            pass
        return message

    async def close(self) -> None:
        """Hang up."""
        await self.socket.close()
        await self.session.close()
