"""Orders and scores: what comes first, and that the numbers are exact."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import config_checks
from router.core.policy import POLICIES, SPAN, Order, agent_score, call_score, draw, vip_priority

TIME = st.integers(1_500_000_000_000, 9_999_999_999_999)
PRIORITY = st.integers(0, 99)
WORTH = st.integers(1_000, 86_400_000)


@given(PRIORITY, PRIORITY, TIME, TIME, WORTH)
def test_a_point_of_priority_is_worth_its_time(p: int, q: int, t: int, u: int, worth: int) -> None:
    """Who comes first is decided by the time of entering less the worth of the priority; exact and positive in a double."""
    a, b = call_score(p, t, worth), call_score(q, u, worth)
    assert (a < b) == (t - p * worth < u - q * worth)
    assert float(a) == a < 2**53 and a > 0


@given(PRIORITY, PRIORITY, TIME, WORTH)
def test_nobody_starves(p: int, q: int, t: int, worth: int) -> None:
    """Whoever has waited 99 points' worth comes before all who enter now, whatever their priority."""
    assert call_score(p, t, worth) < call_score(q, t + 99 * worth + 1, worth)


@given(st.integers(1, 9), st.integers(1, 9), TIME, TIME)
def test_best_level_then_longest_idle(a: int, b: int, t: int, u: int) -> None:
    """The order of `highest_skill`."""
    assert (agent_score(Order.SKILL, a, t, 0, 0, 0) < agent_score(Order.SKILL, b, u, 0, 0, 0)) == ((a, t) < (b, u))


@given(TIME, TIME, st.integers(0, 5000), st.integers(0, 5000))
def test_fewest_calls_then_longest_idle(t: int, u: int, a: int, b: int) -> None:
    """The order of `fewest_calls`, exact beyond any day's number of calls."""
    scores = [agent_score(Order.FEWEST, 1, at, took, 0, 0) for at, took in ((t, a), (u, b))]
    if a != b or t // 10**12 == u // 10**12:
        assert (scores[0] < scores[1]) == ((a, t) < (b, u))
    assert all(float(score) == score < 2**53 for score in scores)


def test_longest_average_idle() -> None:
    """Who has no idle period yet comes first, the longest idle of them; then the longest mean, whatever the level."""
    idled = [(TIME_0 + 5, 0, 0), (TIME_0, 0, 0), (TIME_0, 2, 90_000), (TIME_0, 3, 90_000)]
    scores = [agent_score(Order.MEAN_IDLE, n, idle, 9, idles, total) for n, (idle, idles, total) in enumerate(idled, 1)]
    assert sorted(range(4), key=scores.__getitem__) == [1, 0, 2, 3]


TIME_0 = 1_760_000_000_000


def test_longest_idle_knows_no_level() -> None:
    """The order of `longest_idle` is the time alone."""
    assert agent_score(Order.IDLE, 9, 5, 0, 0, 0) < agent_score(Order.IDLE, 1, 6, 0, 0, 0)


def test_every_order_has_a_policy() -> None:
    """Each policy names an order, each order has a policy."""
    assert set(POLICIES.values()) == set(Order)


def test_the_configuration_knows_the_same_policies() -> None:
    """`ops` may not import the router, so its check of a file names them once more."""
    assert set(config_checks.POLICIES) == set(POLICIES)


def test_vip_adds_ten_a_level() -> None:
    """And never more than the highest priority."""
    assert [vip_priority(p, v) for p, v in ((0, 0), (5, 2), (95, 1), (99, 9))] == [0, 25, 99, 99]


def test_lots_are_exponential() -> None:
    """Ten thousand lots have mean 1, variance 1 and e^-1 of them beyond 1, each within four standard errors."""
    lots = [draw(f"a{n}|pool|{n}") for n in range(10_000)]
    mean = sum(lots) / len(lots)
    assert mean == pytest.approx(1, abs=0.04)
    assert sum((x - mean) ** 2 for x in lots) / len(lots) == pytest.approx(1, abs=0.12)
    assert sum(x > 1 for x in lots) / len(lots) == pytest.approx(math.exp(-1), abs=0.02)
    assert SPAN == 10**13
