"""A registrar and a rude callee for tests, on a bare socket: it shares no code with what is tested."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from typing import cast


def header(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*?)\r$", text, re.M | re.I)
    return found[1] if found else ""


def headers(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}:\s*(.*?)\r$", text, re.M | re.I)


def reply(request: str, status: str, *more: str, body: bytes = b"") -> bytes:
    """An answer with the headers RFC 3261 §8.2.6.2 wants copied."""
    to = header(request, "To")
    lines = [f"SIP/2.0 {status}", *(f"Via: {via}" for via in headers(request, "Via"))]
    lines += [f"To: {to if 'tag=' in to else to + ';tag=test'}"]
    lines += [f"{name}: {header(request, name)}" for name in ("From", "Call-ID", "CSeq")]
    return "\r\n".join([*lines, *more, f"Content-Length: {len(body)}", "", ""]).encode() + body


@dataclass
class BareServer(asyncio.DatagramProtocol):
    """Collects requests; subclasses answer."""

    requests: list[str] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode()
        self.requests.append(text)
        for answer in self.answers(text):
            assert self.transport is not None
            self.transport.sendto(answer, addr)

    def answers(self, request: str) -> list[bytes]:
        return []

    def methods(self) -> list[str]:
        return [request.split(" ", 1)[0] for request in self.requests]


@dataclass
class Registrar(BareServer):
    """Digest registrar for one realm. `expires`: what it grants; `contacts`: what is registered now."""

    passwords: dict[str, str] = field(default_factory=dict)
    realm: str = "test.realm"
    expires: int = 120
    contacts: dict[str, str] = field(default_factory=dict)
    granted: int = 0

    def answers(self, request: str) -> list[bytes]:
        if not request.startswith("REGISTER "):
            return []
        authorization = header(request, "Authorization")
        if not authorization:
            return [
                reply(
                    request,
                    "401 Unauthorized",
                    f'WWW-Authenticate: Digest realm="{self.realm}", nonce="n1", qop="auth", algorithm=MD5',
                )
            ]
        user = self._user(authorization, request)
        if user is None:
            return [reply(request, "403 Forbidden")]
        wanted = re.search(r"expires[=:]\s*(\d+)", request, re.I)
        expires = min(self.expires, int(wanted[1])) if wanted else self.expires
        contact = header(request, "Contact")
        if expires:
            self.contacts[user] = contact
            self.granted += 1
        else:
            self.contacts.pop(user, None)
        return [reply(request, "200 OK", *([f"Contact: {contact.split(';expires')[0]};expires={expires}"] if expires else []))]

    def _user(self, authorization: str, request: str) -> str | None:
        found = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization))
        user = found["username"]
        first = hashlib.md5(f"{user}:{self.realm}:{self.passwords.get(user)}".encode()).hexdigest()
        second = hashlib.md5(f"REGISTER:{found['uri']}".encode()).hexdigest()
        want = hashlib.md5(f"{first}:{found['nonce']}:{found['nc']}:{found['cnonce']}:{found['qop']}:{second}".encode()).hexdigest()
        to = re.search(r"sip:([^@]+)@", header(request, "To"))
        return user if want == found["response"] and to and to[1] == user else None


@dataclass
class Callee(BareServer):
    """Answers INVITE with 200 and the given body, BYE with 200."""

    body: bytes = b""
    port: int = 0

    def answers(self, request: str) -> list[bytes]:
        method = request.split(" ", 1)[0]
        if method == "INVITE":
            contact = f"Contact: <sip:rude@127.0.0.1:{self.port}>"
            return [reply(request, "200 OK", contact, "Content-Type: application/sdp", body=self.body)]
        return [reply(request, "200 OK")] if method == "BYE" else []


async def serve(server: BareServer, port: int, host: str = "127.0.0.1") -> None:
    """Bind it."""
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, local_addr=(host, port))
