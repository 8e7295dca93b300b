"""The formulas against published numbers and against each other."""

from __future__ import annotations

import pytest

from router.sim.erlang import erlang_a, erlang_b, erlang_c, erlang_c_within


def test_erlang_b_is_as_the_tables_have_it() -> None:
    """20 erlang on 22 lines lose 11.3..., 10 on 10 lose 21.46 % (any traffic table)."""
    assert erlang_b(10, 10) == pytest.approx(0.21458, abs=5e-6)
    assert erlang_b(1, 1) == pytest.approx(0.5)


def test_erlang_c_is_as_the_tables_have_it() -> None:
    """10 erlang and 12 agents: 44.9 % wait; the mean of those is handling / (agents - load)."""
    line = erlang_c(10, 12, 180)
    assert line.wait_share == pytest.approx(0.4494, abs=5e-5)
    assert line.wait_s == pytest.approx(line.wait_share * 180 / 2)
    assert erlang_c_within(10, 12, 180, 0) == pytest.approx(1 - line.wait_share)


def test_erlang_a_has_the_published_case() -> None:
    """48 calls a minute, 1 minute, mean patience 2 minutes, 50 agents: 3.1 % give up, 3.7 s mean wait."""
    line = erlang_a(48, 50, 60, 120)
    assert 100 * line.abandoned == pytest.approx(3.1, abs=0.05)
    assert line.wait_s == pytest.approx(3.7, abs=0.05)


def test_erlang_a_without_end_of_patience_is_erlang_c() -> None:
    """The more patient the callers, the nearer the two formulas."""
    assert erlang_a(17, 20, 120, 10**9).wait_s == pytest.approx(erlang_c(17, 20, 120).wait_s, rel=1e-5)


def test_erlang_a_holds_littles_law() -> None:
    """Callers in line = arrivals x mean wait; those who give up = callers in line / mean patience."""
    line = erlang_a(100, 90, 180, 60)
    assert line.waiting == pytest.approx(100 / 180 * line.wait_s)
    assert line.abandoned == pytest.approx(line.waiting / 60 / (100 / 180))


def test_what_cannot_be_is_refused() -> None:
    """More load than agents without anybody giving up, and no load at all."""
    with pytest.raises(ValueError, match="more agents"):
        erlang_c(20, 20, 60)
    with pytest.raises(ValueError, match="above 0"):
        erlang_b(0, 5)
    with pytest.raises(ValueError, match="patience"):
        erlang_a(5, 5, 60, 0)
