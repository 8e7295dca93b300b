"""What agents ask. Each verb validates, changes rows, and leaves effects and facts in the desk; see store/base.py."""

from __future__ import annotations

from collections.abc import Sequence

from router.core import agent as agents
from router.core import call as calls
from router.core.agent import AgentEvent, AgentState
from router.core.call import CallEvent
from router.core.desk import Agent, Desk
from router.core.leave import close_offer
from router.core.moves import agent_event, agent_to, place, seek, wish
from router.core.overflow import by_hand
from router.core.pools import STAFFED, line_out, staff

IN_CALL = (AgentState.OFFERED, AgentState.TALKING)


def _take_back(d: Desk, a: Agent, event: AgentEvent) -> None:
    """The agent goes while its seat rings: the call goes back to its place."""
    c = d.calls[a.call]
    close_offer(d, c, event, "REASON_AGENT_GONE", tell=True)
    c.state = calls.step(c.state, CallEvent.WITHDRAWN)
    place(d, c)


def login(d: Desk, agent: str, seat: str, skills: Sequence[tuple[str, int]]) -> None:
    """At a seat, with skills."""
    a = d.agent_or_new(agent, AgentState.LOGGED_OUT)
    moved = a.seat != seat
    event = AgentEvent.MOVE if a.seat and moved and a.state is not AgentState.LOGGED_OUT else AgentEvent.LOGIN
    to = agents.step(a.state, event)
    anew, was = moved or a.skills != tuple(skills), a.state
    if a.lined:
        line_out(d, a)
    a.seat = seat
    reskill(d, a, tuple(skills))
    if was is AgentState.OFFERED and to != was:
        _take_back(d, a, event)
    elif to != was:
        agent_event(d, a, event)
    elif moved:
        agent_to(d, a, was, a.reason)
    elif anew:
        a.ver = d.newer(a.ver)
    if a.state is AgentState.READY and not a.lined:
        seek(d, a)
    d.effects.append(d.see(a))


def reskill(d: Desk, a: Agent, skills: tuple[tuple[str, int], ...]) -> None:
    """Other skills, for an agent that stands in no pool now."""
    there = a.state in STAFFED
    if there:
        staff(d, a, -1)
    a.skills = skills
    if there:
        staff(d, a, 1)


def logout(d: Desk, agent: str) -> None:
    """Gone; during a talk: after it."""
    a = d.agent(agent)
    to = agents.step(a.state, AgentEvent.LOGOUT)
    if a.state is AgentState.OFFERED:
        _take_back(d, a, AgentEvent.LOGOUT)
    elif a.state is AgentState.TALKING:
        wish(d, a, AgentState.LOGGED_OUT)
    elif to != a.state:
        agent_event(d, a, AgentEvent.LOGOUT)
    d.effects.append(d.see(a))


def ready(d: Desk, agent: str) -> None:
    """Can take a call; during a call: after it."""
    a = d.agent(agent)
    to = agents.step(a.state, AgentEvent.READY)
    if a.state in IN_CALL:
        wish(d, a, "")
    elif to != a.state:
        agent_event(d, a, AgentEvent.READY)
    d.effects.append(d.see(a))


def not_ready(d: Desk, agent: str, reason: str) -> None:
    """Cannot take a call; during a call: after it."""
    a = d.agent(agent)
    to = agents.step(a.state, AgentEvent.NOT_READY)
    if a.state in IN_CALL:
        wish(d, a, f"not_ready:{reason}")
    elif to != a.state or a.reason != reason:
        agent_event(d, a, AgentEvent.NOT_READY, reason)
    d.effects.append(d.see(a))


def end_after_call(d: Desk, agent: str) -> None:
    """Done with after-call work."""
    a = d.agent(agent)
    if not by_hand(d, a):
        agent_event(d, a, AgentEvent.END_AFTER_CALL)
    d.effects.append(d.see(a))


def see(d: Desk, agent: str) -> None:
    """As it is."""
    d.effects.append(d.see(d.agent(agent)))
