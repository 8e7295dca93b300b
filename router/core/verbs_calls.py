"""What media nodes say of calls. Each verb validates, changes rows, and leaves effects and facts in the desk; see store/base.py."""

from __future__ import annotations

from router.core import call as calls
from router.core import callback as back
from router.core import elsewhere
from router.core.agent import AgentEvent
from router.core.call import LIVE, CallEvent, CallState
from router.core.commands import Assert, End, Enqueue, From
from router.core.desk import Call, Desk
from router.core.enter import (
    assert_talk,
    bridge,
    enter,
    force_ring,
    force_talk,
    learn,
    refresh,
    repeat_offer,
    take_words,
    tell_entered,
)
from router.core.errors import OfferClosed, UnknownCall, UnknownQueue
from router.core.events import Release
from router.core.leave import close_offer, detach, failure, not_reached, over, release_agent, tell_away
from router.core.lines import tell_place
from router.core.match import SEAT_FAULT
from router.core.moves import agent_event, place
from router.core.placement import tell_remote
from router.core.remote import placement_of

IN_LINE = (CallState.WAITING, CallState.OFFERED)


def enqueue(d: Desk, by: From, what: Enqueue) -> None:
    """Into a line; a repeat gets its place anew."""
    e = what
    d.queue(e.queue)
    c = d.call_or_new(e.call)
    if c.state not in (CallState.UNKNOWN, CallState.LOST) and e.version <= c.ver:
        if c.state in IN_LINE:
            tell_place(d, c)
        elif c.state is CallState.LEFT:
            _away_again(d, by, c)
        return
    live = c.state in LIVE
    event = CallEvent.MOVE if live and c.queue != e.queue else CallEvent.ENQUEUE
    to = calls.step(c.state, event)
    if e.queue in d.closed and (event is CallEvent.MOVE or not live):
        raise UnknownQueue(e.queue)
    if live and to is c.state and event is CallEvent.ENQUEUE:
        refresh(d, c, e, by)
        tell_place(d, c)
    else:
        enter(d, c, e, by, to)


def _away_again(d: Desk, by: From, c: Call) -> None:
    """A repeat about a call that left the line: if its queue turned it away the node may not have heard it."""
    if c.away:
        c.node, c.sess = by.node, by.session
        tell_away(d, c)


def assert_(d: Desk, by: From, what: Assert) -> None:
    """The node's truth about one call; it wins over what we hold, unless its session is not the newest."""
    e = what.enqueue
    d.queue(e.queue)
    if by.node not in d.nodes or d.nodes[by.node].sess != by.session:
        return
    c = d.call_or_new(e.call)
    if c.state is CallState.ENDED:
        d.emit(by.node, Release(c.id, "REASON_UNSPECIFIED"))
        return
    if c.state is CallState.LEFT and e.version <= c.ver:
        _away_again(d, by, c)
        return
    event = CallEvent(what.state)
    if event is CallEvent.RING and c.dialling and c.offer == what.offer:  # for its node the agent's seat is no talk yet
        refresh(d, c, e, by)
        return
    calls.step(c.state, event)
    _ASSERT[event](d, c, what, by)


def _assert_wait(d: Desk, c: Call, what: Assert, by: From) -> None:
    e = what.enqueue
    if c.state not in IN_LINE or c.queue != e.queue:
        enter(d, c, e, by, calls.step(c.state, CallEvent.MOVE), asserted=True)
        return
    refresh(d, c, e, by)
    if c.state is CallState.OFFERED:
        repeat_offer(d, c)
    else:
        tell_place(d, c)
    tell_remote(d, c)


def _assert_ring(d: Desk, c: Call, what: Assert, by: From) -> None:
    if placement_of(what.offer):
        elsewhere.assert_ring(d, c, what, by)
    elif c.state is CallState.OFFERED and c.offer == what.offer:
        refresh(d, c, what.enqueue, by)
    else:
        force_ring(d, c, what, by, d.queues[what.enqueue.queue])


def _assert_talk(d: Desk, c: Call, what: Assert, by: From) -> None:
    if c.state is CallState.TALKING and c.agent == what.agent:
        refresh(d, c, what.enqueue, by)
        if c.dialling:
            _reached(d, c, what.since_ms)  # the customer picked up while we were away
    elif placement_of(what.offer):
        elsewhere.assert_talk(d, c, what, by)
    else:
        assert_talk(d, c, what, by)


_ASSERT = {CallEvent.WAIT: _assert_wait, CallEvent.RING: _assert_ring, CallEvent.TALK: _assert_talk}


def settle_answered(d: Desk, call: str, version: int, offer: str, answered_ms: int) -> None:
    """Bridged. An answer to the offer that we closed last still counts: people talk."""
    c = d.call(call)
    if c is None:
        raise UnknownCall(call)
    if version > c.ver and c.dialling and c.offer == offer:
        c.ver = version
        _reached(d, c, answered_ms)
        return
    if version <= c.ver or (c.state is CallState.TALKING and c.offer == offer):
        return
    if elsewhere.answers(c, offer):
        c.ver = version
        elsewhere.answered(d, c, offer, answered_ms)
        return
    late = c.last_offer == offer and c.state in IN_LINE
    if not late and not (c.state is CallState.OFFERED and c.offer == offer):
        raise OfferClosed(offer)
    c.ver = version
    if late:
        force_talk(d, c, offer, c.last_agent, answered_ms)
    else:
        bridge(d, c, d.agents[c.agent], offer, answered_ms, AgentEvent.ANSWERED)


