"""A centre that speaks for others: nothing it says changes what is not its own. router/federation/gate.py, both directions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tierline.common.v1 import common_pb2
from tierline.federation.v1 import federation_pb2 as pb

from router.federation import gate
from router.federation.national import National
from tests.router.federation.nonsense import frames
from tests.router.federation.world import NATION, Call, Country

NAMES = ("hubei", "hunan", "anhui")  # home, whose agent it is, who lies
DEEP = settings(max_examples=int(os.environ.get("TIERLINE_EXAMPLES", "25")), deadline=None)
HANGUP = common_pb2.REASON_HANGUP


def conversation(neighbours: bool = True) -> tuple[Country, Call]:
    """A caller of hubei talks with an agent of hunan, placed by the nation; all are neighbours."""
    country = Country(*NAMES, neighbours=neighbours)
    country["hunan"].agent("li")
    country.wait(300)
    call = country["hubei"].enqueue()
    country.wait(2_500)
    assert call.talks and country["hunan"].busy() == ["li"]
    return country, call


def ringing() -> tuple[Country, Call]:
    """A seat of hunan rings for a caller of hubei."""
    country = Country(*NAMES, neighbours=True)
    country["hunan"].answers = None
    country["hunan"].agent("li")
    country.wait(300)
    call = country["hubei"].enqueue()
    country.wait(1_500)
    assert [offer.centre for offer in call.offers.values()] == ["hunan"]
    return country, call


Lie = Callable[[str], dict[str, Any]]
LIES: dict[str, Lie] = {
    "releases": lambda p: {"release": pb.Release(placement=p, reason=HANGUP, centre="hunan", by="hubei")},
    "confirms": lambda p: {"confirm": pb.Confirm(placement=p, answered_ms=1, centre="hunan", by="hubei")},
    "holds nothing": lambda p: {"holding": pb.Holding(home="hubei", centre="hunan")},
    "holds it talking": lambda p: {"holding": pb.Holding(home="hubei", centre="hunan", talking=[p])},
}


def lie(country: Country, way: str, said: dict[str, Any]) -> None:
    """By anhui to both parties: over a link that they opened, over one that it opened, or through the nation."""
    for to in ("hubei", "hunan"):
        if way == "our link":
            country[to].traffic.frame("anhui", pb.ToCentre(**said))
        elif way == "its link":
            country.run(country[to]._neighbour("anhui", pb.FromCentre(**said)))
        else:
            for body in said.values():
                body.centre = to
            country.up("anhui", NATION, pb.FromCentre(**said))
    country.wait(500)


@pytest.mark.parametrize("way", ["our link", "its link", "the nation"])
@pytest.mark.parametrize("what", sorted(LIES))
@pytest.mark.parametrize("state", [conversation, ringing])
def test_a_third_centre_has_no_say(state: Callable[[], tuple[Country, Call]], what: str, way: str) -> None:
    """Who knows a placement of two others can neither end it, nor confirm it, nor say that it is not held; twice neither."""
    country, call = state()
    placement = call.talks or next(iter(call.offers))
    before = (call.talks, sorted(call.offers), country["hunan"].store.desk.agents["li"].state)
    for _ in range(3):
        lie(country, way, LIES[what](placement))
        country.wait(4_000 if call.talks else 0)
    assert (call.talks, sorted(call.offers), country["hunan"].store.desk.agents["li"].state) == before
    country.close()


@pytest.mark.parametrize("way", ["our link", "its link", "the nation"])
def test_the_party_itself_is_heard(way: str) -> None:
    """The home releases by any of the ways: the agent is free."""
    country, call = conversation()
    said = pb.Release(placement=call.talks, reason=HANGUP, centre="hunan")
    if way == "our link":
        country["hunan"].traffic.frame("hubei", pb.ToCentre(release=said))
    elif way == "its link":
        country.run(country["hunan"]._neighbour("hubei", pb.FromCentre(release=said)))
    else:
        country.up("hubei", NATION, pb.FromCentre(release=said))
    country.wait(500)
    assert country["hunan"].busy() == []
    country.close()


@DEEP
@given(said=st.lists(st.tuples(st.booleans(), st.sampled_from((pb.ToCentre, pb.FromCentre))), max_size=6), data=st.data())
def test_a_lying_neighbour_changes_nothing_of_others(said: list[tuple[bool, Any]], data: st.DataObject) -> None:
    """Whatever a third centre says over either stream, with every name and the right placement: the talk goes on, and then ends as
    ever."""
    country, call = conversation()
    words = (*NAMES, NATION, "sales", call.talks, call.id, "li", "sip:110@carrier", "")
    for repeat, kind in said:
        frame = data.draw(frames(kind, words))
        if frame.WhichOneof("body") in ("place", "reserve"):
            continue  # what it may ask for is another matter
        for _ in range(1 + repeat):
            for to in ("hubei", "hunan"):
                if isinstance(frame, pb.ToCentre):
                    country[to].traffic.frame("anhui", frame)
                else:
                    country.run(country[to]._neighbour("anhui", frame))
            country.wait(4_500)
    assert call.talks and country["hunan"].busy() == ["li"] and call.bridged == 1
    country["hubei"].hang_up(call)
    country.wait(20_000)
    assert country.stuck() == []
    country.close()


def test_who_is_not_the_nation_asks_for_nobody_else() -> None:
    """A neighbour's Reserve in another centre's name reserves nobody, nor does an answer that was not asked for."""
    country = Country(*NAMES, neighbours=True)
    country["hunan"].agent("li")
    place = pb.Place(placement="x-1.p1", call="x-1", queue="sales", skill="sales", level=9, expires_ms=country["hunan"].now + 9_000)
    country["hunan"].traffic.frame("anhui", pb.ToCentre(reserve=pb.Reserve(home="hubei", place=place)))
    country.wait(300)
    assert country["hunan"].busy() == []
    call = country["hubei"].enqueue()
    country["hunan"].do(country["hunan"].store.logout, "li")
    country.wait(1_001)
    row = country["hubei"].store.desk.calls[call.id].remote
    assert row is not None and row.placement
    placed = pb.Placed(placement=row.placement, centre="anhui", agent="a", seat="1", expires_ms=country["hubei"].now + 9_000)
    country["hubei"].traffic.frame("anhui", pb.ToCentre(placed=placed))
    country.wait(100)
    assert not [fact for fact in country["hubei"].facts if fact.kind == "placed"]
    country.close()


def test_what_is_dialled_is_of_our_own_configuration() -> None:
    """Another centre's URI is not dialled: the seat it names in its own realm is; what has no realm or is no seat is refused."""
    evil = "sip:x@127.0.0.1:5300;transport=tcp"
    said = pb.Placed(placement="c-1.p1", centre="hunan", agent="li", seat="901", uri=evil)
    assert gate.uri_of(said, {"hunan": "hunan.example"}) == "sip:901@hunan.example;placement=c-1.p1"
    with pytest.raises(gate.Refused):
        gate.uri_of(said, {"hubei": "hubei.example"})
    for seat, agent in (("1@x", "li"), ("1;transport=tcp", "li"), ("", "li"), ("1" * 65, "li"), ("1", "li@x"), ("1", "")):
        with pytest.raises(gate.Refused):
            gate.sense(pb.ToCentre(placed=pb.Placed(placement="c-1.p1", centre="hunan", agent=agent, seat=seat)))


