"""Both stores, the same random messages with calls that other centres answer, and others' calls that we answer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from ops import keys as shared
from router.core.commands import QueueRule, Rules, Stage
from router.core.remote import HomeState, PlaceWanted, Reservation, ToCentre, placement_of
from router.store.keys import key
from tests.contract.stores import TENANT, World
from tests.contract.test_store_stateful import Pair
from tests.kit import chance

NATION = Rules(
    5,
    "nation",
    (
        QueueRule("sales", "sales", 10, 20_000, 10_000, stages=(Stage(0, "sales", 2), Stage(500, "sales", 9, "nation"))),
        QueueRule("vip", "sales", 50, 20_000, 0, stages=(Stage(0, "gold", 9, "nation"),), max_wait_ms=9_000),
        QueueRule("tech", "tech", 10, 15_000, 0, own_ms=2_000, stages=(Stage(0, "tech", 9, "nation"),)),
    ),
    (),
)
GUESTS = st.sampled_from(["g1.p1", "g1.p2", "g2.p1", "g3.p1"])
REASONS = st.sampled_from(["REASON_NO_ANSWER", "REASON_ANSWERED_ELSEWHERE", "REASON_HANGUP", "REASON_LINK_LOST"])
HOMES = st.sampled_from(["anhui", "gansu"])
BY = st.sampled_from(["", "", "anhui", "gansu", "hunan"])
NEVER = "c9.p1"


class Overflow(Pair):
    """The verbs of store/overflow.py among all others."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = [NEVER]

    def same(self, verb: str, *words: Any) -> Any:
        result = super().same(verb, *words)
        pair = isinstance(result, tuple) and bool(result) and isinstance(result[-1], list)
        effects = result[-1] if pair else getattr(result, "effects", result)
        for effect in effects if isinstance(effects, list | tuple) else ():
            if isinstance(effect, ToCentre) and isinstance(effect.frame, PlaceWanted):
                self.wanted.append(effect.frame.placement)
        return result

    @initialize()
    def begin(self) -> None:
        self.hello("m2", 0)
        self.configure(NATION, 1)
        self.hold("r1", 60_000)

    @rule(holder=st.sampled_from(["r1", "r2"]), ttl=st.sampled_from([1_000, 60_000, 600_000]))
    def hold(self, holder: str, ttl: int) -> None:
        self.same("hold_links", holder, ttl)

    @rule(data=st.data(), centre=st.sampled_from(["hunan", "hunan", "hebei"]), ms=st.sampled_from([1, 20_000]))
    def placed(self, data: st.DataObject, centre: str, ms: int) -> None:
        placement = data.draw(st.sampled_from(self.wanted[-4:]))
        self.same("placed", centre, placement, "li", "901", f"sip:901@{centre};placement={placement}", self.now + ms)

    @rule(data=st.data(), reason=st.sampled_from(["REASON_BUSY", "REASON_UNSPECIFIED", "REASON_LINK_LOST"]))
    def no_place(self, data: st.DataObject, reason: str) -> None:
        self.same("no_place", data.draw(st.sampled_from(self.wanted[-4:])), reason, 700)

    @rule(still=st.sampled_from([(), ("hunan",), ("hunan", "hebei")]))
    def links_lost(self, still: tuple[str, ...]) -> None:
        self.same("links_lost", still)

    @rule(
        placement=GUESTS,
        home=HOMES,
        skill=st.sampled_from(["sales", "sales", "gold", "tech", "none"]),
        level=st.sampled_from([9, 9, 1, 3]),
        share=st.sampled_from([100, 100, 50]),
        ms=st.sampled_from([20_000, 20_000, 0]),
        paused=st.sampled_from([False, False, False, True]),
    )
    def reserve(self, placement: str, home: str, skill: str, level: int, share: int, ms: int, paused: bool) -> None:
        call = placement_of(placement)
        assert call is not None
        queue = "sales" if skill != "tech" else "unknown"
        wanted = PlaceWanted(placement, call[0], queue, skill, level, 10, self.now - 900, self.now + ms, b"p")
        self.same("reserve", Reservation(home, "hubei", wanted, share, paused))

    @rule(placement=GUESTS, by=BY)
    def confirm(self, placement: str, by: str) -> None:
        self.now += 1
        self.same("confirm", placement, self.now, by)

    @rule(data=st.data(), reason=REASONS, by=BY)
    def released(self, data: st.DataObject, reason: str, by: str) -> None:
        placement = data.draw(GUESTS | st.sampled_from(self.wanted[-3:]))
        self.same("released", placement, reason, "SIDE_CALLER", self.now, by)

    @rule(home=HOMES, ringing=st.lists(GUESTS, max_size=2), talking=st.lists(GUESTS, max_size=2))
    def held(self, home: str, ringing: list[str], talking: list[str]) -> None:
        self.same("held", home, tuple(ringing), tuple(talking))

    @rule(
        placement=GUESTS, what=st.sampled_from(["up", "failed", "over", "what"]), detail=st.sampled_from(["SIDE_AGENT", "200", ""])
    )
    def dialogs(self, placement: str, what: str, detail: str) -> None:
        text = f"{what} {placement} {self.now} {detail}".rstrip()
        self.desk.dialogs.append(text)
        self.client.rpush(shared.dialogs(TENANT), text)
        self.same("dialogs", 100)

    @property
    def client(self) -> Any:
        return self.both[1].client

    @invariant()
    def same_elsewhere(self) -> None:
        self.same("placements")
        self.same("loads")
        d = self.desk
        assert _in_memory(self.both[0]) == self._in_redis()
        assert d.away == {c.id for c in d.calls.values() if c.remote and c.remote.state in (HomeState.RINGING, HomeState.TALKING)}

    def _in_redis(self) -> dict[str, Any]:
        found: dict[str, Any] = {"away": _texts(self.client.smembers(key(TENANT, "away")))}
        homes = [k.decode().rpartition(":")[2] for k in self.client.keys(key(TENANT, "guests") + ":*")]
        found["guests"] = {home: _texts(self.client.smembers(key(TENANT, "guests", home))) for home in homes}
        found["lent"] = {skill.decode(): int(n) for skill, n in self.client.hgetall(key(TENANT, "lent")).items() if int(n)}
        doors = self.client.keys(shared.placement(TENANT, "*"))
        found["doors"] = {k.decode().rpartition(":")[2]: self.client.get(k).decode() for k in doors}
        return found

    @invariant()
    def one_place_each(self) -> None:
        d, due = self.desk, dict(self.both[0].raw().due)
        holds = Counter(a.call for a in d.agents.values() if a.state in ("offered", "talking"))
        for c in d.calls.values():
            away = c.remote is not None and c.remote.state is HomeState.TALKING
            assert holds[c.id] == (c.state in ("offered", "talking") and not away), f"{c} held by {holds[c.id]}"
            assert away <= (c.state == "talking"), f"{c} talks elsewhere and is not talking"
            assert (f"o:{c.id}" in due) == (c.state == "offered")
            state = c.remote.state if c.remote else HomeState.NONE
            if state is HomeState.NONE or state is HomeState.TALKING:
                assert f"p:{c.id}" not in due
            else:
                assert f"p:{c.id}" in due, f"{c} would never be asked for again"
            if c.state not in ("waiting", "offered", "talking"):
                assert state is HomeState.NONE, f"{c} is over and open elsewhere"

    @invariant()
    def guests_hold_agents(self) -> None:
        d = self.desk
        live = {c.id for c in d.calls.values() if c.guest and c.state in ("offered", "talking")}
        assert {call for calls in d.guests.values() for call in calls} == live
        skills = Counter(c.guest.skill for c in d.calls.values() if c.guest and c.id in live)
        assert {skill: n for skill, n in d.lent.items() if n} == dict(skills)
        assert all(c.remote is None for c in d.calls.values() if c.guest), "placed on"


def _texts(members: set[bytes]) -> set[str]:
    return {m.decode() for m in members}


def _in_memory(world: World) -> dict[str, Any]:
    d = world.store.desk  # type: ignore[attr-defined]  # the memory store's
    guests = {home: calls for home, calls in d.guests.items() if calls}
    lent = {skill: n for skill, n in d.lent.items() if n}
    return {"away": d.away, "guests": guests, "lent": lent, "doors": d.doors}


@pytest.mark.real
@chance.explored
def test_stores_agree_on_calls_between_centres(redis_port: int) -> None:
    """Whatever centres, nodes and edges say in whatever order, both stores answer and book the same, and no reservation leaks."""
    Overflow.port = redis_port
    deep = chance.examples(25)
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run = settings(max_examples=deep, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    Overflow.TestCase.settings = run
    Overflow.TestCase("runTest").runTest()
