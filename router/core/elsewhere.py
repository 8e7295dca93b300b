"""What media nodes say of seats of other centres: answered, not answered, and what they re-assert. verbs_calls.py uses it when an
offer is a placement (remote.py). One source with Lua's include/elsewhere.lua."""

from __future__ import annotations

from router.core import call as calls
from router.core import expect
from router.core.agent import AgentEvent
from router.core.call import LIVE, CallEvent, CallState
from router.core.commands import Assert, From
from router.core.desk import Call, Desk
from router.core.enter import enter, fill, refresh, repeat_offer
from router.core.events import Withdraw
from router.core.leave import close_offer, detach, over, release_agent
from router.core.lines import flow, step_out, tell_place
from router.core.placement import ELSEWHERE, failed, gone, tell_remote, to_centre
from router.core.remote import HOME, Confirmed, HomeEvent, HomeState, Remote, centre_of, placement_of

IN_LINE = (CallState.WAITING, CallState.OFFERED)


def answers(c: Call, offer: str) -> bool:
    """Whether an answer to this placement counts: it rings, or was the last that did."""
    r = c.remote
    if r is None or c.state not in IN_LINE:
        return False
    return (r.state is HomeState.RINGING and r.placement == offer) or (r.state is not HomeState.TALKING and r.last == offer)


def answered(d: Desk, c: Call, offer: str, answered_ms: int) -> None:
    """The seat there answered first: what rings here ends, the agent there is confirmed."""
    r = c.remote = c.remote or Remote()
    calls.step(c.state, CallEvent.TALK)
    _leave(d, c)
    if r.placement != offer:
        gone(d, c, ELSEWHERE, tell=True)
        r.placement, r.agent, r.centre = offer, r.last_agent, r.last_centre
    d.due.remove(f"p:{c.id}")
    r.state = HOME[r.state][HomeEvent.TALK if r.state is not HomeState.RINGING else HomeEvent.ANSWERED]
    c.state, c.offer, c.agent, c.answered, c.expires = CallState.TALKING, offer, r.agent, answered_ms, 0
    expect.waited(flow(d, c.queue), answered_ms - c.entered, False)
    d.talking[c.queue] = d.talking.get(c.queue, 0) + 1
    d.away.add(c.id)
    body = {"queue": c.queue, "offer": offer, "waited_ms": max(0, answered_ms - c.entered), "bridged_ms": answered_ms}
    d.fact("bridged", f"{c.id}:r:{answered_ms}:b", answered_ms, body, c.id, r.agent)
    to_centre(d, r.centre, Confirmed(offer, answered_ms))
    d.keep(c)


def _leave(d: Desk, c: Call) -> None:
    if c.state is CallState.OFFERED:
        close_offer(d, c, AgentEvent.WITHDRAWN, ELSEWHERE, tell=True)
    elif c.state is CallState.WAITING:
        step_out(d, c)
    elif c.state is CallState.TALKING:
        release_agent(d, c, d.now, "SIDE_SYSTEM")


def not_answered(d: Desk, c: Call, offer: str, reason: str) -> None:
    """The seat there did not take it, or the caller left while it rang."""
    r = c.remote
    if r is None or r.placement != offer or r.state is not HomeState.RINGING:
        return
    if reason == "REASON_CALLER_LEFT":
        to = calls.step(c.state, CallEvent.CANCEL)
        detach(d, c, reason, reason)
        over(d, c, to)
        return
    failed(d, c, reason, tell=False)


def assert_ring(d: Desk, c: Call, what: Assert, by: From) -> None:
    """The node rings a seat there: right if we know it, else to be stopped. Besides, it waits, or rings a seat here."""
    e, r = what.enqueue, c.remote
    known = r is not None and r.placement == what.offer and r.state is HomeState.RINGING
    if not known:
        d.emit(by.node, Withdraw(c.id, what.offer, "REASON_EXPIRED"))
    if c.state not in IN_LINE or c.queue != e.queue:
        enter(d, c, e, by, calls.step(c.state, CallEvent.MOVE), asserted=True)
        return
    refresh(d, c, e, by)
    if c.state is CallState.OFFERED:
        repeat_offer(d, c)
    else:
        tell_place(d, c)
    if not known:
        tell_remote(d, c)


def assert_talk(d: Desk, c: Call, what: Assert, by: From) -> None:
    """The node talks with a seat there: true whatever our books say."""
    if c.state in LIVE:
        refresh(d, c, what.enqueue, by)
    else:
        fill(d, c, what.enqueue, by)
    r = c.remote = c.remote or Remote()
    named = placement_of(what.offer)
    if r.placement != what.offer:
        r.last, r.last_agent, r.last_centre = what.offer, what.agent, centre_of(what.agent)
    elif not r.agent:  # asked for, by a store that forgot the answer
        r.agent, r.centre = what.agent, centre_of(what.agent)
    r.n = max(r.n, named[1] if named else 0)
    answered(d, c, what.offer, what.since_ms)
