"""The engine: every caller ends once, no agent has two calls, the same seed gives the same day, whatever breaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.centre import Rung
from ops.facts import Fact
from router.core.agent import AgentState
from router.sim.erlang import erlang_a
from router.sim.scenario import Crew, Load, Network, Outage, Scenario, Seats, Site, Spread
from router.sim.traffic import generate
from router.sim.world import World
from tests.sim.kit import NATION, Ran, Small, ran, rules

AT_REST = (AgentState.READY, AgentState.LOGGED_OUT, AgentState.NOT_READY)


def spans(facts: list[Fact]) -> dict[str, list[tuple[int, int]]]:
    """Agent -> times of its talks, as the centre that the agent belongs to wrote them."""
    begun: dict[tuple[str, str], int] = {}
    found: dict[str, list[tuple[int, int]]] = {}
    for fact in facts:
        if "@" in fact.agent:
            continue
        if fact.kind in ("bridged", "callback_dialled"):
            begun.setdefault((fact.agent, fact.call), fact.at_ms)
        elif fact.kind == "agent_released":
            found.setdefault(fact.agent, []).append((begun.pop((fact.agent, fact.call)), fact.at_ms))
    assert begun == {}, "talks without an end"
    return found


def check(one: Ran) -> None:
    """What holds at the end of each day."""
    total = one.tally.total()
    assert total.offered == total.answered + total.abandoned + total.turned_away + total.callbacks
    assert total.reached <= total.callbacks
    for times in spans(one.facts).values():
        times.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(times)), "an agent had two calls"
    for site in one.world.sites:
        desk = site.desk
        assert not site.callers
        assert {a.state for a in desk.agents.values()} <= set(AT_REST)
        assert not any(len(line) for line in (*desk.wait.values(), *desk.lines.values()))
        assert not any(desk.talking.values()) and not any(desk.lent.values()) and not desk.away
        kinds = {member[0] for _, member in desk.due}
        assert kinds <= {"n", "s"}, "a timer of a call is left"


def told(one: Ran) -> Counter[str]:
    """Outcomes as the ledger's facts have them, at home only."""
    found: Counter[str] = Counter()
    guests = {(f.call, f.source) for f in one.facts if f.kind == "placed" and f.body.get("home")}
    for fact in one.facts:
        if (fact.call, fact.source) not in guests and fact.kind in ("enqueued", "bridged", "left_queue", "turned_away"):
            found[fact.kind] += 1
    return found


def test_a_line_follows_the_formula() -> None:
    """5 erlang, 5 agents, patience as long as handling: abandonment and wait are Erlang A's within a few per cent."""
    small = Small((5,), (5,), 60, 60, hours=100)
    total = ran(small, rules()).tally.total()
    wanted = erlang_a(5, 5, 60, 60)
    assert total.abandonment == pytest.approx(100 * wanted.abandoned, rel=0.04)
    assert total.all_s == pytest.approx(wanted.wait_s, rel=0.04)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=3),
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.sampled_from(["none", "at-once", "later", "dear", "limited"]),
    st.sampled_from(["", "seats", "link", "both"]),
    st.integers(0, 3000),
    st.integers(0, 200),
    st.sampled_from([0, 600]),
    st.integers(0, 10_000),
)
def test_every_day_ends_whole(
    erlang: list[int], agents: list[int], way: str, broken: str, answer_ms: int, missed: int, back: int, seed: int
) -> None:
    """Over random countries, rules, outages and careless agents: each caller ends once, no agent has two calls, nothing is left
    over, and the facts count what the callers lived through."""
    ways = {
        "none": rules(after_s=5),
        "at-once": rules(*NATION),
        "later": rules(Rung(0, "city"), Rung(3), Rung(6, "nation"), after_s=3, callback_from_s=4),
        "dear": rules(*NATION, penalty_ms=8000, own_agent_s=5, callback_from_s=1),
        "limited": rules(Rung(0), Rung(2, "nation"), max_waiting=3, max_wait_s=20),
    }
    outage = [Outage("p1", what, "00:03", "00:08") for what in ("seats", "link") if broken in (what, "both")]
    counts = tuple(agents[: len(erlang)])
    small = Small(tuple(erlang), counts, 30, 20, Seats(answer_ms, missed, 30), tuple(outage), Network(40, 100), 1, 15, back)
    one = ran(small, ways[way], seed)
    check(one)
    facts, total = told(one), one.tally.total()
    assert facts["bridged"] == total.answered + total.reached
    assert facts["enqueued"] + facts["turned_away"] >= total.offered


def test_who_is_called_back_keeps_the_place_and_leaves_the_line() -> None:
    """Who asked is neither answered nor abandoned, and as four in five tries reach them nearly all are in three; they are served in
    the place of others, not besides them. Nobody asks where the queue does not tell of it."""
    asking = Small((10,), (5,), minutes=40, callbacks=500)
    alone, one = ran(asking, rules(after_s=3)), ran(asking, rules(after_s=3, callback_from_s=10))
    check(one)
    total, without = one.tally.total(), alone.tally.total()
    assert without.callbacks == 0
    assert total.offered == without.offered
    assert total.callbacks > 100
    assert total.answered + total.reached == pytest.approx(without.answered, rel=0.1)
    assert 0.95 * total.callbacks < total.reached <= total.callbacks
    assert total.unserved == pytest.approx(100 * (total.offered - total.answered - total.reached) / total.offered)
    assert total.back_s > 20
    kinds = Counter(fact.kind for fact in one.facts)
    assert kinds["callback_dialled"] == total.reached + kinds["callback_failed"]
    assert kinds["callback_asked"] == total.callbacks


