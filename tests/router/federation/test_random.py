"""Any order of everything: callers, agents, telephones, cuts, restarts, frames that come late, twice or never."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from router.core.remote import HomeState
from router.federation.reconcile import differences, told
from tests.kit import chance
from tests.router.federation.world import Call, Country

NAMES = ("hubei", "hunan", "anhui")
SITE = st.sampled_from(NAMES)


class Anything(RuleBasedStateMachine):
    """Three centres that are neighbours, and the nation."""

    def __init__(self) -> None:
        super().__init__()
        self.country = Country(*NAMES, neighbours=True)
        self.calls: list[tuple[str, Call]] = []
        self.disturbed = False
        self.country.wait(200)

    def teardown(self) -> None:
        """All calls end, all links are mended; after a while nothing is left of any placement."""
        for name in NAMES:
            if name not in self.country.linked:
                self.country.join(name)
        self.country.apart.clear()
        for home, call in self.calls:
            self.country[home].hang_up(call)
        self.country.wait(60_000)
        self.nothing_left()
        self.country.close()

    def nothing_left(self) -> None:
        assert self.country.stuck() == []
        for centre in self.country.centres.values():
            d = centre.store.desk
            assert not any(d.guests.values()) and not any(d.lent.values()) and d.doors == {} and d.away == set()
            assert all(c.remote is None or c.remote.state is HomeState.NONE for c in d.calls.values())
        if not self.disturbed:
            for home in NAMES:
                for there in NAMES:
                    found = differences(self.country[home].facts, self.country[there].facts, home, there) if home != there else []
                    assert found == [], f"nothing was disturbed and the ledgers differ: {found}"

    @rule(name=SITE)
    def call(self, name: str) -> None:
        self.calls.append((name, self.country[name].enqueue()))

    @rule(name=SITE, there=SITE, ms=st.sampled_from([0, 1_002, 1_006, 1_100, 2_000]))
    def overflow(self, name: str, there: str, ms: int) -> None:
        """A call at a moment of its way to an agent of another centre."""
        for n in range(3):
            if there != name:
                self.country[name].do(self.country[name].store.logout, f"{name}{n}")
                self.country[there].agent(f"{there}{n}")
        self.country.wait(200)
        self.call(name)
        self.country.wait(ms)

    @rule(name=SITE, n=st.integers(0, 2))
    def agent(self, name: str, n: int) -> None:
        self.country[name].agent(f"{name}{n}")

    @rule(name=SITE, n=st.integers(0, 2))
    def log_out(self, name: str, n: int) -> None:
        self.country[name].do(self.country[name].store.logout, f"{name}{n}")

    @rule(name=SITE, ms=st.sampled_from([50, 300, 2_000, None]))
    def answers(self, name: str, ms: int | None) -> None:
        self.country[name].answers = ms

    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        live = [(home, call) for home, call in self.calls if not call.over]
        if live:
            home, call = data.draw(st.sampled_from(live))
            self.country[home].hang_up(call)

    @rule(data=st.data(), name=SITE)
    def seat_hangs_up(self, data: st.DataObject, name: str) -> None:
        up = sorted(p for p, (state, _) in self.country[name].rings.items() if state == "up")
        if up:
            self.country[name].seat_hangs_up(data.draw(st.sampled_from(up)))

    @rule(name=SITE)
    def cut(self, name: str) -> None:
        if name in self.country.linked:
            self.disturbed = True
            self.country.cut(name)

    @rule(name=SITE)
    def mend(self, name: str) -> None:
        if name not in self.country.linked:
            self.country.join(name)

    @rule()
    def nation_restarts(self) -> None:
        self.disturbed = True
        self.country.nation.restart()

    @rule(what=st.sampled_from(["twice", "late", "never"]), times=st.integers(1, 3), ms=st.sampled_from([10, 900, 3_500]))
    def trouble(self, what: str, times: int, ms: int) -> None:
        self.disturbed = True

        def frames(data: bytes) -> bool:
            return data.partition(b"\n")[0].endswith((b" up", b" down", b" side"))

        if what == "twice":
            self.country.link.duplicate(frames, times, ms)
        elif what == "late":
            self.country.link.slow(frames, ms, times)
        else:
            self.country.link.drop(frames, times)

    @rule(ms=st.sampled_from([1, 3, 20, 150, 1_000, 6_000]))
    def wait(self, ms: int) -> None:
        self.country.wait(ms)

    @invariant()
    def one_answer_each(self) -> None:
        """The first answer wins: a call is bridged once, and its ledger tells no second talk."""
        assert all(call.bridged <= 1 for _, call in self.calls)
        for name in NAMES:
            bridged = Counter(f.call for f in {f.id: f for f in self.country[name].facts}.values() if f.kind == "bridged")
            own = {call.id for home, call in self.calls if home == name}
            assert all(n == 1 for call, n in bridged.items() if call in own)

    @invariant()
    def no_call_is_lost(self) -> None:
        """At home a live call waits, rings or talks, and a caller who waits has nobody ready at home."""
        for home, call in self.calls:
            row = self.country[home].store.desk.call(call.id)
            assert call.over or (row is not None and row.state in ("waiting", "offered", "talking")), call

    @invariant()
    def never_placed_on(self) -> None:
        """Who answers for another centre never asks a third one, and a placement has one centre."""
        for centre in self.country.centres.values():
            assert all(c.remote is None for c in centre.store.desk.calls.values() if c.guest is not None)
        talks = Counter(f.call for n in NAMES for f in self.country[n].facts if f.kind == "placed" and f.body.get("home"))
        asked = Counter(p.rpartition(".p")[0] for n in NAMES for p in told(self.country[n].facts))
        assert all(asked[call] >= 1 for call in talks)


@chance.explored
def test_no_order_of_things_breaks_placements() -> None:
    """Nobody is answered twice, no call is lost, every reservation ends, whatever comes late, twice, never, or in between."""
    deep = chance.examples(25)
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run = settings(max_examples=deep, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    Anything.TestCase.settings = run
    Anything.TestCase("runTest").runTest()


class Undisturbed(Anything):
    """Only people do things; links and the nation are well."""

    cut = mend = nation_restarts = trouble = None  # type: ignore[assignment]  # no rules here


@chance.explored
def test_undisturbed_ledgers_agree() -> None:
    """Whatever callers and agents do, as long as nothing is cut or lost both ends tell the same of every placement."""
    deep = chance.examples(15)
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run = settings(max_examples=deep, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    Undisturbed.TestCase.settings = run
    Undisturbed.TestCase("runTest").runTest()
