"""Clocks of centres that are wrong: in virtual time, and the arithmetic alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tierline.federation.v1 import federation_pb2 as pb

from ops.facts import Fact
from router.federation import skew
from router.federation.reconcile import differences, flow
from tests.kit import chance
from tests.router.federation.world import NATION, Call, Country

APART = (-30_000, -2_500, -900, 0, 900, 2_500, 30_000)
CLOCKS = st.fixed_dictionaries({name: st.sampled_from(APART) for name in ("hubei", "hunan", NATION)})
DEEP = settings(max_examples=chance.examples(8), deadline=None)


def talk_ms(facts: list[Fact], call: Call) -> list[int]:
    return [f.body["talk_ms"] for f in facts if f.call == call.id and f.kind == "agent_released"]


@DEEP
@given(clocks=CLOCKS, by_seat=st.booleans())
def test_a_call_is_placed_and_told_alike_whatever_the_clocks_say(clocks: dict[str, int], by_seat: bool) -> None:
    """With any clock half a minute wrong a call is answered elsewhere at once, its agent is free after it, both ends agree."""
    country = Country("hubei", "hunan", skew=clocks)
    country["hunan"].agent("li")
    country.wait(300)
    call = country["hubei"].enqueue()
    country.wait(2_500)
    assert ".p" in call.talks
    country.wait(20_000)
    if by_seat:
        country["hunan"].seat_hangs_up(call.talks)
    else:
        country["hubei"].hang_up(call)
    country.wait(5_000)
    assert country["hunan"].store.desk.agents["li"].state == "ready"
    assert differences(country["hubei"].facts, country["hunan"].facts) == []
    assert all(abs(ms - 21_000) < 2_500 for name in ("hubei", "hunan") for ms in talk_ms(country[name].facts, call))
    out, taken = flow(country["hubei"].facts), flow(country["hunan"].facts)
    assert (out.out, taken.taken) == (1, 1)
    country.close()


@DEEP
@given(clocks=CLOCKS)
def test_a_reservation_lasts_no_longer_than_its_ring_whatever_the_clocks_say(clocks: dict[str, int]) -> None:
    """The home is cut off once a seat there is reserved, nobody dials: the agent is free after ring time and grace."""
    country = Country("hubei", "hunan", skew=clocks)
    country["hunan"].answers = None
    country["hunan"].agent("li")
    country.wait(300)
    country["hubei"].enqueue()
    country.wait(1_100)
    assert country["hunan"].busy() == ["li"]
    country.cut("hubei")
    country.apart.add(("hubei", "hunan"))
    country.wait(7_000)
    assert country["hunan"].busy() == ["li"], "as long as the home may ring"
    country.wait(5_500)
    assert country["hunan"].store.desk.agents["li"].state == "ready"
    country.close()


@pytest.mark.parametrize(
    ("until", "at", "now", "ours"),
    [
        (8_000, 0, 1_000, 8_000),
        (38_000, 30_000, 1_000, 9_000),
        (8_000, 0, 9_000, 9_000),
        (2**64 - 1, 0, 1_000, 1_000 + skew.LONGEST_MS),
        (2**64 - 1, 1, 1_000, 1_000 + skew.LONGEST_MS),
        (0, 2**64 - 1, 1_000, 1_000),
    ],
)
def test_a_deadline_of_another_clock(until: int, at: int, now: int, ours: int) -> None:
    """The distance counts; one that is over is now, and none is further away than the longest ring."""
    assert skew.deadline(until, at, now) == ours


@pytest.mark.parametrize(
    ("ms", "at", "now", "ours"),
    [
        (100_000, 0, 101_000, 100_000),
        (100_000, 100_500, 101_000, 100_000),
        (100_000, 100_500, 131_000, 130_500),
        (130_000, 130_500, 101_000, 100_500),
        (0, 0, 101_000, 101_000),
        (2**64 - 1, 0, 101_000, 101_000),
        (1, 2**64 - 1, 101_000, 101_000),
    ],
)
def test_a_moment_of_another_clock(ms: int, at: int, now: int, ours: int) -> None:
    """Clocks that agree name it by the same number; else the distance counts; nonsense is now."""
    assert skew.past(ms, at, now) == ours


def test_clocks_that_are_apart_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """A centre whose clock differs from the nation's by more than two seconds says so in its log when the link opens."""

    country = Country("hubei", "hunan", skew={"hubei": 30_000})
    for name in ("hubei", "hunan"):
        said = pb.ToCentre(welcome=pb.Welcome(centre=NATION, now_ms=country.nation.clock.now_ms()))
        country[name].traffic.frame(NATION, said)
    assert Counter(getattr(r, "ahead_ms", None) for r in caplog.records if "clocks" in r.message) == {-30_000: 1}
    country.close()