def settle_failed(d: Desk, call: str, version: int, offer: str, reason: str) -> None:
    """Not bridged: back to its place. The agent is not ready if it was the seat's fault, pauses if it was ours (match.py), and is
    free if the caller is gone or another seat was first. Of a call that left the line it says nothing, and must not count as its
    newest word: the node may have put it into a line before, and asserts that with the version it had then."""
    c = d.call(call)
    if c is None or c.state not in LIVE or version <= c.ver:
        return
    c.ver = version
    if placement_of(offer):
        elsewhere.not_answered(d, c, offer, reason)
        return
    if c.dialling and c.offer == offer:
        not_reached(d, c, reason)
        return
    if c.state is not CallState.OFFERED or c.offer != offer:
        return
    if back.pending(c) and reason not in SEAT_FAULT:  # the seat did not fail, we did
        not_reached(d, c, reason)
        return
    if reason == "REASON_CALLER_LEFT":
        to = calls.step(c.state, CallEvent.CALLER_LEFT)
        detach(d, c, reason, reason)
        over(d, c, to)
        return
    to = calls.step(c.state, CallEvent.FAILED)
    close_offer(d, c, failure(reason), reason, tell=False)
    c.state = to
    place(d, c)


def cancel(d: Desk, call: str, version: int, reason: str) -> None:
    """The caller left the line."""
    c = d.call_or_new(call)
    if c.state is not CallState.UNKNOWN and version <= c.ver:
        return
    if back.pending(c):
        return
    to = calls.step(c.state, CallEvent.CANCEL)
    c.ver = version
    detach(d, c, reason, "REASON_CALLER_LEFT", tell=True)
    over(d, c, to)


def end(d: Desk, what: End) -> None:
    """Over, in whatever state; true whenever it comes."""
    c = d.call_or_new(what.call)
    if c.state is CallState.ENDED:
        return
    to = calls.step(c.state, CallEvent.END)
    c.ver = max(c.ver, what.version)
    if back.pending(c):  # a node lets a callback go that it could not make: it is tried again
        if c.state is not CallState.WAITING:
            not_reached(d, c, what.reason)
        return
    if c.state is CallState.TALKING:
        release_agent(d, c, what.ended_ms, what.side)
    else:
        detach(d, c, what.reason, "REASON_CALLER_LEFT")
    over(d, c, to)


def callback(d: Desk, by: From, what: Enqueue, number: str, listed: str, trunk: str) -> None:
    """The caller hangs up and is to be called back: waits on, in its place, without a node. The row may be new, or a lost one.
    Raises TooManyCallbacks."""
    d.queue(what.queue)
    c = d.call_or_new(what.call)
    if c.callback or (c.state not in (CallState.UNKNOWN, CallState.LOST) and what.version <= c.ver):
        return
    to = calls.step(c.state, CallEvent.CALL_BACK)
    back.count(d, c, listed.partition(" ")[0] or number)
    if c.state in IN_LINE:
        detach(d, c, None, "REASON_CALLER_LEFT", tell=True)
        c.ver, c.profile = max(c.ver, what.version), what.profile
    else:
        take_words(d, c, what, by)
        tell_entered(d, c, what)
    c.state, c.callback, c.listed, c.trunk = to, number, listed, trunk
    back.put_down(d, c)
    d.call_fact(c, "callback_asked", {"queue": c.queue})
    place(d, c)


def dialling(d: Desk, call: str, version: int, offer: str, at_ms: int, trunk: str) -> None:
    """An agent has taken a callback: the customer's phone is called now."""
    c = d.call(call)
    if c is None:
        raise UnknownCall(call)
    if version <= c.ver:
        return
    if c.state is not CallState.OFFERED or c.offer != offer or not c.callback:
        raise OfferClosed(offer)
    a = d.agents[c.agent]
    c.ver, c.tries, c.dialling = version, c.tries + 1, 1
    d.due.remove(f"o:{c.id}")
    c.state, c.answered, c.expires = calls.step(c.state, CallEvent.ANSWERED), at_ms, 0
    learn(d, c, a, at_ms)
    d.talking[c.queue] = d.talking.get(c.queue, 0) + 1
    body = {"queue": c.queue, "offer": offer, "trunk": trunk, "tries": c.tries}
    d.fact("callback_dialled", f"{c.id}:r:{at_ms}:d{c.tries}", at_ms, body, c.id, c.agent)  # before `bridged`, whenever it is heard
    d.keep(c)
    agent_event(d, a, AgentEvent.ANSWERED)


def _reached(d: Desk, c: Call, answered_ms: int) -> None:
    """The customer has picked up: a talk like any other from now on."""
    c.dialling, c.answered = 0, answered_ms
    d.outside.pop(c.id, None)
    waited = max(0, answered_ms - c.entered)
    body = {"queue": c.queue, "offer": c.offer, "waited_ms": waited, "bridged_ms": answered_ms}
    d.fact("bridged", f"{c.id}:r:{answered_ms}:b", answered_ms, body, c.id, c.agent)
