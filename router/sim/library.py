"""Scenarios that have a name. Their figures stand in docs/routing.md.

national: the acceptance case of overflow, 31 equal sites; country: a day of 2 million calls; erlang: one line against the
formulas; fairness: 100 equal agents under each policy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ops.centre import Queue, Rung, Shares
from ops.rulebook import RuleBook
from router.sim.scenario import Crew, Load, RuleSet, Scenario, Seats, Site, Spread

SKILL = "hotline"
DELAYS = (2, 5, 10, 15)
PENALTIES = (5, 7, 9, 12, 15, 20, 30)  # s a call must win by leaving home: the curve of the predicted wait
# A hotline's day (share of each hour): quiet nights, a peak before noon, a second one in the afternoon.
OFFICE = (12, 8, 6, 5, 6, 10, 22, 48, 86, 108, 112, 96, 70, 78, 96, 98, 90, 74, 58, 50, 46, 38, 28, 18)
POLICIES = ("longest_idle", "longest_average_idle", "fewest_calls", "weighted_random", "highest_skill")


@dataclass(frozen=True, slots=True)
class Plan:
    """One line of the result: a case under a rule."""

    case: str
    rule: str
    scenario: Scenario
    rules: RuleSet
    calls: int | None  # count so many, then stop; None: until the scenario's hours are over
    seed: int = 1


def rules(ladder: tuple[Rung, ...] = (), penalty_s: int = 0, policy: str = "longest_idle", after_call_s: int = 0) -> RuleSet:
    """One queue for all, and what leaving home costs."""
    only = Queue(SKILL, SKILL, after_call_s=after_call_s, policy=policy, ladder=ladder)
    return RuleSet(RuleBook(queue=(only,), shares=Shares(penalty_ms=penalty_s * 1000)))


def overflow_rules() -> dict[str, RuleSet]:
    """The rules that are compared: who may answer a call when."""
    home, nation = Rung(0, "centre"), Rung(0, "nation")
    found = {
        "pool": replace(rules(), one_pool=True),
        "none": rules((home,)),
        "at-once": rules((nation,)),
    }
    found |= {f"delay-{s}": rules((home, Rung(s, "nation"))) for s in DELAYS}
    return found | {f"expected-{s}": rules((nation,), s) for s in PENALTIES}


def national_cases() -> dict[str, Scenario]:
    """31 sites, 20 erlang each, handling 240 s, patience 120 s."""

    def site(name: str, count: int, erlang: int, agents: int) -> Site:
        return Site(name, count, (Load(SKILL, erlang=erlang),), (Crew(agents, {SKILL: 1}),))

    even = Scenario("national", (site("p", 31, 20, 22),), warmup_s=3600)
    return {
        "22": even,
        "22-hot": replace(even, site=(site("hot", 1, 40, 22), site("p", 30, 20, 22)), hot=("hot",)),
        "20": replace(even, site=(site("p", 31, 20, 20),)),
    }


def national() -> list[Plan]:
    """Each case under each rule, a million calls."""
    return [
        Plan(case, rule, scenario, one, 1_000_000)
        for case, scenario in national_cases().items()
        for rule, one in overflow_rules().items()
    ]


def country() -> list[Plan]:
    """A day: 31 provinces, 10,013 agents in six shifts, 2 million calls, after-call work, offers missed."""
    talk, patience = Spread(90, "lognormal", 110), Spread(120, "lognormal", 100)
    load = Load(SKILL, calls_per_hour=2688, curve=OFFICE, handling=talk, patience=patience)
    crews = (
        (26, "00:00", "08:00", 0, "night"),
        (40, "06:00", "14:30", 1800, "early"),
        (90, "07:00", "15:30", 1800, "morning"),
        (60, "09:00", "17:30", 1800, "day"),
        (32, "12:00", "20:30", 1800, "noon"),
        (75, "15:30", "24:00", 1800, "late"),
    )
    shifts = tuple(Crew(n, {SKILL: 1}, start, end, pause_s=pause, seat=name) for n, start, end, pause, name in crews)
    scenario = Scenario("country", (Site("p", 31, (load,), shifts),), seats=Seats(2000, 5, 60))
    ways = {"none": rules(after_call_s=10), "expected-5": rules((Rung(0, "nation"),), 5, after_call_s=10)}
    return [Plan("country", name, scenario, one, None) for name, one in ways.items()]


def fairness() -> list[Plan]:
    """100 equal agents at a quarter of their load, 5,000 calls: how even are the calls shared out? Where talks differ, who has the
    longer ones has fewer of them under all policies but `fewest_calls`."""
    plans = []
    for case, shape in (("equal talks", "fixed"), ("random talks", "exponential")):
        load = Load(SKILL, erlang=25, handling=Spread(240, shape))
        scenario = Scenario("fairness", (Site("a", 1, (load,), (Crew(100, {SKILL: 1}),)),))
        plans += [Plan(case, policy, scenario, rules(policy=policy), 5_000) for policy in POLICIES]
    return plans


def erlang() -> list[Plan]:
    """One line with equal agents. The first is the case published for Erlang A: 48 calls a minute, 1 minute, patience 2 minutes."""
    cases = {
        "48x60s/50 agents/120s": (48, 60, 50, 120),
        "20 erlang/22 agents/120s": (20, 240, 22, 120),
        "20 erlang/20 agents/120s": (20, 240, 20, 120),
        "100 erlang/90 agents/60s": (100, 180, 90, 60),
        "17 erlang/20 agents/no end": (17, 120, 20, 0),
        "80 erlang/90 agents/no end": (80, 180, 90, 0),
    }
    return [_line(name, *what) for name, what in cases.items()]


def _line(name: str, erlang: int, handling_s: int, agents: int, patience_s: int) -> Plan:
    load = Load(SKILL, erlang=erlang, handling=Spread(handling_s), patience=Spread(patience_s or 10**7, "exponential"))
    site = Site("a", 1, (load,), (Crew(agents, {SKILL: 1}),))
    return Plan(name, "none", Scenario("erlang", (site,), warmup_s=3600), rules(), 1_000_000)


NAMES = {"national": national, "country": country, "fairness": fairness, "erlang": erlang}
