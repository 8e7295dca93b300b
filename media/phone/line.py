"""One conversation of a phone, and the phone that has several: SIP events in by a table, things to wait for out.

States of a line, and what leads from one to the next:

    calling --Answered--> talking          ringing --answer()--> talking --Ended, hang_up()--> over
    calling --Failed, hang_up()--> over    ringing --Ended (caller gave up), refuse()--> over

A line hears nothing more after `over`; what crosses on the way is ignored by the endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from media.phone import sdp
from media.phone.packet import EVENTS
from media.phone.rtp import RtpPort, Sink, Ticker
from media.ua import api
from ops.clock import SystemClock
from ops.ids import CallId, LegId, uuid7

log = logging.getLogger(__name__)
DTMF_RELAY = "application/dtmf-relay"


class State(Enum):
    """Where a line stands."""

    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    OVER = "over"


class Unexpected(RuntimeError):
    """An event that the table does not know in this state: a defect of the endpoint or of the phone."""


@dataclass(frozen=True, slots=True)
class Over:
    """How a conversation ended. `by`: "us", "them", "nobody" (refused, lost)."""

    by: str
    status: int = 0  # final SIP status of a call that was not answered
    reason: str = ""  # Reason header or reason phrase
    cancelled: bool = False
    lost: bool = False


class Line:
    """One conversation. Times are the loop's clock in seconds, 0.0 until it happened."""

    def __init__(self, phone: Phone, leg: api.Leg, state: State, port: RtpPort | None) -> None:
        self.phone, self.leg, self.state, self.port = phone, leg, state, port
        self.began = phone.now()
        self.rang = self.answered_at = self.ended_at = 0.0
        self.calling = self.called = ""
        self.offer = b""
        self.over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()  # False: over without
        self.on_key: Callable[[str], None] | None = None  # key presses of the other side, RTP and INFO
        self._version = 1
        self._leaving = ""

    # ---- what the user of a phone does -----------------------------------------------------------------------
    def ring(self) -> None:
        """180 to an incoming call."""
        self.phone.do(api.Ring(self.leg))

    def answer(self) -> None:
        """200 to an incoming call. Refused with 488 if its SDP cannot be used."""
        try:
            remote = sdp.read(self.offer) if self.offer else None
        except sdp.BadSdp as error:
            log.warning("the offer cannot be used", extra={"why": str(error)})
            self.refuse(488)
            return
        self.state, self.answered_at = State.TALKING, self.phone.now()
        self.phone.do(api.Answer(self.leg, self._describe(remote)))
        self._hear(remote)
        self.answered.set_result(True)

    def refuse(self, status: int, reason: str = "") -> None:
        """Turn an incoming call down: 486 busy, 603 declined, ..."""
        self.phone.do(api.Reject(self.leg, status, reason))
        self._finish(Over("us", status, reason))

    def hang_up(self, reason: str = "") -> None:
        """End the call in whatever state; harmless when it is over."""
        if self.state is not State.OVER:
            self.phone.do(api.Hangup(self.leg, reason))
            self._finish(Over("us", reason=reason, cancelled=self.state is State.CALLING))

    def press(self, digit: str, by_info: bool = False) -> None:
        """Press one key: in the RTP stream, or by an INFO. ValueError if that is not possible on this call."""
        if by_info:
            self.phone.do(api.SendInfo(self.leg, DTMF_RELAY, f"Signal={digit}\r\nDuration=160\r\n".encode()))
        elif self.port is None:
            raise ValueError("a phone without audio sends digits by INFO only")
        else:
            self.port.talker.press(digit)

    # ---- what comes -------------------------------------------------------------------------------------------
    def event(self, event: api.Event) -> None:
        """Take one event of this leg. Raises Unexpected for what the table does not have."""
        handler = _TABLE.get((self.state, type(event)))
        if handler is None:
            raise Unexpected(f"{type(event).__name__} while {self.state.value}")
        handler(self, event)

    def _progress(self, event: api.Progress) -> None:
        if event.status >= 180 and not self.rang:
            self.rang = self.phone.now()

    def _answered(self, event: api.Answered) -> None:
        self.state, self.answered_at = State.TALKING, self.phone.now()
        try:
            self._hear(sdp.read(event.sdp))
        except sdp.BadSdp as error:
            self.phone.do(api.Hangup(self.leg, 'SIP;cause=488;text="unusable SDP"'))
            self._finish(Over("us", 200, f"unusable SDP in the answer: {error}"))
            return
        self.answered.set_result(True)

    def _confirmed(self, event: api.Confirmed) -> None:
        if event.sdp:  # the answer to our offer in the 200 (late offer)
            self._try_hear(event.sdp)

    def _try_hear(self, body: bytes) -> None:
        try:
            self._hear(sdp.read(body))
        except sdp.BadSdp as error:
            self.hang_up('SIP;cause=488;text="unusable SDP"')
            log.warning("the answer in the ACK cannot be used", extra={"why": str(error)})

    def _reoffer(self, event: api.Reoffer) -> None:
        try:
            remote = sdp.read(event.sdp) if event.sdp else None
        except sdp.BadSdp:
            self.phone.do(api.RejectOffer(self.leg))
            return
        self._version += 1
        self.phone.do(api.AcceptOffer(self.leg, self._describe(remote)))
        self._hear(remote)

    def _info(self, event: api.Info) -> None:
        if event.digit and self.on_key is not None:
            self.on_key(event.digit)

    def _failed(self, event: api.Failed) -> None:
        self._finish(Over("nobody", event.status, event.reason))

    def _ended(self, event: api.Ended) -> None:
        by = "nobody" if event.lost else "them" if event.remote else "us"
        self._finish(Over(by, reason=event.reason, cancelled=event.cancelled, lost=event.lost))

    def _describe(self, remote: sdp.Remote | None) -> bytes:
        """Our SDP: an answer to `remote`, or an offer of our own if the other side left that to us."""
        if remote is None:
            return self.phone.describe(self.port, self._version)
        direction = sdp.answer_direction(remote.direction)
        return self.phone.describe(self.port, self._version, direction, remote.event_type)

    def _hear(self, remote: sdp.Remote | None) -> None:
        if self.port is not None and remote is not None:
            self.port.remote = (remote.address, remote.port) if remote.port and remote.address else None
            self.port.sending = remote.listens
            self.port.talker.event_type = remote.event_type

    def _finish(self, how: Over) -> None:
        self.state, self.ended_at = State.OVER, self.phone.now()
        if self.port is not None:
            self.port.close()
        self.phone.forget(self)
        if not self.answered.done():
            self.answered.set_result(False)
        self.over.set_result(how)