@pytest.mark.parametrize("placement", ["", "c-1", "c 1.p1", "c-1.p", "c" * 65 + ".p1", "c-1.p" + "1" * 21, "c-1.p1\n", "é.p1"])
def test_a_placement_has_its_form(placement: str) -> None:
    """What is no placement's id is refused in every frame that names one, before anybody looks it up."""
    place = pb.Place(placement=placement)
    bodies: list[gate.Frame] = [
        pb.FromCentre(place=place),
        pb.FromCentre(reserved=pb.Reserved(placement=placement)),
        pb.FromCentre(no_agent=pb.NoAgent(placement=placement)),
        pb.FromCentre(confirm=pb.Confirm(placement=placement)),
        pb.FromCentre(release=pb.Release(placement=placement)),
        pb.ToCentre(reserve=pb.Reserve(home="hubei", place=place)),
        pb.ToCentre(no_place=pb.NoPlace(placement=placement)),
    ]
    for frame in bodies:
        with pytest.raises(gate.Refused):
            gate.sense(frame)


def test_long_frames_are_refused() -> None:
    """64 kB of a Place or 2 MB of Holding cost no more than being read."""
    with pytest.raises(gate.Refused):
        gate.sense(pb.FromCentre(place=pb.Place(placement="c-1.p1", queue="q" * 65_536)))
    with pytest.raises(gate.Refused):
        gate.sense(pb.FromCentre(holding=pb.Holding(home="hubei", talking=["x" * 64] * 40_000)))
    gate.sense(
        pb.FromCentre(holding=pb.Holding(home="hubei", talking=["01990000-0000-7000-8000-000000000001.p1760000000000"] * 5_000))
    )


def test_the_nation_stamps_who_says_so() -> None:
    """What a centre writes into `by` is overwritten by the nation with the name of its certificate."""
    nation = National({})
    for name in NAMES:
        nation.joined(name)
    for frame in (
        pb.FromCentre(release=pb.Release(placement="c-1.p1", centre="hunan", by="hubei")),
        pb.FromCentre(confirm=pb.Confirm(placement="c-1.p1", centre="hunan", by="hubei")),
    ):
        ((to, out),) = nation.take("anhui", frame, 1)
        assert (to, getattr(out, out.WhichOneof("body") or "").by) == ("hunan", "anhui")
    with pytest.raises(gate.Refused):
        nation.take("anhui", pb.FromCentre(holding=pb.Holding(home="hubei")), 1)
