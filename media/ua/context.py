"""What all parts of the core share: where output goes, timers, transactions, who owns which dialog."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from media.ua import api
from media.ua.dialog import Key
from media.ua.digest import Challenge, answer_challenge, choose
from media.ua.errors import SipError
from media.ua.message import Request, Response
from media.ua.settings import Settings
from media.ua.tables import On
from media.ua.timer import Timer, Wheel
from media.ua.transaction import COOKIE, Client, Counters, Server, Tell, Transactions
from media.ua.wire import Answering, Draft, Hop, Packet
from ops.node_secret import proof

_AHEAD = 64


class Owner(Protocol):
    """Who gets the requests of a dialog."""

    def request(self, now: int, request: Request, server: Server) -> None:
        """A request other than ACK and CANCEL."""

    def ack(self, now: int, request: Request) -> None:
        """The ACK to a 2xx."""

    def cancel(self, now: int, request: Request, server: Server) -> None:
        """A CANCEL (answered already) of the INVITE of `server`."""


_random: list[str] = []  # read ahead: a system call each would cost more than the rest of a header


def token() -> str:
    """64 random bits as text: tags, branches, Call-IDs."""
    if not _random:
        some = os.urandom(8 * _AHEAD).hex()
        _random.extend(some[at : at + 16] for at in range(0, len(some), 16))
    return _random.pop()


class Context:
    """One per core."""

    def __init__(self, settings: Settings, new_call: Callable[[], str]) -> None:
        self.settings, self.new_call = settings, new_call
        self._sent_by, self.contact = settings.sent_by, settings.contact
        self.out: list[Packet] = []
        self.events: list[api.Event] = []
        self.count = Counters()
        self.wheel = Wheel()
        self.transactions = Transactions(self.wheel, self.out, self.count, settings.agent)
        self.legs: dict[api.Leg, Any] = {}  # usages by name
        self.dialogs: dict[Key, Owner] = {}
        self.accounts: dict[str, api.Credentials] = {}  # by the user part of registered addresses
        self.invites: dict[str, Owner] = {}  # by key of the INVITE server transaction, while it can be cancelled

    def via(self, hop: Hop, branch: str) -> str:
        """Our Via value. With a proof it has no rport: the edge takes such a Via off, and would write our address in its place."""
        via = f"SIP/2.0/{hop.transport.upper()} {self._sent_by};branch={branch}"
        secret = self.settings.secret
        return f"{via};proof={proof(secret, via)}" if secret else f"{via};rport"

    def encode(self, draft: Draft, branch: str) -> tuple[bytes, Hop | None]:
        """The bytes of a request; the UDP hop if its length moved it to TCP (RFC 3261 §18.1.1)."""
        data = draft.encode(self.via(draft.hop, branch), self.settings.agent)
        limit = self.settings.tcp_over
        if not limit or len(data) <= limit or draft.hop.transport != "udp":
            return data, None
        udp, draft.hop = draft.hop, draft.hop._replace(transport="tcp")
        return draft.encode(self.via(draft.hop, branch), self.settings.agent), udp

    def begin(self, now: int, draft: Draft, tell: Tell) -> Client:
        """Start a client transaction."""
        branch = COOKIE + token()
        data, udp = self.encode(draft, branch)
        client = Client(draft, branch, tell)
        client.again = udp
        self.transactions.start(now, client, data)
        return client

    def cancel(self, now: int, invite: Client, lines: list[str]) -> None:
        """CANCEL an INVITE of ours: same Via as it (RFC 3261 §9.1)."""
        if invite.draft is None:
            return
        draft = invite.draft.sibling("CANCEL", invite.draft.to)
        draft.lines = lines
        client = Client(draft, invite.branch, _nobody)
        client.hop = invite.hop
        self.transactions.start(now, client, draft.encode(self.via(invite.hop, invite.branch), self.settings.agent))

    def send(self, draft: Draft) -> Packet:
        """Send a request without a transaction: the ACK to a 2xx. The packet, to send it again."""
        data, _ = self.encode(draft, COOKIE + token())
        packet = Packet(data, draft.hop)
        self.out.append(packet)
        return packet

    def respond(self, now: int, server: Server, what: Answering) -> bytes:
        """Answer a request."""
        return self.transactions.respond(now, server, what)

    def ask(self, now: int, draft: Draft, seq: Callable[[], int], tell: Tell, credentials: api.Credentials | None = None) -> None:
        """Send a request outside of INVITE usages; a digest challenge is answered, with a new CSeq from `seq`."""
        credentials = credentials or self.settings.credentials
        if credentials is None:
            self.begin(now, draft, tell)
        else:
            Exchange(self, draft, seq, tell, credentials).start(now)

    def later(self, now: int, delay_ms: int, fire: Callable[[int, Any], None], arg: Any = None) -> Timer:
        """Arm a timer."""
        return self.wheel.arm(now, delay_ms, fire, arg)

    def stop(self, timer: Timer | None) -> None:
        """Disarm it."""
        if timer is not None:
            self.wheel.cancel(timer)


def _nobody(_now: int, _response: Response | None, _on: On) -> None:
    """For requests whose answer changes nothing."""


nobody: Tell = _nobody


def authorize(draft: Draft, response: Response, credentials: api.Credentials, tried: Challenge | None) -> Challenge | None:
    """Put an answer to the challenge into the draft; None if there is none to give: unknown, or given in vain before."""
    proxy = response.status == 407
    try:
        challenge = choose(response.lines("proxy-authenticate" if proxy else "www-authenticate"))
        if challenge is None or (tried is not None and not challenge.stale and challenge.realm == tried.realm):
            return None
        value = answer_challenge(challenge, credentials, draft.method, draft.uri, draft.body, cnonce=token())
    except SipError:
        return None
    draft.auth = [("Proxy-Authorization: " if proxy else "Authorization: ") + value]
    return challenge


class Exchange:
    """One request outside of the INVITE machines, sent again with credentials when asked for them."""

    __slots__ = ("context", "credentials", "draft", "seq", "tell", "tried", "tries")

    def __init__(self, context: Context, draft: Draft, seq: Callable[[], int], tell: Tell, credentials: api.Credentials) -> None:
        self.context, self.draft, self.seq, self.tell, self.credentials = context, draft, seq, tell, credentials
        self.tried: Challenge | None = None
        self.tries = 0

    def start(self, now: int) -> None:
        """Send it."""
        self.context.begin(now, self.draft, self.heard)

    def heard(self, now: int, response: Response | None, on: On) -> None:
        """An answer, or none."""
        if response is not None and response.status in (401, 407) and self.tries < 3:
            challenge = authorize(self.draft, response, self.credentials, self.tried)
            if challenge is not None:
                self.tried, self.tries = challenge, self.tries + 1
                self.draft.cseq = self.seq()
                self.start(now)
                return
        self.tell(now, response, on)
