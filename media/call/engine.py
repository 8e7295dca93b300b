"""The shell around the calls: brings them events from phones, rtpengine, router, timers and vault, carries out what they want.

Everything happens on one event loop, one event at a time. A call that fails in our code ends alone; no other notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tierline.common.v1.common_pb2 import Reason, Result

from media.call import commands as do
from media.call import events as on
from media.call import outcome
from media.call.call import Call, State, call_back, new_call
from media.call.frames import Assert, End
from media.call.leg import CALLER, Phase
from media.call.meters import Meters
from media.call.ports import House, Ledger, Router
from media.call.pressed import Pressed
from media.call.table import handle
from media.call.translate import from_phone
from media.call.verbs import RUN, Lane
from media.record.api import Job, Vault
from media.rtp import api as rtp
from media.ua import api as ua
from media.ua.errors import SipError
from ops.clock import Clock
from ops.ids import CallId
from ops.numbers import mask

log = logging.getLogger(__name__)
RETRY_AFTER_S = 5
UNSAID = 500
UNKNOWN = outcome.system(Result.RESULT_FAILED, Reason.REASON_CALLER_LEFT)
HOLD = frozenset((State.BRIDGING, State.TALKING))
WITH_SDP = (ua.Answered, ua.Confirmed, ua.Reoffer, ua.Reanswered)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the engine works with."""

    phones: ua.UserAgent
    audio: rtp.Audio
    vault: Vault
    router: Router
    ledger: Ledger
    clock: Clock
    meters: Meters


@dataclass(slots=True)
class _Live:
    """A call and what is under way for it."""

    call: Call
    lane: Lane
    timers: dict[type, asyncio.TimerHandle] = field(default_factory=dict)
    pressed: Pressed = field(default_factory=Pressed)
    offered_ms: int = 0
    after: on.Offered | None = None  # a callback of the same call, for when the caller's own leg is gone


