"""A media node that does only what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable

from ops.node_secret import proof
from tests.sip.sip_client import Endpoint, Message, respond, unique


class FakeNode:
    """Answers OPTIONS, and INVITEs by `answer`: a status, or a function that does it itself. Keeps all requests."""

    def __init__(self, endpoint: Endpoint, name: str, edge: tuple[str, int], secret: str = "") -> None:
        self.secret = secret
        self.endpoint = endpoint
        self.name = name
        self.edge = edge
        self.alive = True
        self.probed = True  # answers OPTIONS
        self.answer: int | Callable[[Message], None] = 200
        self.extra = ""  # header lines added to answers
        self.requests: list[Message] = []
        endpoint.on_request = self._on_request

    @property
    def via(self) -> str:
        """A new Via, without rport and with the proof, as media nodes write it."""
        return self.proved(f"SIP/2.0/UDP {self.endpoint.host}:{self.endpoint.port};branch=z9hG4bK{unique('n')}")

    def proved(self, via: str) -> str:
        """With the proof of a media node, if it is one."""
        return f"{via};proof={proof(self.secret, via)}" if self.secret else via

    def invites(self) -> list[Message]:
        """INVITEs outside a dialog, in order, retransmissions left out."""
        first = {m.get("via").partition(";rport")[0]: m for m in reversed(self.requests) if m.method == "INVITE"}
        return [m for m in self.requests if m in first.values()]

    def of(self, method: str) -> list[Message]:
        """Requests of a method."""
        return [m for m in self.requests if m.method == method]

    def reply(self, to: Message, status: int, extra: str = "") -> None:
        """Answer a request; a 2xx to an INVITE carries the Contact that names the call."""
        contact = f"Contact: {self.contact(to)}\r\n" if to.method == "INVITE" and status < 300 else ""
        tag = f"{self.name}-{to.get('call-id')}"
        self.endpoint.send(respond(to, status, tag=tag, extra=contact + self.extra + extra), to.source)

    def contact(self, invite: Message) -> str:
        """`<callid.a@edge>`: the call, not the node."""
        call = invite.get("x-tierline-call") or unique("nocall")
        return f"<sip:{call}.a@{self.edge[0]}:{self.edge[1]}>"

    def _on_request(self, message: Message) -> bool:
        if not self.alive:
            return True
        if message.method == "OPTIONS":
            if self.probed:
                self.reply(message, 200)
            return True
        self.requests.append(message)
        if message.method == "INVITE":
            if callable(self.answer):
                self.answer(message)
            else:
                self.reply(message, 100)
                self.reply(message, self.answer)
        elif message.method != "ACK":
            self.reply(message, 200)
        return True
