"""The user agent without I/O: messages, commands and time in; packets, events and the next deadline out.

    receive(bytes) ─> message ─> transaction ─┬─> usage (dialog) ─> events
    do(command)  ────────────────> usage ─────┘        └──> transaction ─> packets
    tick(now)  ─> timers of all of them

Who calls it sends the packets, hands the events on in order and calls `tick` at the deadline (media/net/endpoint.py does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from media.ua import api
from media.ua.bodies import ACCEPTED
from media.ua.checks import refusal
from media.ua.context import Context, token
from media.ua.errors import SipError
from media.ua.incoming import Incoming
from media.ua.message import Malformed, Request, Response, parse
from media.ua.outgoing import Outgoing
from media.ua.register import Register, Registered, Registration
from media.ua.settings import Settings
from media.ua.tables import OPEN
from media.ua.transaction import Counters, Server, merge_key, server_key
from media.ua.usage import Usage
from media.ua.usage_tables import Ev
from media.ua.wire import ALLOW, Answering, Hop, Packet, answer, stamp

_NOTHING: tuple[Any, ...] = ()


class Outputs(NamedTuple):
    """What came of one call of the core."""

    packets: Sequence[Packet]
    events: Sequence[api.Event]
    registered: Sequence[Registered]
    deadline: int | None  # when `tick` is due, ms of the same clock as `now`


class Core:
    """One user agent. `new_call` makes ids for calls that bring none. All times are ms of one monotonic clock."""

    def __init__(self, settings: Settings, new_call: Callable[[], str]) -> None:
        self.context = Context(settings, new_call)
        self.available = True  # False: OPTIONS and new INVITEs are answered 503 (drain)
        self._registrations: dict[str, Registration] = {}
        self._registered: list[Registered] = []
        self._commands: dict[type[api.Command], Callable[[int, Usage, api.Command], None]] = _COMMANDS

    @property
    def count(self) -> Counters:
        """Counters since the start."""
        return self.context.count

    def live(self) -> dict[str, int]:
        """How many transactions, dialogs, legs and timers there are."""
        c = self.context
        return {"transactions": len(c.transactions), "dialogs": len(c.dialogs), "legs": len(c.legs), "timers": c.wheel.live}

    def unanswered(self) -> int:
        """How many requests of ours have no final answer yet."""
        return sum(client.state in OPEN for client in self.context.transactions.clients.values())

    def knows(self, leg: api.Leg) -> bool:
        """Whether there is such a leg."""
        return leg in self.context.legs

    # ---- in -----------------------------------------------------------------------------------------------------
    def receive(self, now: int, data: bytes | Request | Response, source: tuple[str, int], transport: str = "udp") -> Outputs:
        """A message came from `source`. Never raises for what it says."""
        message = parse(data) if isinstance(data, bytes) else data
        self.context.count.received += 1
        if isinstance(message, Response):
            self._response(now, message)
        elif isinstance(message, Request):
            self._request(now, message, Hop(transport, *source))
        else:
            self._malformed(message, Hop(transport, *source))
        return self.flush()

    def do(self, now: int, command: api.Command) -> Outputs:
        """Carry out a command; one for a leg that is not there has no effect. Raises SipError for one that makes no sense."""
        usage = self.context.legs.get(command.leg)
        if isinstance(command, api.Invite):
            self._invite(now, command)
        elif usage is not None:
            self._commands[type(command)](now, usage, command)
        return self.flush()

    def tick(self, now: int) -> Outputs:
        """Let timers fire that are due."""
        self.context.wheel.run(now)
        return self.flush()

    def broken(self, now: int, hop: Hop) -> Outputs:
        """Nothing can be sent to `hop`: what waits for an answer from there takes another way or fails at once."""
        self.context.transactions.broken(now, hop)
        return self.flush()

    def flush(self) -> Outputs:
        """What is to be done now."""
        context = self.context
        packets = events = registered = _NOTHING
        if context.out:
            packets = tuple(context.out)
            context.out.clear()
            context.count.sent += len(packets)
        if context.events:
            events = tuple(context.events)
            context.events.clear()
        if self._registered:
            registered = tuple(self._registered)
            self._registered.clear()
        return Outputs(packets, events, registered, context.wheel.next())

    def register(self, now: int, command: Register) -> Outputs:
        """Register an address and keep it so; one more time for the same address takes the place of the first. Raises SipError."""
        registration = Registration(self.context, command, self._registered.append)
        old = self._registrations.get(command.aor)
        if old is not None:
            old.retire()
        self._registrations[command.aor] = registration
        registration.start(now)
        return self.flush()

    def unregister(self, now: int, aor: str) -> Outputs:
        """Take a registration away; without one, say so at once."""
        registration = self._registrations.pop(aor, None)
        if registration is None:
            self._registered.append(Registered(aor, 0, 200))
        else:
            registration.leave(now)
        return self.flush()

    # ---- messages -----------------------------------------------------------------------------------------------
    def _malformed(self, bad: Malformed, source: Hop) -> None:
        """Count it; a request that can be answered gets 400 (RFC 3261 §16.3, §18.3)."""
        self.context.count.malformed += 1
        message = bad.message
        if isinstance(message, Request) and message.method != "ACK":
            self._bad_request(message, source, bad.detail)

    def _bad_request(self, request: Request, source: Hop, why: str) -> None:
        request.vitals()
        if request.top is None:
            return
        self.context.count.refused += 1
        back = stamp(request, source)
        hop = source if source.transport != "udp" else back
        data = answer(request, Answering(400, token(), reason=why), self.context.settings.agent)
        self.context.out.append(Packet(data, hop, back))

    def _response(self, now: int, response: Response) -> None:
        if response.vitals():
            self.context.count.malformed += 1
        elif not self.context.transactions.hear(now, response):
            self.context.count.stray += 1

    def _request(self, now: int, request: Request, source: Hop) -> None:
        fault = request.vitals()
        if fault:
            self.context.count.malformed += 1
            if request.method != "ACK":
                self._bad_request(request, source, fault)
            return
        transactions = self.context.transactions
        key = server_key(request, "INVITE" if request.method == "ACK" else request.method)
        known = transactions.servers.get(key)
        if known is not None:
            transactions.repeat(now, known, request)
        elif request.method == "ACK":
            self._ack(now, request)
        else:
            back = stamp(request, source)
            merge = merge_key(request)
            merged = not request.to_tag and merge in transactions.merged and request.method != "CANCEL"
            server = transactions.open(now, request, (key, merge), (back if source.transport == "udp" else source, back))
            self._new(now, request, server, merged)

    def _ack(self, now: int, request: Request) -> None:
        owner = self.context.dialogs.get((request.call_id, request.to_tag, request.from_tag))
        if owner is None:
            self.context.count.stray += 1
        else:
            owner.ack(now, request)

    def _new(self, now: int, request: Request, server: Server, merged: bool) -> None:
        refused = Answering(482) if merged else refusal(request, self.context.settings)
        if refused is not None:
            self._refuse(now, server, refused)
        elif request.method == "CANCEL":
            self._cancel(now, request, server)
        elif request.to_tag:
            owner = self.context.dialogs.get((request.call_id, request.to_tag, request.from_tag))
            if owner is None:
                self._refuse(now, server, Answering(481))
            else:
                owner.request(now, request, server)
        else:
            self._outside(now, request, server)

    def _refuse(self, now: int, server: Server, what: Answering) -> None:
        self.context.count.refused += 1
        self.context.respond(now, server, what if what.tag else what._replace(tag=token()))

    def _cancel(self, now: int, request: Request, server: Server) -> None:
        """RFC 3261 §9.2: 481 if there is no such transaction; else 200, and 487 to the INVITE if it is still open."""
        key = server_key(request, "INVITE")
        owner = self.context.invites.get(key)
        if key not in self.context.transactions.servers:
            self._refuse(now, server, Answering(481))
            return
        self.context.respond(now, server, Answering(200, token()))
        if owner is not None:
            owner.cancel(now, request, self.context.transactions.servers[key])

    def _outside(self, now: int, request: Request, server: Server) -> None:
        """A request that belongs to no dialog."""
        context = self.context
        full = not self.available or len(context.legs) >= context.settings.max_usages
        if request.method == "OPTIONS":
            lines = ["Allow: " + ALLOW, "Accept: " + ACCEPTED, "Supported: 100rel, timer"]
            self.context.respond(now, server, Answering(200 if self.available else 503, token(), lines))
        elif request.method != "INVITE":
            self._refuse(now, server, Answering(481))
        elif full:
            self._refuse(now, server, Answering(503, lines=["Retry-After: 5"]))
        else:
            self._incoming(now, request, server)

    def _incoming(self, now: int, request: Request, server: Server) -> None:
        try:
            Incoming(self.context, now, request, server)
        except SipError as error:
            self._refuse(now, server, Answering(400, reason=str(error)))

    # ---- commands -----------------------------------------------------------------------------------------------
    def _invite(self, now: int, command: api.Invite) -> None:
        if command.leg in self.context.legs or not command.sdp:
            raise SipError("Invite for a leg that exists, or without an offer")
        try:
            Outgoing(self.context, now, command)
        except SipError as error:
            self.context.legs.pop(command.leg, None)
            self.context.events.append(api.Failed(command.leg, 400, str(error)))


def _step(event: Ev) -> Callable[[int, Usage, api.Command], None]:
    return lambda now, usage, command: usage.step(now, event, command)


def _accept(now: int, usage: Usage, command: api.Command) -> None:
    assert isinstance(command, api.AcceptOffer)
    usage.offers.accept(now, command.sdp)


def _reject(now: int, usage: Usage, command: api.Command) -> None:
    assert isinstance(command, api.RejectOffer)
    usage.offers.reject(now, command.status)


def _info(now: int, usage: Usage, command: api.Command) -> None:
    assert isinstance(command, api.SendInfo)
    usage.send_info(now, command)


def _reinvite(now: int, usage: Usage, command: api.Command) -> None:
    assert isinstance(command, api.Reinvite)
    usage.offers.reinvite(now, command.sdp)


def _refresh(now: int, usage: Usage, command: api.Command) -> None:
    assert isinstance(command, api.Refresh)
    usage.probe(now, command.patience_ms)


_COMMANDS: dict[type[api.Command], Callable[[int, Usage, api.Command], None]] = {
    api.Ring: _step(Ev.RING),
    api.Answer: _step(Ev.ANSWER),
    api.Reject: _step(Ev.REJECT),
    api.Hangup: _step(Ev.HANGUP),
    api.AcceptOffer: _accept,
    api.RejectOffer: _reject,
    api.SendInfo: _info,
    api.Reinvite: _reinvite,
    api.Refresh: _refresh,
}
