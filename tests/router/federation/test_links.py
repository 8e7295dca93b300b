"""Links that come and go: who is asked, who is told, and what becomes of an agent reserved meanwhile."""

from __future__ import annotations

import pytest
from tierline.common.v1 import common_pb2
from tierline.federation.v1 import federation_pb2 as pb

from router.core.placing import Refusal
from router.federation.links import Links
from router.federation.national import KEEP_MS, MOST_ASKS, National
from router.federation.server import MOST_UNREAD, NeighbourRole, Stream
from tests.router.federation.world import Country

NOW = 1_760_000_000_000


def place(call: str = "c-1", now: int = NOW) -> pb.FromCentre:
    asked = pb.Place(
        placement=f"{call}.p1", call=call, queue="sales", skill="sales", level=9, entered_ms=now, expires_ms=now + 8_000
    )
    return pb.FromCentre(place=asked)


def test_a_neighbour_with_a_closed_link_is_not_asked() -> None:
    """The cheaper neighbour's link closes a moment after its report: the other one is asked; with the link back, after a report."""
    links = Links("", {"hunan": "", "anhui": ""}, "hubei")
    load = pb.SkillLoad(skill="sales", staffed=3, free=3)
    for name, penalty in (("hunan", 1_000), ("anhui", 9_000)):
        links.opened(name)
        links.report(name, pb.Report(share=100, penalty_ms=penalty, skills=[load]), NOW)
    links.closed("hunan")
    out = links.out(place("c-1"), NOW)
    assert not isinstance(out, Refusal) and out[0] == "anhui"
    links.opened("hunan")
    links.report("hunan", pb.Report(share=100, penalty_ms=1_000, skills=[load]), NOW)
    out = links.out(place("c-2"), NOW)
    assert not isinstance(out, Refusal) and out[0] == "hunan"


@pytest.mark.parametrize("gone", [True, False])
def test_an_agent_reserved_for_a_neighbour_that_left_is_free_at_once(gone: bool) -> None:
    """Its stream is over before the answer: nobody can be told of the reservation, which ends; else it stands."""
    country = Country("hubei", "hunan", neighbours=True)
    hunan = country["hunan"]
    hunan.agent("li")
    role, stream = NeighbourRole(hunan.clerk), Stream("hubei")
    role.joined(stream)
    if gone:
        role.left(stream)
    country.run(role._take(stream, place(now=hunan.now)))
    assert hunan.busy() == ([] if gone else ["li"])
    country.close()


def test_a_reopened_link_frees_agents_that_the_home_no_longer_holds() -> None:
    """The home forgets a talk while the way to the neighbour is cut for longer than it tells those it held something with; when the
    link opens again the neighbour hears that nothing is held, and its agent is free. There is no nation."""
    country = Country("hubei", "hunan", "anhui", neighbours=True)
    for name in ("hubei", "hunan", "anhui"):
        country.cut(name)
    country["hunan"].agent("li")
    country.wait(3_000)
    call = country["hubei"].enqueue()
    country.wait(3_000)
    assert call.talks and country["hunan"].busy() == ["li"]
    country.apart.add(("hubei", "hunan"))
    country["hubei"].close("hunan")
    home = country["hubei"].store.desk
    home.calls.pop(call.id)
    home.away.clear()
    country.wait(70_000)
    assert country["hunan"].busy() == ["li"]
    country.apart.clear()
    country["hubei"].open("hunan")
    country.wait(20_000)
    assert country["hunan"].busy() == []
    country.close()


def test_one_centre_does_not_fill_the_nation() -> None:
    """Asks beyond the limit of a home are refused with a pause and cost no memory; others are asked for as ever, and that home too
    when its asks have run out."""
    nation = National({})
    for name in ("hubei", "anhui"):
        nation.joined(name)
    for n in range(MOST_ASKS):
        nation.take("anhui", place(f"a-{n}"), NOW)
    ((to, said),) = nation.take("anhui", place("a-more"), NOW)
    assert (to, said.no_place.reason) == ("anhui", common_pb2.REASON_OVERLOAD) and said.no_place.again_ms >= 10_000
    ((_, other),) = nation.take("hubei", place("h-1"), NOW)
    assert other.no_place.reason == common_pb2.REASON_BUSY
    nation.tick(NOW + KEEP_MS)
    ((_, again),) = nation.take("anhui", place("a-more"), NOW + KEEP_MS)
    assert again.no_place.reason == common_pb2.REASON_BUSY and nation.idle is False


def test_a_peer_that_does_not_read_is_ended() -> None:
    """Frames that nobody reads are kept up to a limit; then the stream is over and the peer has to join anew."""
    stream = Stream("hubei")
    for _ in range(MOST_UNREAD + 5):
        stream.send(pb.ToCentre())
    assert stream.over and stream.unread == MOST_UNREAD
