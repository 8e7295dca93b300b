"""Caller and agent talk. Either side ends it; the router hears of it at once, the recording is handed over after."""

from __future__ import annotations

from tierline.common.v1.common_pb2 import Reason, Result

from media.call import commands as do
from media.call import events as on
from media.call import outcome
from media.call.call import Call, State, Talk
from media.call.closing import finish, tell_beaten
from media.call.frames import Settle
from media.call.leg import audio_port
from media.call.queueing import rule


def to_be_recorded(call: Call) -> bool:
    """Whether house and queue want conversations recorded."""
    return call.house.record and rule(call).record


def begin(call: Call, now: int) -> State:
    """They hear each other: settle the offer, record."""
    ring = call.ring
    call.talk = Talk(ring.offer.agent, now)
    call.disarm()
    call.tell(Settle(call.id, call.next_version(), ring.offer.offer, answered_ms=now))
    tell_beaten(call)
    if to_be_recorded(call):
        call.talk.recording = call.id
        call.talk.ports = (audio_port(call.caller.sdp), audio_port(ring.leg.sdp))
        call.out.append(do.Record(call.talk.recording))
    return State.TALKING


def on_caller_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """The caller hung up, or the network lost the caller."""
    call.caller.move("over")
    return finish(call, now, outcome.caller_left(waited=True, talked=True, lost=event.lost))


def on_seat_gone(call: Call, event: on.SeatGone, now: int) -> State:
    """The agent hung up, or vanished: a last word to the caller."""
    call.ring.leg.move("over")
    return finish(call, now, outcome.agent_left(event.lost), call.sounds.closing(call.language))


def on_offered(call: Call, event: on.Offered, now: int) -> State:
    """An agent for a caller who has one: the router is told what is so, and frees that agent."""
    if event.offer == call.ring.offer.offer:
        return State.TALKING
    held = call.held()
    if held is not None:
        call.tell(held)
    return State.TALKING


def on_withdrawn(call: Call, event: on.Withdrawn, now: int) -> State:
    """The offer was taken back as the agent picked up: they talk, and that is the truth."""
    _contest(call, event.offer == call.ring.offer.offer)
    return State.TALKING


def on_refused(call: Call, event: on.Refused, now: int) -> State:
    """The router does not know of this conversation: tell it."""
    _contest(call, event.frame == "settle")
    return State.TALKING


def _contest(call: Call, really: bool) -> None:
    """Tell the router what is so: that wins over what it holds. Once; a second time would be a quarrel."""
    held = call.held()
    if really and held is not None and not call.contested:
        call.contested = True
        call.tell(held)


def ended_by_us(call: Call, now: int, reason: Reason.ValueType) -> State:
    """We end the call, in whatever state."""
    result = Result.RESULT_ANSWERED if call.talk else Result.RESULT_FAILED
    return finish(call, now, outcome.system(result, reason))


def on_end_now(call: Call, event: on.EndNow, now: int) -> State:
    """The house ends it."""
    return ended_by_us(call, now, event.reason)


def on_released(call: Call, event: on.Released, now: int) -> State:
    """The router says that the call is not ours any more."""
    return ended_by_us(call, now, event.reason)
