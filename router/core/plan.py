"""The rules compiled: what a match needs to know, looked up and not computed. Pure; Lua's include/plan.lua makes the same.

*Stages.* A queue without a ladder has one stage: everybody with its skill. Which stage a call is in follows from how long it
has waited, nothing else, so a call that is asserted anew after everything was lost stands where it stood. A call of a city
without seats (or of no known city) does not wait for the seats of its city: for it the ring `city` is the whole centre.

*Bands.* The levels of a skill are cut at the limits that ladders name: with limits 2 and 9 an agent of level 1 stands in band
2, one of level 5 in band 9. A stage that takes up to level 2 looks at one head, one that takes all at two; without ladders
there is one band.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from router.core.commands import QueueRule, Rules, Stage
from router.core.policy import POLICIES, WORST, Order

ANY = "*"  # the ring of all seats
OWN = -1  # the rung of a call that waits for its own agent


@dataclass(frozen=True, slots=True)
class Rung:
    """A stage as lines and pools know it. `line`: its name for the ring of all; for a city, what the city's name is put behind."""

    after_ms: int
    skill: str
    level: int
    ring: str
    by_city: bool
    nation: bool
    line: str


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """A queue, ready to use. `timed`: its calls have timers; `skills`: who has one of them serves it."""

    rule: QueueRule
    order: Order
    rungs: tuple[Rung, ...]
    vip_rungs: tuple[Rung, ...]
    skills: frozenset[str]
    timed: bool
    nation: bool

    def ladder(self, vip: int) -> tuple[Rung, ...]:
        """The rungs of a call."""
        return self.vip_rungs if vip else self.rungs


@dataclass(frozen=True, slots=True)
class Layout:
    """How ready agents of a skill stand: in which orders, cut at which levels, by city as well or not."""

    orders: tuple[str, ...] = (Order.SKILL,)
    bands: tuple[int, ...] = (WORST,)
    by_city: bool = False
    names: tuple[tuple[tuple[str, str], ...], ...] = ()  # by level (0 is none): order, and pool but for its ring


@dataclass(frozen=True, slots=True)
class Read:
    """A class line that agents of a skill look at: up to this level; by_city: that of their own city."""

    line: str
    level: int
    by_city: bool


def layout(
    skill: str, orders: tuple[str, ...] = (Order.SKILL,), bands: tuple[int, ...] = (WORST,), by_city: bool = False
) -> Layout:
    """Of a skill; without more words that of one that no queue asks for."""
    over = [next(b for b in bands if b >= level) for level in range(1, WORST + 1)]
    names = tuple(tuple((order, f"{order}:{skill}:{band}:") for order in orders) for band in over)
    return Layout(orders, bands, by_city, ((), *names))


@dataclass(frozen=True, slots=True)
class Plan:
    """All queues, also those that are gone and only answered still."""

    queues: dict[str, QueuePlan] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)  # by skill
    reads: dict[str, tuple[Read, ...]] = field(default_factory=dict)  # by skill
    rivals: dict[str, tuple[str, ...]] = field(default_factory=dict)  # queue -> other queues of the same skill
    cities: dict[str, str] = field(default_factory=dict)  # agent -> city
    seated: frozenset[str] = frozenset()  # cities with seats
    weights: dict[str, int] = field(default_factory=dict)
    worth_ms: int = 120_000
    own: bool = False  # some queue lets calls wait for their own agent

    def layout(self, skill: str) -> Layout:
        """Also of a skill that no queue asks for."""
        return self.layouts.get(skill) or layout(skill)


def _rung(queue: str, stage: Stage, skill: str) -> Rung:
    named, level, by_city = stage.skill or skill, min(stage.level, WORST), stage.ring == "city"
    line = f"{queue}:{named}:{level}:" + ("" if by_city else ANY)
    return Rung(stage.after_ms, named, level, stage.ring, by_city, stage.ring == "nation", line)


def _queue(q: QueueRule) -> QueuePlan:
    rungs = tuple(_rung(q.id, s, q.skill) for s in q.stages or (Stage(0, q.skill),))
    vip_rungs = tuple(_rung(q.id, s, q.skill) for s in q.vip_stages) or rungs
    both = (*rungs, *vip_rungs)
    timed = len(rungs) > 1 or len(vip_rungs) > 1 or q.own_ms > 0 or q.max_wait_ms > 0
    nation = any(r.nation for r in both)
    return QueuePlan(q, POLICIES[q.policy], rungs, vip_rungs, frozenset({q.skill, *(r.skill for r in both)}), timed, nation)


def _layout(skill: str, queues: Iterable[QueuePlan]) -> Layout:
    asked = [(q.order, r) for q in queues for r in (*q.rungs, *q.vip_rungs) if r.skill == skill]
    orders = tuple(sorted({order for order, _ in asked})) or (Order.SKILL,)
    bands = tuple(sorted({r.level for _, r in asked} | {WORST}))
    return layout(skill, orders, bands, any(r.by_city for _, r in asked))


def _reads(skill: str, queues: Iterable[QueuePlan]) -> tuple[Read, ...]:
    found = {Read(r.line, r.level, r.by_city) for q in queues for r in (*q.rungs, *q.vip_rungs) if r.skill == skill}
    # A city's line may turn out to be the centre's, for calls of a city without seats.
    found |= {Read(r.line + ANY, r.level, False) for r in found if r.by_city}
    return tuple(sorted(found, key=lambda r: (r.line, r.by_city)))


def compiled(rules: Rules, gone: Iterable[QueueRule] = ()) -> Plan:
    """Of rules and of queues that are in them no more."""
    queues = {q.id: _queue(q) for q in (*rules.queues, *gone)}
    skills = sorted({s for q in queues.values() for s in q.skills})
    cities = dict(rules.cities)
    same = {skill: [q.rule.id for q in queues.values() if q.rule.skill == skill] for skill in skills}
    return Plan(
        queues,
        {skill: _layout(skill, queues.values()) for skill in skills},
        {skill: _reads(skill, queues.values()) for skill in skills},
        {q: tuple(sorted(set(same[plan.rule.skill]) - {q})) for q, plan in queues.items()},
        cities,
        frozenset(cities.values()),
        dict(rules.weights),
        rules.priority_worth_ms,
        any(q.rule.own_ms > 0 for q in queues.values()),
    )