_TABLE: dict[tuple[State, type[api.Event]], Callable[[Line, Any], None]] = {
    (State.CALLING, api.Progress): Line._progress,
    (State.CALLING, api.Answered): Line._answered,
    (State.CALLING, api.Failed): Line._failed,
    (State.CALLING, api.Ended): Line._ended,
    (State.RINGING, api.Ended): Line._ended,
    (State.TALKING, api.Confirmed): Line._confirmed,
    (State.TALKING, api.Reoffer): Line._reoffer,
    (State.TALKING, api.Info): Line._info,
    (State.TALKING, api.Ended): Line._ended,
}


class Phone:
    """All lines on one endpoint (one bind address). `on_call` gets incoming calls; without one they are answered 480."""

    def __init__(self, agent: api.UserAgent, address: str, ticker: Ticker | None = None) -> None:
        """`address`: where audio is sent from; `ticker` None: phones without audio, for load."""
        self.address = address
        self.on_call: Callable[[Line], None] | None = None
        self._agent = agent
        self._ticker = ticker
        self._sink = Sink(address) if ticker is None else None
        self._clock = SystemClock()
        self._lines: dict[api.Leg, Line] = {}
        agent.listen(self._event)

    def now(self) -> float:
        """The clock of lines: the loop's, seconds."""
        return asyncio.get_running_loop().time()

    def call(
        self, target: str, calling: str, route: str = "", timeout_s: float = 180.0, headers: tuple[tuple[str, str], ...] = ()
    ) -> Line:
        """Call `target` (a SIP URI) as the number `calling`; `route`: next hop as a SIP URI."""
        leg = api.Leg(CallId(uuid7(self._clock.now_ms())), LegId("a"))
        line = self._add(Line(self, leg, State.CALLING, self._open()))
        line.calling, line.called = calling, target
        offer = self.describe(line.port, 1)
        self.do(api.Invite(leg, target, calling, offer, headers=headers, route=route, timeout_ms=int(timeout_s * 1000)))
        return line

    def do(self, command: api.Command) -> None:
        """Hand a command to the endpoint."""
        self._agent.do(command)

    def describe(self, port: RtpPort | None, version: int, direction: str = "sendrecv", event_type: int = EVENTS) -> bytes:
        """Our SDP for a line's port, or for the common sink."""
        number = port.port if port is not None else self._sink.port if self._sink is not None else 9
        return sdp.describe(self.address, number, version, direction, event_type)

    def forget(self, line: Line) -> None:
        """A line is over."""
        self._lines.pop(line.leg, None)

    @property
    def lines(self) -> list[Line]:
        """What is going on now."""
        return list(self._lines.values())

    def close(self) -> None:
        """End every line and free the ports."""
        for line in self.lines:
            line.hang_up()
        if self._sink is not None:
            self._sink.close()

    def _open(self) -> RtpPort | None:
        return RtpPort(self.address, self._ticker) if self._ticker is not None else None

    def _add(self, line: Line) -> Line:
        self._lines[line.leg] = line
        if line.port is not None:
            line.port.listener.on_key = lambda digit: line.on_key(digit) if line.on_key is not None else None
        return line

    def _event(self, event: api.Event) -> None:
        if isinstance(event, api.IncomingCall):
            self._incoming(event)
            return
        line = self._lines.get(event.leg)
        if line is not None:  # else: it crossed our hang-up
            line.event(event)

    def _incoming(self, event: api.IncomingCall) -> None:
        if self.on_call is None:
            self.do(api.Reject(event.leg, 480))
            return
        line = self._add(Line(self, event.leg, State.RINGING, self._open()))
        line.calling, line.called, line.offer = event.calling, event.called, event.sdp
        self.on_call(line)
