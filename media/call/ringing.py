"""Seats ring for the caller, up to the moment caller and agent hear each other.

    Offered -> audio of the seat -> INVITE -> 200 -> its answer into rtpengine, paired with the caller -> Settle(answered)

A seat of ours and one of another centre may ring at the same time; whose agent picks up first has the caller, the other one is let
go at once. Whatever goes wrong with a seat is settled with a reason and the caller waits on. Of events that cross, the conversation
wins: an agent who has picked up is connected though the router has taken the offer back meanwhile; it takes the answer all the
same.
"""

from __future__ import annotations

from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call import menu, outcome, player, queueing, talking, wish
from media.call.call import Call, Ring, State
from media.call.closing import drop, finish, settle, tell_beaten
from media.call.frames import Settle
from media.call.leg import LegState, Phase
from media.call.queueing import BACK, enter_again, fault, wait_on
from media.ua import api as ua
from ops.ids import LegId

BACKSTOP_MS = 5_000  # the user agent ends the ringing so much after us
MOST_RING_MS = 300_000
ANONYMOUS = "anonymous"  # RFC 3323 §4.1.1.3


def on_offered(call: Call, event: on.Offered, now: int) -> State:
    """An agent: open the seat's audio. An offer that has run out on its way is the router's to take back."""
    if event.offer in call.past:
        return _offered_before(call, event)
    if event.expires_ms <= now:
        return call.state
    _ring(call, event, now)
    return _state(call)


def on_offered_again(call: Call, event: on.Offered, now: int) -> State:
    """While a seat rings. The same offer twice is one. Another one of the same kind: the router has given up the first without our
    hearing of it. One of the other kind: both ring."""
    before = call.ring_at(bool(event.centre))
    if before is not None and before.offer.offer == event.offer:
        return call.state
    if before is not None:
        call.past[before.offer.offer] = Reason.REASON_UNSPECIFIED
        drop(call, before, Reason.REASON_NO_ANSWER)
    if not call.rings:
        _wait_with_music(call)
    on_offered(call, event, now)
    return _state(call)


def _offered_before(call: Call, event: on.Offered) -> State:
    """We settled that one: the router did not hear of it, or forgot it. One given up because the caller left takes the call out of
    the line with it; but this caller is back."""
    reason = call.past[event.offer]
    if reason:
        call.tell(Settle(call.id, call.next_version(), event.offer, failed=reason))
    if reason == Reason.REASON_CALLER_LEFT:
        enter_again(call)
    return call.state


def _ring(call: Call, event: on.Offered, now: int) -> None:
    ring = Ring(event, LegState(LegId(f"b{len(call.legs)}"), Phase.OPENING), now)
    call.rings.append(ring)
    call.legs[ring.leg.id] = ring.leg
    call.disarm(on.PositionDue, on.RetryDue)
    call.arm(ring.timer, min(event.expires_ms - now, MOST_RING_MS))
    call.out.append(do.OpenSeat(ring.leg.id))


def _state(call: Call) -> State:
    """By how many seats ring."""
    return (State.QUEUEING, State.RINGING, State.RACING)[len(call.rings)]


def _of(call: Call, leg: LegId) -> Ring:
    """What rings on a leg; the table lets no event of another leg through."""
    ring = call.ring_of(leg)
    assert ring is not None
    return ring


def on_opened(call: Call, event: on.SeatOpened, now: int) -> State:
    """Dial the seat through the edge; it knows the way to other centres too."""
    ring, house = _of(call, event.leg), call.house
    offer, seat = ring.offer, ring.leg
    seat.sdp = event.sdp
    seat.move("invite")
    call.phone(
        ua.Invite(
            call.name(seat.id),
            offer.uri if offer.centre else f"sip:{offer.seat}@{house.realm}",
            call.person.calling or ANONYMOUS,
            event.sdp,
            headers=(("X-Tierline-Call", call.id),),
            route=house.edge,
            timeout_ms=max(0, offer.expires_ms - now) + BACKSTOP_MS,
        )
    )
    return call.state


def on_open_failed(call: Call, event: on.SeatOpenFailed, now: int) -> State:
    """No audio for the seat."""
    return fault(call, now)


def on_progress(call: Call, event: on.SeatProgress, now: int) -> State:
    """It rings. The caller's music goes on."""
    _of(call, event.leg).alerts(now)
    return call.state


