"""The state table of a call: what may happen in which state, what is done then, and where it may lead.

    opening -> menu -> queueing -> ringing -> bridging -> talking -> closing -> ended
                 ^--- 9 ---'  ^------'  ^--------'  (the seat did not take it)
                                     racing  (a seat of ours and one of another centre ring: the first answer wins)
    seating -> dialling -> talking  (a callback: the agent's seat first, then the customer's phone)
    every state but the last two may go to closing: the caller hangs up, we give up, the router or the house ends it

`handle` is the one way in. An event that has no row is told as `Strange` and ends the call safely: no call is stuck because of
what nobody thought of. Events of a leg that is no longer the call's seat (it was let go) only move that leg.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from tierline.common.v1.common_pb2 import Reason

from media.call import callback, closing, menu, opening, queueing, renegotiate, ringing, talking, wish
from media.call import commands as do
from media.call import events as on
from media.call.call import Call, State
from media.call.leg import CALLER, LegState, Phase
from media.ua import api as ua
from ops.ids import LegId

Act = Callable[[Call, Any, int], State]


@dataclass(frozen=True, slots=True)
class Row:
    """What is done, and the states that may follow."""

    act: Act
    to: frozenset[State]


def _stay(call: Call, event: on.Event, now: int) -> State:
    """Known to happen, and without a meaning here."""
    return call.state


O, M, Q, R, RR = State.OPENING, State.MENU, State.QUEUEING, State.RINGING, State.RACING  # noqa: E741
B, T, C, E = State.BRIDGING, State.TALKING, State.CLOSING, State.ENDED
S, D = State.SEATING, State.DIALLING


def _row(act: Act, *to: State) -> Row:
    return Row(act, frozenset(to))


def _ignore(state: State, *events: type) -> dict[type, Row]:
    return {event: _row(_stay, state) for event in events}


def _live(state: State) -> dict[type, Row]:
    """What every state before closing takes in the same way."""
    return {
        on.Reoffered: _row(renegotiate.on_reoffered, state),
        on.OfferTaken: _row(renegotiate.on_offer_taken, state),
        on.OfferRefused: _row(renegotiate.on_offer_refused, state),
        on.Reanswered: _row(renegotiate.on_reanswered, state),
        on.AnswerTaken: _row(renegotiate.on_answer_taken, state),
        on.Released: _row(talking.on_released, C),
        on.EndNow: _row(talking.on_end_now, C),
    }


def _waiting(state: State) -> dict[type, Row]:
    """What a caller hears while an agent is wanted."""
    return {
        on.Queued: _row(queueing.on_queued, state),
        on.MusicDue: _row(queueing.on_music_due, state),
        on.PromptOver: _row(queueing.on_prompt_over, state),
        on.PlayStarted: _row(queueing.on_play_started, state),
        on.PlayFailed: _row(queueing.on_play_failed, state),
    }


def _ringing(state: State, fewer: State) -> dict[type, Row]:
    """While one or two seats ring: `state` itself, and what it is with one of them less."""
    return {
        **_live(state),
        **_waiting(state),
        on.SeatOpened: _row(ringing.on_opened, state),
        on.SeatOpenFailed: _row(ringing.on_open_failed, Q, C),
        on.SeatProgress: _row(ringing.on_progress, state),
        on.SeatAnswered: _row(ringing.on_answered, B),
        on.SeatFailed: _row(ringing.on_failed, fewer),
        on.SeatGone: _row(ringing.on_seat_gone, fewer),
        on.RingOver: _row(ringing.on_ring_over, fewer),
        on.AwayRingOver: _row(ringing.on_away_ring_over, fewer),
        on.CallerDigit: _row(ringing.on_digit, M, Q, state, C),
        on.CallerGone: _row(ringing.on_gone, C),
        on.Offered: _row(ringing.on_offered_again, fewer, R, RR),
        on.Withdrawn: _row(ringing.on_withdrawn, fewer, state),
        on.TurnedAway: _row(ringing.on_turned_away, M, Q, state, C),
        **_ignore(state, on.CallerConfirmed, on.AnswerRefused, on.Refused),
    }


def _calling_back(state: State) -> dict[type, Row]:
    """While the customer does not talk yet."""
    return {
        **_live(state),
        on.Released: _row(callback.on_released, C),
        on.EndNow: _row(callback.on_end_now, C),
        on.SeatOpened: _row(callback.on_opened, state),
        on.SeatOpenFailed: _row(callback.on_audio_failed, C),
        on.SeatProgress: _row(callback.on_progress, state),
        on.Offered: _row(callback.on_offered, state),
        **_ignore(state, on.CallerConfirmed, on.CallerDigit, on.Queued, on.TurnedAway, on.PlayStarted, on.PlayFailed),
    }


TABLE: dict[State, dict[type, Row]] = {
    O: {
        **_live(O),
        on.Invited: _row(opening.on_invited, O),
        on.CallerOpened: _row(opening.on_opened, O),
        on.CallerOpenFailed: _row(opening.on_open_failed, C),
        on.CallerConfirmed: _row(opening.on_confirmed, O, M, Q, C),
        on.AnswerTaken: _row(opening.on_answer_taken, M, Q, C),
        on.AnswerRefused: _row(opening.on_answer_refused, C),
        on.CallerDigit: _row(opening.on_digit, O),
        on.CallerGone: _row(opening.on_gone, C),
        on.Offered: _row(closing.on_offered, O),
        **_ignore(O, on.Queued, on.Withdrawn, on.Refused, on.TurnedAway),
    },
    M: {
        **_live(M),
        on.CallerDigit: _row(menu.on_digit, M, Q, C),
        on.MenuTimeout: _row(menu.on_timeout, M, Q, C),
        on.PromptOver: _row(menu.on_prompt_over, M, Q, C),
        on.PlayStarted: _row(menu.on_play_started, M),
        on.PlayFailed: _row(menu.on_play_failed, M, Q, C),
        on.CallerGone: _row(menu.on_gone, C),
        on.Offered: _row(closing.on_offered, M),
        **_ignore(M, on.CallerConfirmed, on.AnswerRefused, on.Queued, on.Withdrawn, on.Refused, on.TurnedAway),
    },
    Q: {
        **_live(Q),
        **_waiting(Q),
        on.PositionDue: _row(queueing.on_position_due, Q),
        on.RetryDue: _row(queueing.on_retry, Q),
        on.CallerDigit: _row(ringing.on_back, M, Q, C),
        on.CallerGone: _row(queueing.on_gone, C),
        on.Offered: _row(ringing.on_offered, Q, R),
        on.Refused: _row(queueing.on_refused, Q, C),
        on.TurnedAway: _row(ringing.on_turned_away, M, Q, C),
        **_ignore(Q, on.CallerConfirmed, on.AnswerRefused, on.Withdrawn),
    },
    R: _ringing(R, Q),
    RR: _ringing(RR, R),
    B: {
        **_live(B),
        on.AnswerRefused: _row(ringing.on_answer_refused, B, Q, C),
        on.Paired: _row(ringing.on_paired, T),
        on.SeatGone: _row(ringing.on_seat_gone, Q),
        on.CallerGone: _row(ringing.on_gone, C),
        **_ignore(B, on.Offered, on.Withdrawn, on.TurnedAway),  # the agent has picked up: Settle will tell, and wins
        **_ignore(B, on.CallerConfirmed, on.CallerDigit, on.SeatProgress, on.SeatAnswered, on.Queued, on.Refused),
        **_ignore(B, on.PlayStarted, on.PlayFailed),
    },
    S: {
        **_calling_back(S),
        on.SeatAnswered: _row(callback.on_agent, D),
        on.SeatFailed: _row(callback.on_seat_failed, C),
        on.SeatGone: _row(callback.on_seat_gone, C),
        on.RingOver: _row(callback.on_ring_over, C),
        on.Withdrawn: _row(callback.on_withdrawn, S, C),
        **_ignore(S, on.Refused, on.CallerGone),
    },
    D: {
        **_calling_back(D),
        on.AnswerTaken: _row(callback.on_taken, D),
        on.AnswerRefused: _row(callback.on_audio_failed, C),
        on.SeatAnswered: _row(callback.on_customer, D),
        on.SeatFailed: _row(callback.on_phone_failed, C),
        on.SeatGone: _row(callback.on_seat_gone, C),
        on.CallerGone: _row(callback.on_gone, C),
        on.Paired: _row(callback.on_paired, T),
        on.Refused: _row(callback.on_refused, D, C),
        on.Withdrawn: _row(callback.on_withdrawn, D, C),
    },
    T: {
        **_live(T),
        on.CallerGone: _row(talking.on_caller_gone, C),
        on.SeatGone: _row(talking.on_seat_gone, C),
        on.Offered: _row(talking.on_offered, T),
        on.Withdrawn: _row(talking.on_withdrawn, T),
        on.Refused: _row(talking.on_refused, T),
        on.RecordFailed: _row(closing.on_record_failed, T),
        **_ignore(T, on.CallerConfirmed, on.CallerDigit, on.SeatProgress, on.SeatAnswered, on.AnswerRefused),
        **_ignore(T, on.PlayStarted, on.PlayFailed, on.Queued, on.TurnedAway),
    },
    C: {
        on.CallerGone: _row(closing.on_caller_gone, C, E),
        on.PromptOver: _row(closing.on_prompt_over, C),
        on.PlayStarted: _row(closing.on_play_started, C),
        on.PlayFailed: _row(closing.on_play_failed, C),
        on.EndNow: _row(closing.on_end_now, C),
        on.Released: _row(closing.on_end_now, C),
        on.AudioClosed: _row(closing.on_audio_closed, C, E),
        on.ReapDue: _row(closing.on_reap, E),
        on.Offered: _row(closing.on_offered, C),
        on.RecordFailed: _row(closing.on_record_failed, C),
        on.RecordingDone: _row(closing.on_recording_done, C),
        on.Reoffered: _row(renegotiate.on_reoffered, C),
        on.OfferTaken: _row(renegotiate.on_offer_taken, C),
        on.OfferRefused: _row(renegotiate.on_offer_refused, C),
        **_ignore(C, on.CallerOpened, on.CallerOpenFailed, on.CallerConfirmed, on.CallerDigit, on.AnswerTaken, on.AnswerRefused),
        on.Refused: _row(wish.on_refused, C),
        **_ignore(C, on.Queued, on.Withdrawn, on.Reanswered, on.TurnedAway),
    },
    E: {
        on.RecordingDone: _row(closing.on_recording_done, E),
        on.RecordFailed: _row(closing.on_record_failed, E),
        on.Offered: _row(closing.on_offered, E),
        **_ignore(E, on.CallerOpened, on.CallerOpenFailed, on.AnswerTaken, on.AnswerRefused, on.OfferTaken, on.OfferRefused),
        **_ignore(E, on.CallerGone, on.CallerConfirmed, on.CallerDigit, on.Reoffered, on.Reanswered, on.PlayStarted),
        on.Refused: _row(wish.on_refused, E),
        **_ignore(E, on.PlayFailed, on.AudioClosed, on.Queued, on.Withdrawn, on.Released, on.EndNow),
        **_ignore(E, on.TurnedAway),
    },
}

_TIMERS = frozenset(get_args(on.Timer))
_SEAT = frozenset(
    (
        on.SeatProgress, on.SeatAnswered, on.SeatFailed, on.SeatGone, on.SeatOpened, on.SeatOpenFailed, on.Paired,
        on.AnswerTaken, on.AnswerRefused, on.Reoffered, on.Reanswered, on.OfferTaken, on.OfferRefused,
    )
)  # fmt: skip


def handle(call: Call, event: on.Event, now: int) -> list[do.Command]:
    """What to do about an event, in order. `now`: UTC ms."""
    kind = type(event)
    if kind in _TIMERS:
        call.timers.discard(kind)
    if kind in _SEAT and (past := _past_leg(call, event)):
        _stray(call, past, event)
    else:
        _step(call, event, now)
    out, call.out = call.out, []
    return out


def _step(call: Call, event: on.Event, now: int) -> None:
    row = TABLE[call.state].get(type(event))
    if row is None:
        _strange(call, event, now)
        return
    was = call.state
    call.state = row.act(call, event, now)
    if call.state not in row.to:
        call.out.append(do.Strange(was, f"{type(event).__name__} -> {call.state}"))


def _strange(call: Call, event: on.Event, now: int) -> None:
    """No row: say so, and end the call if it is not ending anyway."""
    call.out.append(do.Strange(call.state, type(event).__name__))
    if call.state not in (State.CLOSING, State.ENDED):
        call.state = talking.ended_by_us(call, now, Reason.REASON_UNSPECIFIED)


def _past_leg(call: Call, event: on.Event) -> LegState | None:
    """The leg, if it is one that the call has let go, or never had: seats, and a customer whom we stopped calling back."""
    leg: LegId = event.leg  # type: ignore[union-attr]  # only of events of _SEAT
    if leg == CALLER and call.state is State.CLOSING and isinstance(event, on.SeatProgress | on.SeatAnswered | on.SeatFailed):
        return call.caller
    if leg == CALLER or call.ring_of(leg) is not None:
        return None
    return call.legs.get(leg) or LegState(leg, Phase.GONE)


def _stray(call: Call, leg: LegState, event: on.Event) -> None:
    """News of a leg that was let go: an answer that crossed is hung up again, an end is an end."""
    if isinstance(event, on.SeatAnswered) and leg.move("answered"):
        call.phone(ua.Hangup(call.name(leg.id), closing.reason_header(Reason.REASON_NO_ANSWER)))
    elif isinstance(event, on.SeatFailed | on.SeatGone) and leg.move("over") and call.state is State.CLOSING:
        call.state = closing.settle_down(call)
    elif isinstance(event, on.Reoffered):
        renegotiate.on_reoffered(call, event, 0) if leg.id in call.legs else None
