"""Where ready agents stand, and who of them is taken. One source with Lua's include/pools.lua; see policy.py for the orders."""

from __future__ import annotations

from collections.abc import Container

from router.core.agent import AgentState
from router.core.desk import Agent, Desk
from router.core.line import Line
from router.core.plan import ANY, layout
from router.core.policy import WORST, Order, agent_score, draw

LOOK = 32  # agents looked at in a band that a foreign limit cuts


def _score(d: Desk, a: Agent, order: str, level: int, pool: str) -> float:
    if order != Order.RANDOM:
        return agent_score(order, level, a.idle, a.took, a.idles, a.idled)
    return d.clocks.get(pool, 0.0) + draw(f"{a.id}|{pool}|{d.now}|{a.ver}") / d.plan.weights.get(a.id, 1)


def _pools(d: Desk, a: Agent, only: Container[str] | None) -> list[tuple[str, str, int]]:
    """All the agent belongs to (for `only` these skills): name, order, level."""
    plan, found = d.plan, []
    city = plan.cities.get(a.id, "") if plan.cities else ""
    for skill, level in a.skills:
        if only is not None and skill not in only:
            continue
        there = plan.layouts.get(skill) or layout(skill)
        for order, name in there.names[min(level, WORST)]:
            found.append((name + ANY, order, level))
            if city and there.by_city:
                found.append((name + city, order, level))
    return found


def line_up(d: Desk, a: Agent, only: Container[str] | None = None) -> None:
    """Stand in all pools."""
    for pool, order, level in _pools(d, a, only):
        line = d.pools.get(pool)
        if line is None:
            line = d.pools[pool] = Line()
        line.add(a.id, _score(d, a, order, level, pool))
    a.lined = True


def line_out(d: Desk, a: Agent, only: Container[str] | None = None) -> None:
    """Stand nowhere. Only the rules that were in force at line_up know where: see refile.py."""
    for pool, _, _ in _pools(d, a, only):
        d.pools[pool].remove(a.id)
    a.lined = False


def first_free(d: Desk, skill: str, level: int = WORST, ring: str = ANY, order: str = "") -> Agent | None:
    """The first ready agent of a skill in an order ("": one in which they stand), up to a level, of a ring (a city or ANY). A limit
    that no ladder of ours names (another centre asks) cuts a band: of that one the first LOOK are looked at."""
    there = d.plan.layout(skill)
    order = order or there.orders[0]
    lot = _drawn(d, skill, level, ring) if order == Order.RANDOM else None
    if lot is not None:
        return lot
    best: tuple[float, str] | None = None
    below = 0
    for band in there.bands:
        line = d.pools.get(f"{order}:{skill}:{band}:{ring}")
        if band > level:
            return d.agents[best[1]] if best else _within(d, line, skill, level) if below < level else None
        head = line.first() if line else None
        if head and (best is None or head < best):
            best = head
        below = band
    return d.agents[best[1]] if best else None


def _within(d: Desk, line: Line | None, skill: str, level: int) -> Agent | None:
    """The first of a band that is good enough."""
    for agent in line.head(LOOK) if line else ():
        a = d.agents[agent]
        if dict(a.skills)[skill] <= level:
            return a
    return None


def _drawn(d: Desk, skill: str, level: int, ring: str) -> Agent | None:
    """The one whose lot runs out first. The clocks of all pools that took part go on by as much: what is left of the others'
    lots is then exponential again (policy.py)."""
    bands = [band for band in d.plan.layout(skill).bands if band <= level]
    heads = []
    for band in bands:
        pool = f"{Order.RANDOM}:{skill}:{band}:{ring}"
        line = d.pools.get(pool)
        head = line.first() if line else None
        if head:
            heads.append((head[0] - d.clocks.get(pool, 0.0), head[1], pool))
    if not heads:
        return None
    left, agent, _ = min(heads)
    for _, _, pool in heads:
        d.clocks[pool] = d.clocks.get(pool, 0.0) + left
    return d.agents[agent]


def staff(d: Desk, a: Agent, by: int) -> None:
    """The agent counts among those who are there, or not any more."""
    for skill, _ in a.skills:
        d.staffed[skill] = d.staffed.get(skill, 0) + by


STAFFED = frozenset({AgentState.READY, AgentState.OFFERED, AgentState.TALKING, AgentState.AFTER_CALL})
