"""The national link away for long, under load: provinces go on, join again by themselves, no call lost or doubled, books add up."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.commands import Assert, Enqueue
from router.core.remote import HomeState
from router.federation.reconcile import differences, flow
from tests.kit import chance
from tests.router.federation.world import NATION, START, Call, Country

NAMES = ("hubei", "hunan", "anhui")
UP, DOWN = ("hubei", NATION), (NATION, "hubei")
WAYS = {"both": (UP, DOWN), "up": (UP,), "down": (DOWN,)}
DEEP = settings(max_examples=chance.examples(4), deadline=None)


@dataclass
class Load:
    """Callers of hubei, who has no agents of its own for long, come every `every_ms` and talk `talk_ms`."""

    country: Country
    every_ms: int
    talk_ms: int
    calls: list[Call]

    def go_on(self, ms: int) -> None:
        for _ in range(max(1, ms // self.every_ms)):
            self._hang_up()
            self.calls.append(self.country["hubei"].enqueue())
            self.country.wait(self.every_ms)

    def _hang_up(self) -> None:
        now = self.country["hubei"].now
        for call in self.calls:
            if call.talks and not call.over and now - self._since(call) >= self.talk_ms:
                self.country["hubei"].hang_up(call)

    def _since(self, call: Call) -> int:
        row = self.country["hubei"].store.desk.call(call.id)
        return row.answered if row is not None else 0

    def end(self) -> None:
        """Everybody is served, then all is over."""
        for _ in range(400):
            self._hang_up()
            if all(call.over for call in self.calls):
                break
            self.country.wait(500)
        self.country.wait(20_000)


def loaded(every_ms: int = 700, talk_ms: int = 3_000, answers: int = 1_200, neighbours: bool = False) -> Load:
    """Two provinces with agents, hubei without."""
    country = Country(*NAMES, neighbours=neighbours)
    for n in range(3):
        country["hunan"].agent(f"li{n}")
        country["anhui"].agent(f"wu{n}")
    for name in NAMES:
        country[name].answers = answers
    country.wait(300)
    return Load(country, every_ms, talk_ms, [])


def holds(load: Load, allowed: frozenset[str] = frozenset()) -> None:
    """Nothing is left of any placement, everybody was answered once, both sides count the same."""
    country = load.country
    assert country.stuck() == []
    for centre in country.centres.values():
        d = centre.store.desk
        assert not any(d.guests.values()) and not any(d.lent.values()) and d.doors == {} and d.away == set()
        assert all(c.remote is None or c.remote.state is HomeState.NONE for c in d.calls.values())
    assert Counter(call.bridged for call in load.calls) == {1: len(load.calls)}
    found = {d.what for there in NAMES[1:] for d in differences(country["hubei"].facts, country[there].facts, "hubei", there)}
    assert found <= allowed
    flows = {name: flow(centre.facts) for name, centre in country.centres.items()}
    assert sum(f.out for f in flows.values()) == sum(f.taken for f in flows.values())
    country.close()


@pytest.mark.parametrize("length", [15_000, 60_000, 600_000])
def test_a_long_cut_under_load(length: int) -> None:
    """Calls ring, are confirmed and talk elsewhere when the link goes: talks go on, those who come wait at home and are answered by
    an agent who logs in there; after the link is back callers go elsewhere again without anybody's doing."""
    load = loaded(every_ms=max(700, length // 40))
    load.go_on(max(5_000, length // 20))
    talking = [call for call in load.calls if call.talks and not call.over]
    load.country.cut("hubei")
    load.go_on(2_000)
    assert all(call.bridged == 1 for call in talking)
    load.country["hubei"].agent("wang")
    load.go_on(length - 2_000)
    assert not any(call.offers and not call.talks and ".p" in next(iter(call.offers)) for call in load.calls)
    load.country["hubei"].do(load.country["hubei"].store.logout, "wang")
    load.country.join("hubei")
    before = flow(load.country["hubei"].facts).out
    load.go_on(4_000)
    load.end()
    assert flow(load.country["hubei"].facts).out > before
    holds(load, frozenset({"answered_ms"}))


@DEEP
@given(
    length=st.sampled_from([3_000, 15_000, 60_000]),
    ways=st.sampled_from(sorted(WAYS)),
    at=st.integers(0, 3_000),
    home_ms=st.sampled_from([0, 500, 2_500]),
    nation_ms=st.sampled_from([0, 500, 2_500]),
    answers=st.sampled_from([100, 1_200, 4_000]),
    neighbours=st.booleans(),
)
def test_a_cut_at_any_moment_of_any_direction(
    length: int, ways: str, at: int, home_ms: int, nation_ms: int, answers: int, neighbours: bool
) -> None:
    """Both directions or one go silent, noticed at different times: everybody is answered once, and both sides' counts add up."""
    load = loaded(answers=answers, neighbours=neighbours)
    load.go_on(3_000)
    load.country.wait(at)
    load.country.fall_silent("hubei", WAYS[ways], home_ms, nation_ms)
    load.go_on(length)
    load.country.mend("hubei")
    load.go_on(2_000)
    load.end()
    holds(load, frozenset({"answered_ms", "talk_ms"}))


@pytest.mark.parametrize("state", ["wanted", "asked", "reserving", "placing", "ringing", "up", "confirming", "talking"])
@pytest.mark.parametrize("neighbours", [False, True])
def test_the_national_router_restarts_in_every_state_of_a_placement(state: str, neighbours: bool) -> None:
    """Its memory is gone at each moment between a call's wish and its talk: the call is answered once, both books agree."""
    country = Country(*NAMES, neighbours=neighbours)
    country["hunan"].agent("li")
    country.wait(300)
    call = country["hubei"].enqueue()
    country.wait({"wanted": 999, "asked": 1_001, "reserving": 1_003, "placing": 1_005, "ringing": 1_100}.get(state, 1_308))
    country.wait({"up": 1, "confirming": 3, "talking": 500}.get(state, 0))
    country.nation.restart()
    country.wait(8_000)
    assert call.bridged == 1
    country["hubei"].hang_up(call)
    country.wait(20_000)
    holds(Load(country, 0, 0, [call]))


@pytest.mark.parametrize("ms", [1_001, 1_003, 1_005, 1_100, 1_309, 1_311])
def test_the_way_between_two_provinces_is_cut_at_any_moment(ms: int) -> None:
    """Neither SIP nor gRPC passes between home and the centre whose seat is asked, rings or answers: the caller keeps the place at
    home and is answered by a third centre, or talks; nobody is stuck there."""
    country = Country(*NAMES)
    country["hunan"].agent("li")
    country.wait(300)
    call = country["hubei"].enqueue()
    country.wait(ms)
    country.apart.add(("hubei", "hunan"))
    country["anhui"].agent("zhao")
    country.wait(20_000)
    assert call.bridged == 1
    country["hubei"].hang_up(call)
    country.apart.clear()
    country.wait(30_000)
    assert country.stuck() == []
    assert not any(d for name in NAMES for d in country[name].store.desk.lent.values())
    country.close()


def test_a_broken_way_to_an_edge_is_not_tried_all_the_time() -> None:
    """gRPC passes and SIP is refused at once: for a caller who waits for long agents elsewhere are reserved at most once in two
    seconds, and the caller is answered when the way is good again."""
    country = Country("hubei", "hunan")
    hubei, hunan = country["hubei"], country["hunan"]
    good = hunan._invited

    def refused(peer: str, placement: str) -> None:
        hubei._failed(call, placement, "REASON_UNREACHABLE")

    hunan._invited = refused  # type: ignore[method-assign]
    hunan.agent("li")
    country.wait(300)
    call = hubei.enqueue()
    country.wait(41_000)
    tried = sum(f.kind == "placed" for f in hubei.facts)
    assert 10 <= tried <= 21
    hunan._invited = good  # type: ignore[method-assign]
    country.wait(4_000)
    hubei.hang_up(call)
    country.wait(10_000)
    assert call.bridged == 1 and country.stuck() == []
    country.close()


@pytest.mark.parametrize("at", [1_000, 1_003, 1_100, 1_306, 1_320, 2_000, 5_000])
@pytest.mark.parametrize("forgets", ["hunan", "hubei"])
def test_a_redis_forgets_its_last_second(forgets: str, at: int) -> None:
    """The machine with the Redis of one end dies around a placement and comes up as it was half a second before: the caller is
    answered once and no agent is stuck; what was written in that half second is missing in that ledger alone."""
    country = Country(*NAMES)
    country["hunan"].agent("li")
    country.wait(300)
    call = country["hubei"].enqueue()
    country.wait(at - 500)
    before = copy.deepcopy(country[forgets].store.desk)
    country.wait(500)
    country[forgets].store.desk = before
    country.wait(500)
    node = country["hubei"]
    if forgets == "hubei" and not call.over:  # its media nodes say again what they hold
        entered = Enqueue(call.id, call.version, "sales", -1, START + 300)
        agent = "li@hunan" if call.talks else ""
        node.do(node.store.assert_, node.by, Assert("talk" if agent else "wait", entered, call.talks, agent, node.now))
    country.wait(30_000)
    assert call.bridged == 1
    node.hang_up(call)
    country.wait(30_000)
    assert country.stuck() == [] and not any(country["hunan"].store.desk.guests.values())
    country.close()
