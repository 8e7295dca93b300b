"""Who talks over the link: a real core, and a raw peer whose every message the test writes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from media.ua import api
from media.ua.core import Core, Outputs
from media.ua.message import Request, Response, parse
from media.ua.register import Registered
from media.ua.settings import Settings
from ops.ids import CallId, LegId
from tests.kit.link import Address, Link

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=sendrecv\r\n"
HOLD = SDP.replace(b"sendrecv", b"sendonly")
E = TypeVar("E")
A, B, C = ("192.0.2.1", 5060), ("192.0.2.2", 5060), ("192.0.2.3", 5060)


def leg(call: str = "c1", name: str = "b1") -> api.Leg:
    """A leg's name."""
    return api.Leg(CallId(call), LegId(name))


class Agent:
    """A core at an address. `handle` may be set to act on events at once."""

    def __init__(self, link: Link, address: Address = A, settings: Settings | None = None) -> None:
        ids = itertools.count(1)
        self.link, self.address = link, address
        known = replace(settings or Settings(*address, session_s=0), host=address[0], port=address[1])
        self.core = Core(known, lambda: f"call-{next(ids)}")
        self.events: list[api.Event] = []
        self.registered: list[Registered] = []
        self.handle: Callable[[api.Event], None] = lambda event: None
        self._due: int | None = None
        link.join(address, self)

    def do(self, command: api.Command) -> None:
        """Carry out a command."""
        self.apply(self.core.do(self.link.now, command))

    def receive(self, now: int, data: bytes, source: Address, transport: str) -> None:
        """From the link."""
        self.apply(self.core.receive(now, data, source, transport))

    def tick(self, now: int) -> None:
        """From the link."""
        self.apply(self.core.tick(now))

    def deadline(self) -> int | None:
        """For the link."""
        return self._due

    def apply(self, outputs: Outputs) -> None:
        """Send what is to be sent, take the events."""
        self._due = outputs.deadline
        for packet in outputs.packets:
            self.link.send(self.address, (packet.hop.host, packet.hop.port), packet.data, packet.hop.transport)
        self.registered += outputs.registered
        for event in outputs.events:
            self.events.append(event)
            self.handle(event)

    def got(self, kind: type[E]) -> list[E]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type[E]) -> E:
        """The only event of a kind."""
        found = self.got(kind)
        assert len(found) == 1, f"{len(found)} {kind.__name__} in {[type(e).__name__ for e in self.events]}"
        return found[0]

    def live(self) -> dict[str, int]:
        """What the core holds."""
        return self.core.live()

    def accept(self) -> None:
        """Answer every call and every offer."""

        def on(event: api.Event) -> None:
            if isinstance(event, api.IncomingCall):
                self.do(api.Answer(event.leg, SDP))
            elif isinstance(event, api.Reoffer):
                self.do(api.AcceptOffer(event.leg, SDP))

        self.handle = on


class Raw:
    """A peer that does nothing by itself."""

    def __init__(self, link: Link, address: Address = B) -> None:
        self.link, self.address = link, address
        self.heard: list[Request | Response] = []
        self.answer: Callable[[Request], None] = lambda request: None
        self._branch = itertools.count(1)
        link.join(address, self)

    def receive(self, now: int, data: bytes, source: Address, transport: str) -> None:
        """From the link."""
        message = parse(data)
        assert isinstance(message, Request | Response), message
        assert message.vitals() == "", message.vitals()
        self.heard.append(message)
        if isinstance(message, Request):
            self.answer(message)

    def tick(self, now: int) -> None:
        """No timers."""

    def deadline(self) -> int | None:
        """No timers."""
        return None

    def requests(self, method: str) -> list[Request]:
        """Requests of a method that came."""
        return [m for m in self.heard if isinstance(m, Request) and m.method == method]

    def responses(self, method: str, status: int = 0) -> list[Response]:
        """Responses that came to a method, of one status if told."""
        return [m for m in self.heard if isinstance(m, Response) and m.cseq_method == method and status in (0, m.status)]

    def send(self, data: bytes | str, to: Address = A, transport: str = "udp") -> None:
        """Send as it is; text gets CRLF line ends."""
        if isinstance(data, str):
            data = data.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape")
        self.link.send(self.address, to, data, transport)

    def request(self, method: str, to: Address = A, **given: object) -> str:
        """Send a request; `given`: any of REQUEST's fields, `extra` header lines, `body`. The branch used."""
        fields = REQUEST | {"host": f"{self.address[0]}:{self.address[1]}", "uri": f"sip:100@{to[0]}:{to[1]}"} | given
        fields.setdefault("domain", fields["host"])
        fields.setdefault("branch", f"z9hG4bK-raw-{next(self._branch)}")
        body = fields["body"] if isinstance(fields["body"], bytes) else str(fields["body"]).encode()
        extra = "".join(f"{line}\n" for line in str(fields["extra"]).splitlines())
        if body and "content-type" not in extra.lower():
            extra += "Content-Type: application/sdp\n"
        head = TEMPLATE.format(**{**fields, "method": method, "extra": extra, "length": len(body)})
        self.send(head.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + body, to)
        return str(fields["branch"])

    def reply(self, request: Request, status: int, tag: str = "raw", extra: str = "", body: bytes = b"") -> None:
        """Answer a request that came."""
        to = request.get("to") + ("" if request.to_tag or status == 100 else f";tag={tag}")
        lines = [f"SIP/2.0 {status} Whatever", *[f"Via: {v}" for v in request.lines("via")]]
        lines += [f"From: {request.get('from')}", f"To: {to}", f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}"]
        if "contact:" not in extra.lower() and status > 100:
            lines.append(f"Contact: <sip:raw@{self.address[0]}:{self.address[1]}>")
        lines += extra.splitlines() + (["Content-Type: application/sdp"] if body and "content-type:" not in extra.lower() else [])
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        top = request.top
        assert top is not None
        self.send(head + body, (top.host, top.port or 5060))


REQUEST: dict[str, object] = {
    "from_tag": "f1", "to_tag": "", "call_id": "raw-call-1", "cseq": 1, "extra": "", "body": b"", "caller": "13812345678",
}  # fmt: skip
TEMPLATE = (
    "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP {host};branch={branch};rport\nMax-Forwards: 70\n"
    "From: <sip:{caller}@{domain}>;tag={from_tag}\nTo: <sip:100@192.0.2.1>{to_tag}\nCall-ID: {call_id}\nCSeq: {cseq} {method}\n"
    "Contact: <sip:{caller}@{host}>\n{extra}Content-Length: {length}\n\n"
)


def method(name: str) -> Callable[[bytes], bool]:
    """Datagrams that are this request, or with a digit first a response of this status ("200") or to a method ("200 INVITE")."""
    words = name.split()
    if words[0].isdigit():
        start, rest = f"SIP/2.0 {words[0]} ".encode(), f" {words[1]}\r\n".encode() if len(words) > 1 else b""
        return lambda data: data.startswith(start) and rest in data
    return lambda data: data.startswith(name.encode() + b" ")
