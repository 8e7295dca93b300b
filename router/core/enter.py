"""How calls come, and re-assertions: what the node says is so. One source with Lua's include/enter.lua."""

from __future__ import annotations

import re

from router.core import agent as agents
from router.core import call as calls
from router.core import expect
from router.core.agent import AGENT, AgentEvent, AgentState
from router.core.call import LIVE, CallEvent, CallState
from router.core.commands import Assert, Enqueue, From, QueueRule
from router.core.desk import Agent, Call, Desk, fact_base
from router.core.events import Withdraw
from router.core.leave import close_offer, detach, lose, release_agent, turn_away
from router.core.lines import choose, flow, rung_at, tell_place
from router.core.match import SEAT_REASONS
from router.core.moves import agent_event, place, tell_offer
from router.core.placement import ELSEWHERE, gone
from router.core.plan import QueuePlan
from router.core.policy import call_score, vip_priority

_OFFER_ID = re.compile(r"\.(\d+)\.(\d+)$")


def priority_of(e: Enqueue, q: QueueRule) -> int:
    """-1 is the queue's own; a VIP caller's level comes on top."""
    own = e.priority if e.priority >= 0 else q.priority
    return vip_priority(own, e.vip) if e.vip else own


def fill(d: Desk, c: Call, e: Enqueue, by: From) -> None:
    """What an Enqueue says, into the row. Its fact has an id made of the node's own words, so that a re-assertion after the store
    forgot the call writes the same fact and not a second one."""
    take_words(d, c, e, by)
    tell_entered(d, c, e)


def take_words(d: Desk, c: Call, e: Enqueue, by: From) -> None:
    """The row follows the node's words."""
    q = d.plan.queues[e.queue]
    c.queue, c.prio, c.entered, c.ver, c.profile = e.queue, priority_of(e, q.rule), e.entered_ms, max(c.ver, e.version), e.profile
    c.city, c.customer, c.vip = e.city, e.customer, e.vip
    c.own = e.agent or (last_agent(d, c, q) if q.rule.own_ms and c.customer else "")
    c.rung = rung_at(d, c, q) if q.timed else 0
    c.offer = c.agent = c.away = ""
    c.answered = c.expires = 0
    c.node, c.sess = by.node, by.session


def last_agent(d: Desk, c: Call, q: QueuePlan) -> str:
    """Whom the customer talked to last, if that agent serves the queue and has not just sent the call there; "" nobody."""
    agent, until = d.last.get(c.customer, ("", 0))
    a = d.agents.get(agent)
    return agent if a and until > d.now and agent != c.agent and any(skill in q.skills for skill, _ in a.skills) else ""


def tell_entered(d: Desk, c: Call, e: Enqueue) -> None:
    """The fact that it came into the queue."""
    body = {"queue": c.queue, "priority": c.prio, "entered_ms": c.entered}
    d.fact("enqueued", f"{c.id}:r:{c.entered}:e{e.version}", c.entered, body, c.id)


def leave_all(d: Desk, c: Call, why: str | None, offer_why: str) -> None:
    """Out of line, offer or talk, before it goes elsewhere."""
    if c.state is CallState.TALKING:
        release_agent(d, c, d.now, "SIDE_SYSTEM")
    else:
        detach(d, c, why, offer_why, tell=True)


def enter(d: Desk, c: Call, e: Enqueue, by: From, to: CallState, asserted: bool = False) -> None:
    """Into line, from wherever it was, unless the queue takes it not. A call that was lost with its node was in the line
    already, as one that the node asserts is: neither is refused."""
    limited = c.state is not CallState.LOST and not asserted
    leave_all(d, c, "" if c.queue != e.queue else None, "REASON_CALLER_LEFT")
    c.state = to
    take_words(d, c, e, by)
    why = refusal(d, c, e) if limited else ""
    if why:
        turn_away(d, c, why)
        return
    tell_entered(d, c, e)
    place(d, c, tell=True)


def refusal(d: Desk, c: Call, e: Enqueue) -> str:
    """Why the queue does not take a new call now: closed, or full and nobody free for it; "" it does."""
    q = d.plan.queues[c.queue]
    if e.closed:
        return e.closed
    full = q.rule.max_waiting and len(d.waiting(c.queue)) >= q.rule.max_waiting
    return "REASON_QUEUE_FULL" if full and choose(d, c, q)[0] is None else ""


def refresh(d: Desk, c: Call, e: Enqueue, by: From) -> None:
    """A repeat with news: version, node, priority."""
    prio = priority_of(e, d.queues[e.queue])
    if c.state is CallState.WAITING and c.prio != prio:
        c.prio, at = prio, call_score(prio, c.entered, d.plan.worth_ms)
        d.waiting(c.queue).add(c.id, at)
        d.lines[c.line].add(c.id, at)
    c.ver = max(c.ver, e.version)
    c.node, c.sess = by.node, by.session


def repeat_offer(d: Desk, c: Call) -> None:
    """Tell the open offer again."""
    a = d.agents.get(c.agent)
    tell_offer(d, c, a.seat if a else "")


