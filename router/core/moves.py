"""Agents and offers: what an event does to an agent, and how call and agent find each other. One source with Lua's
include/agents.lua and the first half of include/calls.lua: same order of facts and effects."""

from __future__ import annotations

from router.core import agent as agents
from router.core import call as calls
from router.core import callback, expect
from router.core.agent import REST, AgentEvent, AgentState
from router.core.call import CallEvent
from router.core.desk import Agent, Call, Desk
from router.core.events import Offer
from router.core.lines import choose, flow, reach, step_in, step_out, tell_place
from router.core.placement import guest_back
from router.core.plan import OWN
from router.core.policy import WORST
from router.core.pools import STAFFED, line_out, line_up, staff

RESTING = (AgentState.READY, AgentState.NOT_READY, AgentState.LOGGED_OUT)
AWAY = (AgentState.NOT_READY, AgentState.LOGGED_OUT)


def agent_to(d: Desk, a: Agent, state: AgentState, reason: str = "") -> None:
    """Into a state, with the pools it leaves and its fact. Longest idle counts from coming to ready; an offer that came to
    nothing through no fault of the agent keeps the old time. Without a seat nobody can be ready or not ready."""
    previous = a.state
    if not a.seat and state in RESTING:
        state = AgentState.LOGGED_OUT
    if a.lined:
        line_out(d, a)
    if previous is AgentState.AFTER_CALL and state is not previous:
        d.due.remove(f"a:{a.id}")
        a.until = 0
    if state is AgentState.READY and previous is not AgentState.OFFERED:
        a.idle = d.now
    _count(d, a, previous, state)
    if state in RESTING:
        a.call = a.offer = a.next = ""
    a.state, a.reason, a.since, a.ver = state, reason, d.now, d.newer(a.ver)
    body = {"state": state.value, "previous": previous.value, "reason": reason, "seat": a.seat}
    d.fact("agent_changed", f"{a.id}:r:{d.now}:{a.ver}", d.now, body, a.call, a.id)
    if state in AWAY and d.plan.own:
        let_go(d, a)


def _count(d: Desk, a: Agent, previous: AgentState, state: AgentState) -> None:
    """What policies and the expected wait are made of: who is there, since when a login lasts, how long a call took."""
    if previous is AgentState.LOGGED_OUT:
        a.took = a.idles = a.idled = 0
    if (previous in STAFFED) is not (state in STAFFED):
        staff(d, a, 1 if state in STAFFED else -1)
    if a.busy and state in RESTING:
        c = d.call(a.call)
        if c is not None:
            expect.handled(flow(d, c.queue), d.now - a.busy)
        a.busy = 0


def let_go(d: Desk, a: Agent) -> None:
    """The agent went away: who waited for this one alone waits for the others from now on."""
    own = d.lines.get(f"own:{a.id}")
    for call in own.head(len(own)) if own else ():
        again(d, d.calls[call])


def again(d: Desk, c: Call) -> None:
    """A waiting call is placed anew: its stage is over, or the rules have changed."""
    step_out(d, c)
    place(d, c)


def first_call(d: Desk, a: Agent) -> Call | None:
    """The first over all lines the agent may take calls from."""
    own = d.lines.get(f"own:{a.id}") if d.plan.own else None
    best = own.first() if own else None
    city = d.plan.cities.get(a.id, "")
    for skill, level in a.skills:
        level = min(level, WORST)
        for read in d.plan.reads.get(skill, ()):
            if level > read.level or (read.by_city and not city):
                continue
            line = d.lines.get(read.line + city if read.by_city else read.line)
            head = line.first() if line else None
            if head and (best is None or head < best):
                best = head
    return d.calls[best[1]] if best else None


def tell_offer(d: Desk, c: Call, seat: str) -> None:
    """To the call's node."""
    d.emit(c.node, Offer(c.id, c.offer, c.agent, seat, c.expires, callback=callback.words(c)))


def offer(d: Desk, c: Call, a: Agent) -> None:
    """A waiting call (in no line any more) and a ready agent become one offer; its id tells the id of its fact."""
    c.state = calls.step(c.state, CallEvent.OFFER)
    c.offer = f"{c.id}.{d.now}.{c.rv + 1}"
    c.agent, c.expires = a.id, d.now + d.queues[c.queue].ring_ms
    body = {"queue": c.queue, "offer": c.offer, "seat": a.seat, "waited_ms": max(0, d.now - c.entered)}
    d.call_fact(c, "offered", body, a.id)
    a.call, a.offer = c.id, c.offer
    agent_to(d, a, AgentState(agents.step(a.state, AgentEvent.OFFER)))
    d.due.add(f"o:{c.id}", c.expires + d.times.grace_ms)
    if c.callback:
        callback.take_up(d, c)
    tell_offer(d, c, a.seat)


def seek(d: Desk, a: Agent) -> None:
    """A ready agent that stands nowhere yet: take a call, else line up."""
    while (c := first_call(d, a)) is not None:
        step_out(d, c)
        if not callback.barred(d, c):
            offer(d, c, a)
            return
    line_up(d, a)


def place(d: Desk, c: Call, tell: bool = False) -> None:
    """A waiting call that stands in no line yet: to who may take it now, else into line. `tell` its place if it must wait. A guest
    has no line here: it goes back."""
    if c.guest is not None:
        guest_back(d, c, "REASON_AGENT_GONE")
        return
    if callback.barred(d, c):
        return
    q = d.plan.queues[c.queue]
    a, rung, line = choose(d, c, q)
    if rung != c.rung:
        reach(d, c, q, rung)
    if c.own and rung != OWN:
        c.own = ""
    d.keep(c)
    if a is not None:
        offer(d, c, a)
        return
    step_in(d, c, q, line)
    if tell:
        tell_place(d, c)


def agent_event(d: Desk, a: Agent, event: AgentEvent, reason: str = "") -> None:
    """What an event of the table does; REST follows the agent's wish."""
    to = agents.step(a.state, event)
    if to == REST:
        to, reason = _wished(a, reason)
    agent_to(d, a, AgentState(to), reason)
    if a.state is AgentState.READY:
        seek(d, a)


def _wished(a: Agent, reason: str) -> tuple[str, str]:
    if not a.next:
        return AgentState.READY, reason
    state, _, why = a.next.partition(":")
    return state, why


def wish(d: Desk, a: Agent, what: str) -> None:
    """What the agent wants after the call."""
    if a.next != what:
        a.next, a.ver = what, d.newer(a.ver)
