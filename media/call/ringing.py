"""A seat rings for the caller, up to the moment the two hear each other.

    Offered -> audio of the seat -> INVITE -> 200 -> its answer into rtpengine, paired with the caller -> Settle(answered)

Whatever goes wrong with the seat is settled with a reason and the caller waits on. Of events that cross, the conversation wins:
an agent who has picked up is connected though the router has taken the offer back meanwhile; it takes the answer all the same.
"""

from __future__ import annotations

from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call import menu, outcome, player, queueing, talking
from media.call.call import Call, State
from media.call.closing import drop_seat, finish
from media.call.frames import Settle
from media.call.leg import LegState, Phase
from media.call.queueing import BACK, fault, settle, wait_on
from media.ua import api as ua
from ops.ids import LegId

BACKSTOP_MS = 5_000  # the user agent ends the ringing so much after us
MOST_RING_MS = 300_000
ANONYMOUS = "anonymous"  # RFC 3323 §4.1.1.3


def on_offered(call: Call, event: on.Offered, now: int) -> State:
    """An agent: open the seat's audio. An offer that has run out on its way is the router's to take back."""
    if event.offer in call.past:
        return _offered_before(call, event)
    left = event.expires_ms - now
    if left <= 0:
        return call.state
    call.offer, call.ringing_since_ms = event, now
    call.seat = LegState(LegId(f"b{len(call.legs)}"), Phase.OPENING)
    call.legs[call.seat.id] = call.seat
    call.disarm(on.PositionDue, on.RetryDue)
    call.arm(on.RingOver(), min(left, MOST_RING_MS))
    call.out.append(do.OpenSeat(call.seat.id))
    return State.RINGING


def _offered_before(call: Call, event: on.Offered) -> State:
    """We settled that one: the router did not hear of it."""
    reason = call.past[event.offer]
    if reason:
        call.tell(Settle(call.id, call.next_version(), event.offer, failed=reason))
    return call.state


def on_offered_again(call: Call, event: on.Offered, now: int) -> State:
    """The same offer twice is one. Another one: the router has given up the first without our hearing of it."""
    if call.offer is None or event.offer == call.offer.offer:
        return call.state
    call.past[call.offer.offer] = Reason.REASON_UNSPECIFIED
    _give_up(call)
    call.state = _wait_with_music(call)
    return on_offered(call, event, now)


def on_opened(call: Call, event: on.SeatOpened, now: int) -> State:
    """Dial the seat through the edge."""
    seat, offer, house = call.seat, call.offer, call.house
    assert seat is not None
    assert offer is not None
    seat.sdp = event.sdp
    seat.move("invite")
    call.phone(
        ua.Invite(
            call.name(seat.id),
            f"sip:{offer.seat}@{house.realm}",
            call.person.calling or ANONYMOUS,
            event.sdp,
            headers=(("X-Tierline-Call", call.id),),
            route=house.edge,
            timeout_ms=max(0, offer.expires_ms - now) + BACKSTOP_MS,
        )
    )
    return State.RINGING


def on_open_failed(call: Call, event: on.SeatOpenFailed, now: int) -> State:
    """No audio for the seat."""
    _give_up(call)
    return fault(call, now)


def on_progress(call: Call, event: on.SeatProgress, now: int) -> State:
    """It rings. The caller's music goes on."""
    assert call.seat is not None
    call.seat.move("progress")
    return State.RINGING


def on_answered(call: Call, event: on.SeatAnswered, now: int) -> State:
    """The agent picked up: end the music, let the two hear each other."""
    assert call.seat is not None
    call.seat.move("answered")
    call.disarm(on.RingOver, on.MusicDue)
    player.hush(call)
    call.out.append(do.Connect(call.seat.id, event.sdp, talking.to_be_recorded(call)))
    return State.BRIDGING


def on_failed(call: Call, event: on.SeatFailed, now: int) -> State:
    """Busy, away, silent: back to the head of the line."""
    assert call.seat is not None
    reason = outcome.seat_failure(event.status, call.seat.rang)
    call.seat.move("over")
    return _next_one(call, reason)


def on_ring_over(call: Call, event: on.RingOver, now: int) -> State:
    """Nobody picked up; a seat that did not even answer 1xx is not there."""
    assert call.seat is not None
    return _next_one(call, Reason.REASON_NO_ANSWER if call.seat.rang else Reason.REASON_UNREACHABLE)


def _next_one(call: Call, reason: Reason.ValueType) -> State:
    settle(call, reason)
    _give_up(call)
    return _wait_with_music(call)


def _wait_with_music(call: Call) -> State:
    if on.MusicDue not in call.timers:
        queueing.music(call)
    return wait_on(call)


def _give_up(call: Call) -> None:
    call.disarm(on.RingOver)
    drop_seat(call, Reason.REASON_NO_ANSWER)


def on_withdrawn(call: Call, event: on.Withdrawn, now: int) -> State:
    """The router took the offer back: stop ringing, wait on."""
    if call.offer is None or event.offer != call.offer.offer:
        return State.RINGING
    call.past[call.offer.offer] = Reason.REASON_UNSPECIFIED
    _give_up(call)
    return _wait_with_music(call)


def on_digit(call: Call, event: on.CallerDigit, now: int) -> State:
    """`9`: back to the menu, also from a ringing seat."""
    if event.digit != BACK:
        return State.RINGING
    settle(call, Reason.REASON_CALLER_LEFT)
    _give_up(call)
    call.offer = None
    return on_back(call, event, now)


def on_back(call: Call, event: on.CallerDigit, now: int) -> State:
    """`9`: out of the line, back to the menu."""
    if event.digit != BACK:
        return call.state
    queueing.leave(call)
    return menu.back(call, now)


# ---- bridging ---------------------------------------------------------------------------------------------------
def on_answer_refused(call: Call, event: on.AnswerRefused, now: int) -> State:
    """A phone that we cannot talk to, or no rtpengine."""
    if call.seat is None or event.leg != call.seat.id:
        return State.BRIDGING
    if event.bad_sdp:
        return _next_one(call, Reason.REASON_UNREACHABLE)
    _give_up(call)
    queueing.music(call)
    return fault(call, now)


def on_seat_gone(call: Call, event: on.SeatGone, now: int) -> State:
    """The agent picked up and put down at once: declined, or lost."""
    assert call.seat is not None
    call.seat.move("over")
    return _next_one(call, Reason.REASON_UNREACHABLE if event.lost else Reason.REASON_BUSY)


def on_paired(call: Call, event: on.Paired, now: int) -> State:
    """A conversation."""
    return talking.begin(call, now)


def on_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """The caller gave up while the seat rang or picked up."""
    call.caller.move("over")
    return finish(call, now, outcome.caller_left(waited=True, talked=False, lost=event.lost))