def refuse_ring(d: Desk, c: Call, e: Enqueue, by: From, offer: str) -> None:
    """An offer that the node rings but we do not want: stop it; the call waits (or is offered) as we know it."""
    d.emit(by.node, Withdraw(c.id, offer, "REASON_EXPIRED"))
    if c.state is CallState.OFFERED:
        refresh(d, c, e, by)
        repeat_offer(d, c)
    elif c.state is CallState.WAITING:
        refresh(d, c, e, by)
        tell_place(d, c)
    else:
        enter(d, c, e, by, calls.step(c.state, CallEvent.WAIT), asserted=True)


def force_ring(d: Desk, c: Call, what: Assert, by: From, q: QueueRule) -> None:
    """The node rings an agent for the call. The fact is written again under the id that the offer's own id names."""
    e, offer = what.enqueue, what.offer
    known = d.agents.get(what.agent)
    if c.state is CallState.OFFERED or (known and AgentEvent.RING not in AGENT[known.state]):
        refuse_ring(d, c, e, by, offer)
        return
    a = d.agent_or_new(what.agent, AgentState.NOT_READY)
    to = calls.step(c.state, CallEvent.RING)
    detach(d, c)
    fill(d, c, e, by)
    c.state, c.offer, c.agent, c.expires = to, offer, a.id, d.now + q.ring_ms
    at, rv = _named(offer, d.now, c.rv + 1)
    c.rv = max(c.rv + 1, rv)
    body = {"queue": c.queue, "offer": offer, "seat": a.seat, "waited_ms": max(0, at - c.entered)}
    d.fact("offered", f"{c.id}:r:{at}:{rv}", at, body, c.id, a.id)
    a.call, a.offer = c.id, offer
    agent_event(d, a, AgentEvent.RING)
    d.due.add(f"o:{c.id}", c.expires + d.times.grace_ms)
    d.keep(c)


def _named(offer: str, at: int, rv: int) -> tuple[int, int]:
    found = _OFFER_ID.search(offer)
    return (int(found[1]), int(found[2])) if found else (at, rv)


def wish_of(a: Agent) -> str:
    """What the agent goes to after a talk that comes although it was set aside: what it had asked for, not what we had set."""
    if not a.seat:
        return ""
    if a.state is AgentState.LOGGED_OUT:
        return AgentState.LOGGED_OUT
    if a.state is not AgentState.NOT_READY:
        return a.next
    return "" if a.reason in SEAT_REASONS else f"not_ready:{a.reason}"


def give_up(d: Desk, call: str) -> None:
    """The agent has another call by our books: the talk wins, the other goes back to its line or is lost."""
    other = d.call(call)
    if other and other.state is CallState.OFFERED:
        close_offer(d, other, None, "REASON_AGENT_GONE", tell=True)
        other.state = calls.step(other.state, CallEvent.WITHDRAWN)
        place(d, other)
    elif other and other.state is CallState.TALKING:
        lose(d, other)


def bridge(d: Desk, c: Call, a: Agent, offer: str, answered_ms: int, event: AgentEvent) -> None:
    """The bridge as state and fact; the fact's id is made of the node's word, as with `enqueued`."""
    agents.step(a.state, event)
    if c.remote is not None:
        gone(d, c, ELSEWHERE, tell=True)
    d.due.remove(f"o:{c.id}")
    c.state, c.offer, c.agent, c.answered, c.expires, c.dialling = CallState.TALKING, offer, a.id, answered_ms, 0, 0
    a.call, a.offer = c.id, offer
    learn(d, c, a, answered_ms)
    d.talking[c.queue] = d.talking.get(c.queue, 0) + 1
    body = {"queue": c.queue, "offer": offer, "waited_ms": max(0, answered_ms - c.entered), "bridged_ms": answered_ms}
    d.fact("bridged", f"{fact_base(c)}:{answered_ms}:b", answered_ms, body, c.id, a.id)
    d.keep(c)
    agent_event(d, a, event)


def learn(d: Desk, c: Call, a: Agent, answered_ms: int) -> None:
    """What policies and the expected wait are made of."""
    expect.waited(flow(d, c.queue), answered_ms - c.entered, False)
    a.took += 1
    a.busy = d.now
    if a.state is AgentState.OFFERED:
        a.busy = a.since
        a.idles, a.idled = a.idles + 1, a.idled + max(0, a.since - a.idle)
    if d.plan.own and c.customer:
        d.last[c.customer] = (a.id, d.now + d.times.last_ms)


def force_talk(d: Desk, c: Call, offer: str, agent: str, answered_ms: int) -> None:
    """The node talks: true whatever our books say. The row has been filled or refreshed, but for its state."""
    if not (c.state is CallState.OFFERED and c.agent == agent):
        leave_all(d, c, None, "REASON_AGENT_GONE")
    a = d.agent_or_new(agent, AgentState.NOT_READY)
    busy = a.state in (AgentState.OFFERED, AgentState.TALKING)
    other = a.call if busy and a.call != c.id else ""
    a.next = wish_of(a)
    bridge(d, c, a, offer, answered_ms, AgentEvent.TALK)
    if other:
        give_up(d, other)


def assert_talk(d: Desk, c: Call, what: Assert, by: From) -> None:
    """A talk that we did not know of."""
    if c.state in LIVE:
        refresh(d, c, what.enqueue, by)
    else:
        fill(d, c, what.enqueue, by)
    force_talk(d, c, what.offer, what.agent, what.since_ms)
