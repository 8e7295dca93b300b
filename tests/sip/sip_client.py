"""A small SIP speaker for tests: sends the bytes it is told to, keeps what it hears. Knows no transactions on purpose."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

_numbers = itertools.count(1)
Address = tuple[str, int]


@dataclass(frozen=True)
class Message:
    """A received SIP message: start line, headers as (lower-case name, value), body, and the bytes themselves."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str
    raw: bytes
    source: Any = None

    @property
    def status(self) -> int:
        """Status of a response, 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """Method of a request, "" for a response."""
        return "" if self.status else self.start.split()[0]

    @property
    def uri(self) -> str:
        """Request-URI."""
        return self.start.split()[1]

    def all(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return [value for key, value in self.headers if key == name.lower()]

    def get(self, name: str) -> str:
        """First value of a header, "" if there is none."""
        return next(iter(self.all(name)), "")

    @property
    def names(self) -> set[str]:
        """Names of all headers, lower-case."""
        return {key for key, _ in self.headers}


def parse(raw: bytes, source: Any = None) -> Message:
    """A message from bytes; bytes that are no UTF-8 are kept by surrogates."""
    head, _, body = raw.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start, tuple((k.strip().lower(), v.strip()) for k, _, v in pairs), body, raw, source)


def unique(prefix: str) -> str:
    """A word never given before in this process."""
    return f"{prefix}{next(_numbers)}x{id(_numbers) & 0xFFFFFF:x}"


@dataclass
class Dialog:
    """What a caller keeps of one call."""

    call_id: str
    local: str  # From value with tag
    remote: str  # To value; with tag once known
    target: str  # Request-URI
    routes: list[str] = field(default_factory=list)
    cseq: int = 1
    branch: str = ""

    def learn(self, reply: Message) -> None:
        """Take the remote tag, target and route set from a 2xx (RFC 3261 §12.1.2)."""
        self.remote = reply.get("to")
        self.target = re.sub(r".*<([^>]*)>.*", r"\1", reply.get("contact"))
        self.routes = list(reversed(reply.all("record-route")))


class Endpoint(asyncio.DatagramProtocol):
    """A UDP socket with an inbox. `on_request` sees each request first; True from it means: dealt with."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.seen: list[Message] = []
        self.on_request: Callable[[Message], bool] = lambda _: False
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def open(cls, host: str, port: int = 0) -> Endpoint:
        """Bind host:port."""
        loop = asyncio.get_running_loop()
        _, endpoint = await loop.create_datagram_endpoint(cls, local_addr=(host, port))
        return endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.host, self.port = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = parse(data, addr)
        self.seen.append(message)
        if not (message.method and self.on_request(message)):
            self.inbox.put_nowait(message)

    def send(self, data: str | bytes, to: Address) -> None:
        """One datagram."""
        self.transport.sendto(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"), to)

    async def receive(self, seconds: float = 8.0) -> Message:
        """The next message, or TimeoutError."""
        return await asyncio.wait_for(self.inbox.get(), seconds)

    async def final(self, seconds: float = 8.0, of: str = "") -> Message:
        """The next message that is no provisional response (`of`: with this Call-ID)."""
        while True:
            message = await self.receive(seconds)
            if not 100 <= message.status < 200 and of in ("", message.get("call-id")):
                return message

    async def quiet(self, seconds: float = 0.5) -> bool:
        """True if nothing at all comes in that time."""
        try:
            await self.receive(seconds)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        """Give the port back."""
        self.transport.close()


def request(method: str, uri: str, via: str, headers: dict[str, str], body: str = "", extra: str = "") -> str:
    """A request; `headers` override the usual ones, `extra` lines go before Content-Length as they are.

    A `via` with a branch is taken as it is.
    """
    via = via if ";branch=" in via else f"{via};branch=z9hG4bK{unique('b')};rport"
    usual = {"Via": via, "Max-Forwards": "70", "CSeq": f"1 {method}"}
    lines = [f"{name}: {value}" for name, value in (usual | headers).items()]
    return f"{method} {uri} SIP/2.0\r\n" + "\r\n".join(lines) + f"\r\n{extra}Content-Length: {len(body.encode())}\r\n\r\n{body}"


def respond(to: Message, status: int, reason: str = "Why", tag: str = "t", extra: str = "") -> str:
    """A response to a received request."""
    lines = [f"SIP/2.0 {status} {reason}"]
    for name in ("via", "record-route", "from", "call-id", "cseq"):
        lines += [f"{name.title()}: {value}" for value in to.all(name)]
    remote = to.get("to")
    lines.append(f"To: {remote}" if "tag=" in remote or status == 100 else f"To: {remote};tag={tag}")
    return "\r\n".join(lines) + f"\r\n{extra}Content-Length: 0\r\n\r\n"


class Caller:
    """A carrier's switch on one address: starts calls at the edge."""

    def __init__(self, endpoint: Endpoint, edge: Address) -> None:
        self.endpoint = endpoint
        self.edge = edge

    @property
    def via(self) -> str:
        """Via without branch."""
        return f"SIP/2.0/UDP {self.endpoint.host}:{self.endpoint.port}"

    @property
    def contact(self) -> str:
        """Where in-dialog requests come back to."""
        return f"<sip:switch@{self.endpoint.host}:{self.endpoint.port}>"

    def dialog(self, called: str = "95588", calling: str = "13812345678") -> Dialog:
        """A call that has not begun."""
        uri = f"sip:{called}@{self.edge[0]}:{self.edge[1]}"
        return Dialog(unique("call"), f"<sip:{calling}@carrier.example>;tag={unique('f')}", f"<{uri}>", uri)

    def invite(self, dialog: Dialog, extra: str = "", **headers: str) -> Dialog:
        """Send the INVITE."""
        dialog.branch = f"z9hG4bK{unique('i')}"
        own = {"Via": f"{self.via};branch={dialog.branch};rport", "Contact": self.contact}
        self.send(dialog, "INVITE", extra, **(own | headers))
        return dialog

    def send(self, dialog: Dialog, method: str, extra: str = "", **headers: str) -> None:
        """A request of the dialog by its route set."""
        routes = "".join(f"Route: {route}\r\n" for route in dialog.routes)
        usual = {"From": dialog.local, "To": dialog.remote, "Call-ID": dialog.call_id, "CSeq": f"{dialog.cseq} {method}"}
        self.endpoint.send(request(method, dialog.target, self.via, usual | headers, extra=routes + extra), self.edge)

    def cancel(self, dialog: Dialog) -> None:
        """CANCEL the INVITE."""
        self.send(dialog, "CANCEL", Via=f"{self.via};branch={dialog.branch};rport")

    def ack(self, dialog: Dialog, reply: Message) -> None:
        """ACK a 2xx (with its route set) or a failure (hop by hop)."""
        if reply.status < 300:
            dialog.learn(reply)
            self.send(dialog, "ACK")
        else:
            via = f"{self.via};branch={dialog.branch};rport"
            self.send(dialog, "ACK", Via=via, To=reply.get("to"))

    def bye(self, dialog: Dialog) -> None:
        """Hang up."""
        dialog.cseq += 1
        self.send(dialog, "BYE")


def md5(text: str) -> str:
    """In hex."""
    return hashlib.md5(text.encode()).hexdigest()


def digest(challenge: str, user: str, password: str, uri: str, method: str = "REGISTER", count: int = 1) -> str:
    """The Authorization value for a challenge (RFC 2617, MD5, qop auth)."""
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    secret, request_hash = md5(f"{user}:{fields['realm']}:{password}"), md5(f"{method}:{uri}")
    nonce, nc = fields["nonce"], f"{count:08x}"
    response = md5(f"{secret}:{nonce}:{nc}:cn:auth:{request_hash}")
    named = f'username="{user}", realm="{fields["realm"]}", nonce="{nonce}", uri="{uri}", response="{response}"'
    return f'Digest {named}, algorithm=MD5, cnonce="cn", qop=auth, nc={nc}'
