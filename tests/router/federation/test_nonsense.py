"""What other centres may say that makes no sense: it breaks nothing, and nobody stays reserved by it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tierline.federation.v1 import federation_pb2 as pb

from router.core.remote import HomeState
from router.federation import gate, skew
from router.federation.national import National
from tests.kit import chance
from tests.router.federation.nonsense import frames
from tests.router.federation.world import NATION, Country

CENTRES = ("hubei", "hunan", "anhui")
WORDS = (*CENTRES, NATION, "sales", "hubei-1.p1", "hubei-1", "li", "", "x.p1", "x.p99999999999999999999", "a b.p2")
DEEP = settings(max_examples=chance.examples(12), deadline=None)


@DEEP
@given(said=st.lists(st.tuples(st.sampled_from(CENTRES), frames(pb.FromCentre, WORDS)), max_size=12), ms=st.integers(0, 20_000))
def test_the_national_router_takes_any_frame(said: list[tuple[str, pb.FromCentre]], ms: int) -> None:
    """Whatever centres say, in any order: no exception, and frames go to centres that are there."""
    nation, now = National({}), 1_760_000_000_000
    for name in CENTRES:
        nation.joined(name)
    for centre, frame in said:
        with contextlib.suppress(gate.Refused):
            gate.sense(frame)
            out = nation.take(centre, frame, now)
            assert {to for to, _ in out} <= set(CENTRES) | {""}
        now += ms
        nation.tick(now)
    nation.tick(now + 60_000)
    assert nation.open == 0 and nation.idle


@DEEP
@given(said=st.lists(frames(pb.ToCentre, WORDS), max_size=8), ms=st.sampled_from([1, 900, 4_000]))
def test_a_centre_takes_any_frame(said: list[pb.ToCentre], ms: int) -> None:
    """Whatever the nation says to a centre: in the end the caller who waits was served, and the agent is free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skew, "LONGEST_MS", 12_000)  # so that what a wrong deadline keeps is seen in less time
        _told_nonsense(said, ms)


def _about(country: Country, call: str, frame: pb.ToCentre) -> pb.ToCentre:
    """The same about the placement that is open, if it is about that call's."""
    row, said = country["hubei"].store.desk.call(call), pb.ToCentre.FromString(frame.SerializeToString())
    body = getattr(said, said.WhichOneof("body") or "")
    if row is not None and row.remote is not None and getattr(body, "placement", "") == f"{call}.p1":
        body.placement = row.remote.placement or row.remote.last
    return said


def _told_nonsense(said: list[pb.ToCentre], ms: int) -> None:
    country = Country("hubei", "hunan")
    country["hubei"].answers = 500
    call = country["hubei"].enqueue()
    country.wait(1_500)
    country["hunan"].agent("li")
    for frame in said:
        for name in ("hubei", "hunan"):
            country[name].traffic.frame(NATION, _about(country, call.id, frame))
        country.wait(ms)
    country.wait(20_000)
    assert call.bridged == 1, "the longest wrong deadline is the longest ring"
    country["hubei"].hang_up(call)
    country.wait(20_000)
    assert country.stuck() == []
    assert all(c.remote is None or c.remote.state is HomeState.NONE for c in country["hubei"].store.desk.calls.values())
    country.close()