class Engine:
    """All calls of a node. `max_calls`: more are refused with 503."""

    def __init__(self, house: House, parts: Parts, max_calls: int) -> None:
        self._house, self._parts, self._max = house, parts, max_calls
        self._calls: dict[CallId, _Live] = {}
        self._filing: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._loop = asyncio.get_running_loop()  # asking for it each time is a system call
        self.draining = False
        self._carry: dict[type, Callable[[_Live, Any], None]] = {
            do.Phone: self._phone,
            do.Tell: self._tell,
            do.Write: self._write,
            do.Arm: self._arm,
            do.Disarm: self._disarm,
            do.File: self._file,
            do.Strange: self._strange,
            **dict.fromkeys(RUN, self._verb),
        }
        parts.phones.listen(self.on_phone)
        parts.audio.on_digit(self.on_digit)

    # ---- what comes in ------------------------------------------------------------------------------------------
    def on_phone(self, event: ua.Event) -> None:
        """An event of the user agent."""
        live = self._calls.get(event.leg.call)
        if live is not None and isinstance(event, WITH_SDP) and event.peer:
            self._parts.audio.located(event.leg, event.peer)
        if isinstance(event, ua.IncomingCall):
            self._incoming(event, known=live is not None)
        elif live is None:
            log.debug("event of a call that is over", extra={"call": event.leg.call, "event": type(event).__name__})
        else:
            meant = from_phone(live.call, event)
            if isinstance(meant, on.CallerDigit):
                self._press(live, meant, "info")
            elif meant is not None:
                self._feed(live, meant)

    def on_digit(self, digit: rtp.Digit) -> None:
        """A key press that came as RTP."""
        live = self._calls.get(digit.leg.call)
        if live is not None and digit.leg.leg == CALLER:
            self._press(live, on.CallerDigit(digit.digit), "rtp")

    def _press(self, live: _Live, pressed: on.CallerDigit, way: str) -> None:
        if live.pressed.counts(pressed.digit, way, self._parts.clock.mono_ms()):
            self._feed(live, pressed)

    def on_router(self, call: str, event: on.FromRouter) -> None:
        """A frame of the router. Of a call that is over only an offer needs an answer: End, which frees the agent in any state."""
        live = self._calls.get(CallId(call))
        if isinstance(event, on.Offered) and event.callback is not None and self._back(CallId(call), live, event):
            return
        if live is not None and live.after is not None and isinstance(event, on.Withdrawn) and live.after.offer == event.offer:
            live.after = None
        if live is None:
            if isinstance(event, on.Offered):
                self._parts.router.send(End(call, 1, UNKNOWN, self._parts.clock.now_ms()))
            return
        if isinstance(event, on.Offered):
            live.offered_ms = self._parts.clock.mono_ms()
        self._feed(live, event)

    def end_all(self, reason: Reason.ValueType) -> None:
        """End every call now."""
        for live in list(self._calls.values()):
            self._feed(live, on.EndNow(reason))

    def _back(self, call: CallId, live: _Live | None, event: on.Offered) -> bool:
        """Make a call to a customer, now or when what we have of the call is over; False: we are making it."""
        assert event.callback is not None
        if live is None:
            self._start(call_back(call, self._house, event.callback), event)
        elif live.call.number and live.call.state is not State.CLOSING:
            return False
        else:
            live.after = event
        return True

    def _incoming(self, event: ua.IncomingCall, known: bool) -> None:
        why = "draining" if self.draining else "full" if len(self._calls) >= self._max else ""
        if known:
            log.warning("an INVITE for a call that we have", extra={"call": event.leg.call})
            self._parts.meters.refused.labels("known").inc()
        elif why:
            self._parts.meters.refused.labels(why).inc()
            headers = (("Retry-After", str(RETRY_AFTER_S)),)
            self._parts.phones.do(ua.Reject(event.leg, 503, "Service Unavailable", headers))
        else:
            self._begin(event)

    def _begin(self, event: ua.IncomingCall) -> None:
        self._parts.audio.located(event.leg, event.peer)
        invited = on.Invited(event.called, event.calling, event.sdp, event.headers, event.asserted)
        self._start(new_call(event.leg.call, self._house, invited, self._parts.clock.now_ms()), invited)

    def _start(self, made: Call, first: on.Event) -> None:
        call, parts = made.id, self._parts
        lane = Lane(parts.audio, call, lambda got: self._feed(live, got), lambda verb: parts.meters.rtp_errors.labels(verb).inc())
        live = self._calls[call] = _Live(made, lane)
        self._empty.clear()
        parts.ledger.own(call)
        self._feed(live, first)

    # ---- one event ----------------------------------------------------------------------------------------------
    def _feed(self, live: _Live, event: on.Event) -> None:
        if self._calls.get(live.call.id) is not live:
            return  # what was under way for a call that had to be dropped
        try:
            commands = handle(live.call, event, self._parts.clock.now_ms())
        except Exception:  # noqa: BLE001 - a defect of ours must cost one call, not all of them
            self._failed(live, type(event).__name__)
            commands = self._rescue(live)
        for command in commands:
            self._do(live, command)
        if live.call.done:
            self._forget(live)

    def _do(self, live: _Live, command: do.Command) -> None:
        """One command. What cannot be done is told, the others are done all the same."""
        try:
            self._carry[type(command)](live, command)
        except Exception:  # noqa: BLE001 - see _feed
            self._failed(live, type(command).__name__)

    def _failed(self, live: _Live, what: str) -> None:
        log.exception("call failed in our code", extra={"call": live.call.id, "at": what})
        self._parts.meters.strange.labels(live.call.state, what).inc()

    def _rescue(self, live: _Live) -> list[do.Command]:
        """What ends a call whose handling raised. If even that raises, its parts are let go and it is forgotten."""
        call = live.call
        done, call.out = call.out, []
        if call.outcome is None:
            try:
                return [*done, *handle(call, on.EndNow(Reason.REASON_UNSPECIFIED), self._parts.clock.now_ms())]
            except Exception:  # noqa: BLE001 - see _feed
                self._failed(live, "rescue")
        self._forget(live)
        return [*done, *(do.Phone(ua.Hangup(ua.Leg(call.id, leg))) for leg in call.legs), do.CloseCall()]

    def _forget(self, live: _Live) -> None:
        call = live.call
        if self._calls.pop(call.id, None) is None:
            return
        for handle_ in live.timers.values():
            handle_.cancel()
        self._parts.ledger.disown(call.id)
        if live.after is not None:
            self._loop.call_soon(self.on_router, call.id, live.after)
        if not self._calls:
            self._empty.set()

    # ---- carrying out -------------------------------------------------------------------------------------------
    def _phone(self, live: _Live, command: do.Phone) -> None:
        if isinstance(command.command, ua.Invite) and live.offered_ms:
            self._parts.meters.offer_to_invite.observe((self._parts.clock.mono_ms() - live.offered_ms) / 1000)
        try:
            self._parts.phones.do(command.command)
        except SipError as error:
            self._unsaid(live, command.command, error)

    def _unsaid(self, live: _Live, command: ua.Command, error: SipError) -> None:
        """The user agent would not do it: the leg was somewhere else already. What has to be answered is answered as lost."""
        what, leg = type(command).__name__, command.leg.leg
        log.warning("a phone was past that", extra={"call": live.call.id, "command": what, "why": str(error)})
        self._parts.meters.strange.labels(live.call.state, what).inc()
        lost: on.Event | None = None
        if isinstance(command, ua.Invite):
            lost = on.SeatFailed(leg, UNSAID)
        elif isinstance(command, ua.Answer | ua.Reject):
            lost = on.CallerGone(lost=True)
        if lost is not None:
            self._loop.call_soon(self._feed, live, lost)

    def _tell(self, live: _Live, command: do.Tell) -> None:
        self._parts.router.send(command.frame)

    def _write(self, live: _Live, command: do.Write) -> None:
        self._parts.ledger.write(command.fact)
        if command.fact.kind == "call_ended" and live.call.outcome is not None:
            self._parts.meters.ended(live.call.outcome)
            if log.isEnabledFor(logging.DEBUG):  # the ledger has it; a line a call would cost as much as a SIP message
                self._log_end(live.call)

    def _log_end(self, call: Call) -> None:
        end = call.outcome
        assert end is not None
        words = {"result": Result.Name(end.result), "reason": Reason.Name(end.reason)}
        log.debug("call over", extra={"call": call.id, "calling": mask(call.person.calling), **words})

    def _verb(self, live: _Live, verb: do.Verb) -> None:
        live.lane.put(verb)

    def _arm(self, live: _Live, command: do.Arm) -> None:
        kind = type(command.timer)
        if kind in live.timers:
            live.timers[kind].cancel()
        live.timers[kind] = self._loop.call_later(command.after_ms / 1000, self._fired, live, command.timer)

    def _disarm(self, live: _Live, command: do.Disarm) -> None:
        handle_ = live.timers.pop(command.timer, None)
        if handle_ is not None:
            handle_.cancel()

    def _fired(self, live: _Live, timer: on.Timer) -> None:
        live.timers.pop(type(timer), None)
        self._feed(live, timer)

    def _file(self, live: _Live, command: do.File) -> None:
        task = self._loop.create_task(self._filed(live, command.job))
        self._filing.add(task)
        task.add_done_callback(self._filing.discard)

    async def _filed(self, live: _Live, job: Job) -> None:
        self._feed(live, on.RecordingDone(await self._parts.vault.file(job)))

    def _strange(self, live: _Live, command: do.Strange) -> None:
        self._parts.meters.strange.labels(command.state, command.event).inc()
        log.error(
            "the call's table has no row for this", extra={"call": live.call.id, "state": command.state, "event": command.event}
        )

    # ---- looking ------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._calls)

    def held(self) -> list[Assert]:
        """What a router that forgot everything must be told, the longest waiting first."""
        held = [one for live in self._calls.values() if (one := live.call.held())]
        return sorted(held, key=lambda one: (one.enqueue.entered_ms, one.call))

    def states(self) -> Counter[State]:
        """Calls by state."""
        return Counter(live.call.state for live in self._calls.values())

    def legs_up(self) -> list[ua.Leg]:
        """Every leg in a dialog that is not being ended."""
        calls = [live.call for live in self._calls.values()]
        return [call.name(leg.id) for call in calls for leg in call.legs.values() if leg.phase is Phase.UP]

    def conversations(self) -> list[str]:
        """Who is still talking, numbers masked: for the log of a drain."""
        calls = [live.call for live in self._calls.values()]
        return [f"{call.id} {mask(call.person.calling)}" for call in calls if call.state in HOLD]

    async def empty(self) -> None:
        """Wait until no call is left, recordings included."""
        await self._empty.wait()
