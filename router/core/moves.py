"""Agents and offers: what an event does to an agent, and how call and agent find each other. One source with Lua's
include/agents.lua and the first half of include/calls.lua: same order of facts and effects."""

from __future__ import annotations

from router.core import agent as agents
from router.core import call as calls
from router.core.agent import REST, AgentEvent, AgentState
from router.core.call import CallEvent
from router.core.commands import QueueRule
from router.core.desk import Agent, Call, Desk
from router.core.events import Offer, Queued
from router.core.match import agent_score, call_score

RESTING = (AgentState.READY, AgentState.NOT_READY, AgentState.LOGGED_OUT)


def line_up(d: Desk, a: Agent) -> None:
    """Stand under each skill."""
    for skill, level in a.skills:
        d.ready(skill).add(a.id, agent_score(level, a.idle))
    a.lined = True


def line_out(d: Desk, a: Agent) -> None:
    """Stand nowhere."""
    for skill, _ in a.skills:
        d.ready(skill).remove(a.id)
    a.lined = False


def agent_to(d: Desk, a: Agent, state: AgentState, reason: str = "") -> None:
    """Into a state, with the lines it leaves and its fact. Longest idle counts from coming to ready; an offer that came to
    nothing through no fault of the agent keeps the old time. Without a seat nobody can be ready or not ready."""
    previous = a.state
    if not a.seat and state in (AgentState.READY, AgentState.NOT_READY):
        state = AgentState.LOGGED_OUT
    if a.lined:
        line_out(d, a)
    if previous is AgentState.AFTER_CALL and state is not previous:
        d.due.remove(f"a:{a.id}")
        a.until = 0
    if state is AgentState.READY and previous is not AgentState.OFFERED:
        a.idle = d.now
    if state in RESTING:
        a.call = a.offer = a.next = ""
    a.state, a.reason, a.since, a.ver = state, reason, d.now, a.ver + 1
    body = {"state": state.value, "previous": previous.value, "reason": reason, "seat": a.seat}
    d.fact("agent_changed", f"{a.id}:r:{d.now}:{a.ver}", d.now, body, a.call, a.id)


def first_call(d: Desk, a: Agent) -> Call | None:
    """The first over all lines of the agent's skills."""
    lines = (d.waiting(queue) for skill, _ in a.skills for queue in d.serving.get(skill, ()))
    heads = [head for line in lines if (head := line.first())]
    return d.calls[min(heads)[1]] if heads else None


def first_free(d: Desk, skill: str) -> Agent | None:
    """Best level, then longest idle."""
    head = d.ready(skill).first()
    return d.agents[head[1]] if head else None


def tell_offer(d: Desk, c: Call, seat: str) -> None:
    """To the call's node."""
    d.emit(c.node, Offer(c.id, c.offer, c.agent, seat, c.expires))


def offer(d: Desk, c: Call, a: Agent, q: QueueRule) -> None:
    """A waiting call (in no line any more) and a ready agent become one offer; its id tells the id of its fact."""
    c.state = calls.step(c.state, CallEvent.OFFER)
    c.offer = f"{c.id}.{d.now}.{c.rv + 1}"
    c.agent, c.expires = a.id, d.now + q.ring_ms
    body = {"queue": c.queue, "offer": c.offer, "seat": a.seat, "waited_ms": max(0, d.now - c.entered)}
    d.call_fact(c, "offered", body, a.id)
    a.call, a.offer = c.id, c.offer
    agent_to(d, a, AgentState(agents.step(a.state, AgentEvent.OFFER)))
    d.due.add(f"o:{c.id}", c.expires + d.times.grace_ms)
    tell_offer(d, c, a.seat)


def seek(d: Desk, a: Agent) -> None:
    """A ready agent that stands nowhere yet: take a call, else line up."""
    c = first_call(d, a)
    if c is None:
        line_up(d, a)
        return
    d.waiting(c.queue).remove(c.id)
    offer(d, c, a, d.queues[c.queue])


def score(c: Call) -> int:
    """Its place in line."""
    return call_score(c.prio, c.entered)


def tell_place(d: Desk, c: Call) -> None:
    """Where it stands; offered means that nobody is before it."""
    line = d.waiting(c.queue)
    rank = line.rank(c.id)
    place = (1, len(line) + 1) if rank is None else (rank + 1, len(line))
    d.emit(c.node, Queued(c.id, *place))


def place(d: Desk, c: Call, tell: bool = False) -> None:
    """A waiting call that stands in no line yet: to the first free agent of the skill, else into line."""
    q = d.queues[c.queue]
    a = first_free(d, q.skill)
    if a is None:
        d.waiting(c.queue).add(c.id, score(c))
    d.keep(c)
    if tell:
        tell_place(d, c)
    if a is not None:
        offer(d, c, a, q)


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


def wish(a: Agent, what: str) -> None:
    """What the agent wants after the call."""
    if a.next != what:
        a.next, a.ver = what, a.ver + 1
