"""Callbacks: a waiting caller has asked for one (wish.py) and hung up; later any node rings an agent's seat, then the customer.

    seating --seat answers--> dialling --customer answers, paired--> talking, as any other call
       '------ whatever fails ------'--> closing: Settle says why, the router tries again or gives up

Until the customer answers this node tells the router how the offer went, never that the call ended.
"""

from __future__ import annotations

from tierline.common.v1.common_pb2 import Reason, Result

from media.call import commands as do
from media.call import events as on
from media.call import outcome, queueing, ringing, talking
from media.call.call import Call, Ring, State
from media.call.closing import part
from media.call.frames import Settle
from media.call.leg import CALLER, LegState, Phase
from media.call.player import FOR_EVER
from media.call.wish import GONE
from media.ua import api as ua
from ops.ids import LegId

DIAL_MS = 45_000  # a customer's phone rings so long


# ---- the agent --------------------------------------------------------------------------------------------------
def on_offered(call: Call, event: on.Offered, now: int) -> State:
    """The offer that made this call: ring the seat. The same one again is one."""
    if not call.rings:
        ring = Ring(event, LegState(LegId("b1"), Phase.OPENING), now)
        call.rings.append(ring)
        call.legs[ring.leg.id] = ring.leg
        call.arm(ring.timer, max(0, event.expires_ms - now))
        call.out.append(do.OpenSeat(ring.leg.id))
    return call.state


def on_agent(call: Call, event: on.SeatAnswered, now: int) -> State:
    """The agent picked up: tell the router, and open the customer's audio."""
    ring = call.ring
    ring.leg.move("answered")
    call.disarm(type(ring.timer))
    call.tell(Settle(call.id, call.next_version(), ring.offer.offer, dialling_ms=now, trunk=call.person.trunk))
    call.out += [do.TakeAnswer(ring.leg.id, event.sdp), do.OpenSeat(CALLER)]
    return State.DIALLING


def on_seat_failed(call: Call, event: on.SeatFailed, now: int) -> State:
    """Busy, away, silent."""
    ring = call.ring
    reason = ringing.why_failed(call, ring, event.status, now)
    ring.leg.move("over")
    return _failed(call, reason)


def on_ring_over(call: Call, event: on.RingOver, now: int) -> State:
    """Nobody picked up."""
    return _failed(call, outcome.not_answered(call.ring.alerted_for(now), queueing.rule(call).ring_ms))


def on_withdrawn(call: Call, event: on.Withdrawn, now: int) -> State:
    """The router took the offer back. If the agent has picked up, it did not hear of that in time, or its Redis forgot it."""
    return part(call, GONE) if call.ring_named(event.offer) else call.state


# ---- the customer -----------------------------------------------------------------------------------------------
def on_opened(call: Call, event: on.SeatOpened, now: int) -> State:
    """Audio of a leg: call its phone. The edge finds the trunk; the customer sees the number that was dialled then."""
    if event.leg != CALLER:
        return ringing.on_opened(call, event, now)
    customer, house, who = call.caller, call.house, call.person
    customer.sdp = event.sdp
    customer.move("invite")
    headers = (("X-Tierline-Call", call.id), ("X-Tierline-Dial", who.trunk or "any"))
    target = f"sip:{call.number}@{house.realm}"
    call.phone(ua.Invite(call.name(CALLER), target, who.called, event.sdp, headers=headers, route=house.edge, timeout_ms=DIAL_MS))
    return State.DIALLING


def on_taken(call: Call, event: on.AnswerTaken, now: int) -> State:
    """The agent can hear: let it ring."""
    if event.leg != CALLER and call.caller.phase is not Phase.UP and (files := call.sounds.ring_back()):
        call.op += 1
        call.out.append(do.Play(files[0], FOR_EVER, call.op, event.leg))
    return State.DIALLING


def on_progress(call: Call, event: on.SeatProgress, now: int) -> State:
    """A phone rings."""
    if event.leg == CALLER:
        call.caller.move("progress")
    else:
        call.ring.alerts(now)
    return call.state


def on_customer(call: Call, event: on.SeatAnswered, now: int) -> State:
    """The customer picked up: let the two hear each other."""
    call.caller.move("answered")
    call.caller.begin(event.sdp)
    seat = call.ring.leg.id
    call.out += [do.StopPlay(seat), do.Connect(CALLER, event.sdp, talking.to_be_recorded(call), seat)]
    return State.DIALLING


def on_phone_failed(call: Call, event: on.SeatFailed, now: int) -> State:
    """The customer's phone did not take it."""
    reason = outcome.customer_failure(event.status, call.legs[event.leg].rang)
    call.legs[event.leg].move("over")
    return _failed(call, reason)


def on_seat_gone(call: Call, event: on.SeatGone, now: int) -> State:
    """The agent hung up before the customer answered."""
    call.ring.leg.move("over")
    return _failed(call, Reason.REASON_AGENT_GONE)


def on_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """The customer hung up before the two were paired."""
    call.caller.move("over")
    return _failed(call, Reason.REASON_HANGUP)


def on_paired(call: Call, event: on.Paired, now: int) -> State:
    """A conversation, from now on like any other."""
    return talking.begin(call, now)


# ---- both -------------------------------------------------------------------------------------------------------
def on_audio_failed(call: Call, event: on.SeatOpenFailed | on.AnswerRefused, now: int) -> State:
    """No rtpengine, or a phone that we cannot talk to."""
    return _failed(call, Reason.REASON_MEDIA_FAILED)


def on_refused(call: Call, event: on.Refused, now: int) -> State:
    """The router has given the call to somebody else meanwhile: our part is over."""
    return part(call, GONE) if event.frame == "settle" else call.state


def on_end_now(call: Call, event: on.EndNow, now: int) -> State:
    """The house ends it: another node tries again."""
    return _failed(call, Reason.REASON_DRAIN)


def on_released(call: Call, event: on.Released, now: int) -> State:
    """The router says that the call is over."""
    return part(call, GONE)


def _failed(call: Call, reason: Reason.ValueType) -> State:
    """Why the offer came to nothing; the router keeps the call."""
    call.tell(Settle(call.id, call.next_version(), call.ring.offer.offer, failed=reason))
    return part(call, outcome.system(Result.RESULT_FAILED, reason))