def test_nobody_calls_back_after_the_last_shift() -> None:
    """Callbacks that are left when everybody has gone home for good are not reached, and the day ends."""
    load = Load("q", calls_per_hour=600, handling=Spread(60), patience=Spread(60), callback_per_mille=900)
    scenario = Scenario("x", (Site("p", 1, (load,), (Crew(3, {"s": 1}, "00:00", "00:30"),)),), hours=1)
    total = World(scenario, rules(callback_from_s=5)).run(generate(scenario, 1, 3600)).total()
    assert total.offered == total.answered + total.abandoned + total.callbacks
    assert total.reached < total.callbacks


def test_the_same_seed_gives_the_same_day() -> None:
    """Two runs write the same facts; another seed others."""
    one, two, other = (ran(Small(hours=1), rules(*NATION), seed) for seed in (1, 1, 2))
    assert one.facts == two.facts
    assert one.tally == two.tally
    assert one.facts != other.facts


def test_callers_of_a_site_without_agents_are_answered_elsewhere() -> None:
    """A province whose agents are gone loses nobody while the nation helps, and everybody while it does not."""
    small = Small((3, 2), (5, 5), outage=(Outage("p1", "seats", "00:20", "00:40"),))
    alone, helped = ran(small, rules()), ran(small, rules(*NATION))
    during = [(minute * 60_000) // 900_000 for minute in (30,)]
    assert helped.tally.sites[0].away > 10
    assert alone.tally.sites[0].abandoned > 20
    assert helped.tally.sites[0].abandoned < alone.tally.sites[0].abandoned / 4
    assert helped.tally.periods[during[0]].answered > alone.tally.periods[during[0]].answered
    check(alone)
    check(helped)


def test_a_province_goes_on_alone_without_the_link_and_joins_again() -> None:
    """While the link is down nobody of it is answered away; before and afterwards some are."""
    small = Small((6, 1), (5, 8), outage=(Outage("*", "link", "00:20", "00:40"),), hours=1)
    one = ran(small, rules(*NATION))
    check(one)
    away = [f.at_ms - one.world.start_ms for f in one.facts if f.kind == "bridged" and "@" in f.agent]
    cut = [at for at in away if 20 * 60_000 + 1000 < at <= 40 * 60_000]
    assert cut == []
    assert min(away) < 20 * 60_000
    assert max(away) > 40 * 60_000


def test_a_missed_offer_costs_the_agent_the_turn_not_the_caller_the_call() -> None:
    """With one in five offers missed, offers fail and agents pause, at home and elsewhere, and still every day ends whole."""
    one = ran(Small((5, 2), (4, 4), seats=Seats(1000, 200, 20)), rules(*NATION, ring_s=8))
    check(one)
    failed = [f for f in one.facts if f.kind == "offer_failed" and f.body.get("reason") == "REASON_NO_ANSWER"]
    assert one.tally.missed > 10
    assert {"@" in f.agent for f in failed} == {True, False}


def test_no_rule_beats_the_pool_and_none_is_worse_than_no_overflow() -> None:
    """Abandonment: one pool and overflow at once (alike but for chance) < after a delay < none; nobody is away without overflow."""
    small = Small((4, 4, 4), (5, 5, 5), hours=6)
    late = rules(Rung(0), Rung(8, "nation"))
    ways = {"pool": replace(rules(), one_pool=True), "now": rules(*NATION), "late": late, "none": rules()}
    totals = {name: ran(small, way).tally.total() for name, way in ways.items()}
    assert totals["pool"].abandonment < totals["now"].abandonment * 1.05
    assert totals["now"].abandonment < totals["late"].abandonment < totals["none"].abandonment
    assert totals["none"].away == 0 < totals["pool"].away < totals["pool"].answered / 2


def test_shifts_and_pauses_are_kept() -> None:
    """Nobody is answered outside of the crew's hours, and the pause of the only agent is a gap."""
    crew = Crew(1, {"s": 1}, "08:00", "10:00", pause_s=1200)
    load = Load("q", calls_per_hour=120, handling=Spread(10), patience=Spread(5))
    scenario = Scenario("x", (Site("p", 1, (load,), (crew,)),), hours=12)
    facts: list[Fact] = []
    World(scenario, rules(), facts.extend).run(generate(scenario, 1, 12 * 3600))
    bridged = sorted(f.at_ms % 86_400_000 / 3_600_000 for f in facts if f.kind == "bridged")
    assert bridged[0] >= 8
    assert bridged[-1] <= 10
    assert max(b - a for a, b in pairwise(bridged)) > 1200 / 3600
