"""Callers, rosters and the agenda: what chance and the clock bring."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, stdev

import numpy as np
import pytest

from router.sim.agenda import Agenda
from router.sim.roster import FOREVER_MS, at_work, rostered
from router.sim.scenario import Crew, Load, Scenario, Site, Spread, clock_ms, expanded
from router.sim.traffic import draw, generate, rate

DAY = 86_400


def scenario(load: Load, count: int = 1, hours: int = 24) -> Scenario:
    return Scenario("x", (Site("p", count, (load,), (Crew(2, {"s": 1}),)),), hours=hours)


def test_the_agenda_keeps_the_order() -> None:
    """Events come by time, those of one millisecond as they were entered, and may enter more."""
    agenda, seen = Agenda(100), list[str]()
    agenda.at(120, seen.append, "c")
    agenda.at(110, seen.append, "a")
    agenda.at(110, lambda: agenda.at(110, seen.append, "b"))
    agenda.run(119)
    assert (seen, agenda.now, agenda.next_ms()) == (["a", "b"], 119, 120)


def test_the_same_seed_brings_the_same_callers() -> None:
    """Drawn twice they are equal; another seed brings others."""
    one = scenario(Load("q", calls_per_hour=100, cities={"a": 3, "b": 1}, customers=50, vip_per_mille=100), 3)
    assert list(generate(one, 7, DAY)) == list(generate(one, 7, DAY))
    assert list(generate(one, 7, DAY)) != list(generate(one, 8, DAY))


def test_callers_come_in_order_and_as_many_as_told() -> None:
    """100 an hour for a day at three sites: 7,200, give or take four standard deviations, in the order of time."""
    found = list(generate(scenario(Load("q", calls_per_hour=100), 3), 1, DAY))
    assert abs(len(found) - 7200) < 4 * 85
    assert [a.at_ms for a in found] == sorted(a.at_ms for a in found)
    assert {a.site for a in found} == {0, 1, 2}
    assert fmean(a.handling_ms for a in found) == pytest.approx(240_000, rel=0.06)


def test_gaps_are_those_of_a_poisson_stream() -> None:
    """The standard deviation of the gaps equals their mean."""
    found = [a.at_ms for a in generate(scenario(Load("q", calls_per_hour=1000)), 3, DAY)]
    gaps = [b - a for a, b in pairwise(found)]
    assert stdev(gaps) == pytest.approx(fmean(gaps), rel=0.05)


def test_a_curve_moves_calls_and_makes_none() -> None:
    """Half days of weight 1 and 3: the mean stays, three quarters come in the second half."""
    load = Load("q", calls_per_hour=100, curve=(1, 3))
    assert rate(load, 0, DAY) == pytest.approx(2400)
    assert rate(load, DAY / 2, DAY) == pytest.approx(1800)
    assert rate(load, DAY / 4, 3 * DAY / 4) == pytest.approx(1200)
    assert rate(load, DAY * 1.5, DAY * 2) == pytest.approx(1800)


@pytest.mark.parametrize(("shape", "wanted"), [("exponential", 60_000), ("lognormal", 30_000), ("fixed", 0)])
def test_times_have_the_mean_and_spread_that_were_asked_for(shape: str, wanted: int) -> None:
    """Mean 60 s in all shapes; the deviation is the shape's."""
    found = draw(np.random.default_rng(1), Spread(60, shape, 50), 200_000)
    assert float(found.mean()) == pytest.approx(60_000, rel=0.01)
    assert float(found.std()) == pytest.approx(wanted, rel=0.02, abs=1)


def test_shifts_become_spans_with_a_pause() -> None:
    """A day shift over two days, a night shift that began the day before, and a crew that is always there."""
    crews = (
        Crew(1, {"s": 1}, "08:00", "16:00", pause_s=1800, seat="day"),
        Crew(1, {"s": 1}, "22:00", "06:00", seat="night"),
        Crew(1, {"s": 1}, seat="all"),
    )
    by = {one.id: one for one in rostered(Scenario("x", (Site("p", crew=crews),), hours=48))}
    hour = 3_600_000
    assert by["p.day-01"].spans == ((8 * hour, 16 * hour), (32 * hour, 40 * hour), (56 * hour, 64 * hour))
    assert by["p.night-01"].spans[:2] == ((0, 6 * hour), (22 * hour, 30 * hour))
    assert by["p.all-01"].spans == ((0, FOREVER_MS),)
    assert all(8 * hour < at < 16 * hour - length for at, length in by["p.day-01"].pauses[:1])


def test_who_is_at_work_is_known_of_each_minute() -> None:
    """Before the shift, in it, while one of two has the pause, and after it."""
    agents = rostered(Scenario("x", (Site("p", crew=(Crew(2, {"s": 1}, "08:00", "16:00", pause_s=1800),)),)))
    first = agents[0].pauses[0][0]
    assert [at_work(agents, at) for at in (0, 8 * 3_600_000, first, 16 * 3_600_000)] == [0, 2, 1, 0]


def test_names_and_times_are_as_written() -> None:
    """Equal sites are numbered; times of the day go up to 24:00 and no further."""
    assert [name for name, _ in expanded((Site("a"), Site("p", 2)))] == ["a", "p01", "p02"]
    assert clock_ms("24:00") == DAY * 1000
    for wrong in ("24:01", "x", "-1:00"):
        with pytest.raises(ValueError, match=r"is no|invalid"):
            clock_ms(wrong)