def on_answered(call: Call, event: on.SeatAnswered, now: int) -> State:
    """An agent picked up: nobody else shall, end the music, let the two hear each other."""
    ring = _of(call, event.leg)
    ring.leg.move("answered")
    for other in [one for one in call.rings if one is not ring]:
        call.beaten = other.offer.offer
        call.past[call.beaten] = Reason.REASON_ANSWERED_ELSEWHERE
        drop(call, other, Reason.REASON_ANSWERED_ELSEWHERE)
    call.disarm(type(ring.timer), on.MusicDue)
    player.hush(call)
    call.out.append(do.Connect(ring.leg.id, event.sdp, talking.to_be_recorded(call)))
    return State.BRIDGING


def on_failed(call: Call, event: on.SeatFailed, now: int) -> State:
    """Busy, away, silent: back to the head of the line."""
    ring = _of(call, event.leg)
    reason = why_failed(call, ring, event.status, now)
    ring.leg.move("over")
    return _next_one(call, ring, reason)


def on_ring_over(call: Call, event: on.RingOver, now: int) -> State:
    """Nobody picked up."""
    return _rung_out(call, now, away=False)


def on_away_ring_over(call: Call, event: on.AwayRingOver, now: int) -> State:
    """Nobody picked up at the other centre."""
    return _rung_out(call, now, away=True)


def _rung_out(call: Call, now: int, away: bool) -> State:
    ring = call.ring_at(away)
    assert ring is not None
    return _next_one(call, ring, outcome.not_answered(ring.alerted_for(now), queueing.rule(call).ring_ms))


def why_failed(call: Call, ring: Ring, status: int, now: int) -> Reason.ValueType:
    """By the final status of the seat's INVITE; one that timed out had its time or had not."""
    reason = outcome.seat_failure(status, ring.leg.rang)
    if reason == Reason.REASON_NO_ANSWER:
        return outcome.not_answered(ring.alerted_for(now), queueing.rule(call).ring_ms)
    return reason


def _next_one(call: Call, ring: Ring, reason: Reason.ValueType) -> State:
    settle(call, ring, reason)
    tell_beaten(call)
    return _let_go(call, ring)


def _let_go(call: Call, ring: Ring) -> State:
    """This one rings no more; another one may."""
    drop(call, ring, Reason.REASON_NO_ANSWER)
    return _state(call) if call.rings else _wait_with_music(call)


def _wait_with_music(call: Call) -> State:
    if on.MusicDue not in call.timers:
        queueing.music(call)
    return wait_on(call)


def on_withdrawn(call: Call, event: on.Withdrawn, now: int) -> State:
    """The router took the offer back: stop ringing, wait on."""
    ring = call.ring_named(event.offer)
    if ring is None:
        return call.state
    call.past[event.offer] = Reason.REASON_UNSPECIFIED
    return _let_go(call, ring)


def on_digit(call: Call, event: on.CallerDigit, now: int) -> State:
    """`9`: back to the menu, also from ringing seats."""
    if event.digit != BACK:
        return call.state
    queueing.let_go(call)
    return on_back(call, event, now)


def on_back(call: Call, event: on.CallerDigit, now: int) -> State:
    """`9`: out of the line, back to the menu. The key of the callback, once it was told: out of the line with a place in it."""
    if wish.wished(call, event.digit):
        return wish.ask(call)
    if event.digit != BACK:
        return call.state
    queueing.leave(call)
    return menu.back(call, now)


def on_turned_away(call: Call, event: on.TurnedAway, now: int) -> State:
    """The queue takes the caller not, or not any more: the menu says so, and where it goes from there."""
    return menu.turned_away(call, event.reason, now) if queueing.turned_away(call, event) else call.state


# ---- bridging ---------------------------------------------------------------------------------------------------
def on_answer_refused(call: Call, event: on.AnswerRefused, now: int) -> State:
    """A phone that we cannot talk to, or no rtpengine."""
    ring = call.ring_of(event.leg)
    if ring is None:
        return State.BRIDGING
    if event.bad_sdp:
        return _next_one(call, ring, Reason.REASON_UNREACHABLE)
    queueing.music(call)
    return fault(call, now)


def on_seat_gone(call: Call, event: on.SeatGone, now: int) -> State:
    """The agent picked up and put down at once: declined, or lost."""
    ring = _of(call, event.leg)
    ring.leg.move("over")
    return _next_one(call, ring, Reason.REASON_UNREACHABLE if event.lost else Reason.REASON_BUSY)


def on_paired(call: Call, event: on.Paired, now: int) -> State:
    """A conversation."""
    return talking.begin(call, now)


def on_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """The caller gave up while the seat rang or picked up."""
    call.caller.move("over")
    return finish(call, now, outcome.caller_left(waited=True, talked=False, lost=event.lost))
