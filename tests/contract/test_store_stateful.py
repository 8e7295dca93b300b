"""Both stores, the same random messages: same answers, same facts, same lines, and the invariants of each step."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ops.facts import Fact
from router.core.call import LIVE
from router.core.commands import Assert, End, Enqueue, From, Hello, QueueRule, Rules, Stage
from router.core.desk import Agent, Call, Desk
from router.core.errors import RouterError
from router.core.events import AgentSeen, Offer, QueueSeen
from router.store.base import Store
from tests.contract.stores import RULES, START, World, frames_of, memory_world, redis_world
from tests.kit import chance

AGENTS = st.sampled_from(["a1", "a2", "a3", "a4"])
CALLS = st.sampled_from(["c1", "c2", "c3", "c4", "c5"])
NODES = st.sampled_from(["m1", "m2"])
LINES = st.sampled_from(["sales", "vip", "tech"])
REASONS = st.sampled_from(["REASON_NO_ANSWER", "REASON_BUSY", "REASON_UNREACHABLE", "REASON_CALLER_LEFT"])
SKILLS = st.sampled_from(
    [(("sales", 1),), (("sales", 2), ("tech", 1)), (("tech", 2), ("gold", 3)), (("sales", 5), ("gold", 1)), (("sales", 2),)]
)
BUMP = st.sampled_from([0, 1, 1, 1])  # versions: a repeat now and then
SAID_AGAIN = ("enqueued", "offered", "bridged")  # by re-assertion, under the same id on purpose
CITY = st.sampled_from(["", "武汉", "武汉", "宜昌", "南京"])
MEANT = st.sampled_from(["", "", "", "a1", "a2", "nobody"])
CUSTOMER = st.sampled_from(["", "k1", "k2"])
RINGS = (Stage(0, "sales", 2, "city"), Stage(1_000, "sales", 2), Stage(3_000, "sales"))
CITIES = (("a1", "武汉"), ("a2", "宜昌"), ("a4", "武汉"))


def _rules(name: str, *queues: QueueRule, **more: Any) -> Rules:
    return Rules(1, name, queues, **{"blacklist": (), **more})


VERSIONS = (
    RULES,
    _rules("moved", QueueRule("sales", "tech", 10, 20_000, 0), QueueRule("tech", "tech", 20, 15_000, 5_000)),
    _rules(
        "rings",
        QueueRule("sales", "sales", 10, 20_000, 10_000, "longest_idle", RINGS, (Stage(0, "gold"),), 2_000, 2, 9_000),
        QueueRule("vip", "sales", 50, 20_000, 0, "fewest_calls", (Stage(0, "gold", 2), Stage(2_000, "sales"))),
        QueueRule("tech", "tech", 10, 15_000, 0, own_ms=5_000),
        cities=CITIES,
    ),
    _rules(
        "lots",
        QueueRule("sales", "sales", 10, 20_000, 10_000, "weighted_random", RINGS[:2], own_ms=30_000),
        QueueRule("vip", "sales", 50, 20_000, 0, "longest_average_idle", (Stage(0, "sales", 1), Stage(500, "sales", 4))),
        QueueRule("tech", "tech", 10, 15_000, 0, "weighted_random", max_waiting=1),
        cities=CITIES[:2],
        weights=(("a1", 3), ("a3", 7)),
        priority_worth_ms=1_000,
    ),
)


class Pair(RuleBasedStateMachine):
    """Each rule asks both stores the same and compares all there is to see."""

    port: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = START
        self.both: tuple[World, World] = (memory_world(), redis_world(self.port))
        for world in self.both:
            self.loop.run_until_complete(world.open())
        self.sessions = {"m1": self.both[0].node.session, "m2": 0}
        self.epochs = {"m1": START, "m2": START}
        self.versions: Counter[str] = Counter()
        self.said: dict[str, Enqueue] = {}
        self.in_force = RULES
        self.offers: list[tuple[str, str, str]] = [("c1", f"c1.{START - 1}.1", "a1")]

    def teardown(self) -> None:
        for world in self.both:
            self.loop.run_until_complete(world.store.close())
        self.loop.close()

    def same(self, verb: str, *words: Any) -> Any:
        got = [self.loop.run_until_complete(_outcome(w.store, verb, (*words, self.now))) for w in self.both]
        assert got[0] == got[1], f"{verb}{words}: memory and redis differ"
        result = got[0]
        effects = result[1] if verb == "hello" and isinstance(result, tuple) else getattr(result, "effects", result)
        if isinstance(effects, list | tuple):
            self.offers += [(f.call, f.offer, f.agent) for f in frames_of(list(effects)) if isinstance(f, Offer)]
        return result

    def by(self, node: str) -> From:
        return From(node, self.sessions[node])

    def bump(self, call: str, by: int) -> int:
        self.versions[call] = max(1, self.versions[call] + by)
        return self.versions[call]

    @initialize(rules=st.sampled_from(VERSIONS))
    def begin(self, rules: Rules) -> None:
        self.hello("m2", 0)
        self.configure(rules, 1)

    @rule(node=NODES, newer=st.sampled_from([-1, 0, 0, 1]))
    def hello(self, node: str, newer: int) -> None:
        epoch = self.epochs[node] + newer
        got = self.same("hello", Hello(node, "sip:x", epoch, False, 0, f"r-{node}"))
        if isinstance(got, tuple) and isinstance(got[0], int):
            self.sessions[node], self.epochs[node] = got[0], epoch

    @rule(node=NODES, draining=st.booleans())
    def heartbeat(self, node: str, draining: bool) -> None:
        self.same("heartbeat", self.by(node), draining, 3)

    @rule(ms=st.sampled_from([1, 500, 1000, 2900, 2900]))
    def wait(self, ms: int) -> None:
        self.now += ms
        self.same("expire", 100)

    @rule(ms=st.sampled_from([4_000, 30_000]))
    def outage(self, ms: int) -> None:
        self.now += ms
        self.same("expire", 100)

    @rule(agent=AGENTS, seat=st.sampled_from(["801", "801", "802"]), skills=SKILLS)
    def login(self, agent: str, seat: str, skills: tuple[tuple[str, int], ...]) -> None:
        self.same("login", agent, seat, skills)

    @rule(agent=AGENTS, skills=SKILLS)
    def come(self, agent: str, skills: tuple[tuple[str, int], ...]) -> None:
        self.same("login", agent, f"8{agent}", skills)
        self.same("ready", agent)

    @rule(agent=AGENTS, talk=st.sampled_from([0, 2_000]))
    def serve(self, agent: str, talk: int) -> None:
        """What rings there is answered, or what talks ends, and the agent is ready for the next."""
        a = self.desk.agents.get(agent)
        if a is not None and a.state == "offered":
            self.now += 1
            self.same("settle_answered", self.by("m1"), a.call, self.bump(a.call, 1), a.offer, self.now)
        elif a is not None and a.state == "talking":
            self.now += talk
            self.same("end", self.by("m1"), End(a.call, self.bump(a.call, 1), "REASON_HANGUP", "SIDE_CALLER", self.now))
        elif a is not None and a.state != "logged_out":
            self.same("ready", agent)

    @rule(agent=AGENTS, verb=st.sampled_from(["logout", "ready", "end_after_call", "agent"]))
    def agent_verb(self, agent: str, verb: str) -> None:
        self.same(verb, agent)

    @rule(agent=AGENTS, reason=st.sampled_from(["lunch", ""]))
    def not_ready(self, agent: str, reason: str) -> None:
        self.same("not_ready", agent, reason)

    def words(self, call: str, queue: str, priority: int, bump: int) -> Enqueue:
        """What the node said last of the call, or (bump) something new."""
        if bump or call not in self.said:
            self.said[call] = Enqueue(call, self.bump(call, 1), queue, priority, self.now, b"p")
        return self.said[call]

    @rule(call=CALLS, queue=LINES, node=NODES, priority=st.sampled_from([-1, -1, 99]), bump=BUMP)
    def enqueue(self, call: str, queue: str, node: str, priority: int, bump: int) -> None:
        self.same("enqueue", self.by(node), self.words(call, queue, priority, bump))

    @rule(call=CALLS, queue=LINES, city=CITY, meant=MEANT, customer=CUSTOMER, vip=st.sampled_from([0, 0, 2]))
    def enqueue_more(self, call: str, queue: str, city: str, meant: str, customer: str, vip: int) -> None:
        e = self.words(call, queue, -1, 1)
        self.said[call] = e = replace(e, city=city, agent=meant, customer=customer, vip=vip)
        self.same("enqueue", self.by("m1"), e)

    @rule(call=CALLS, queue=LINES, reason=st.sampled_from(["REASON_CLOSED", "REASON_EMERGENCY"]))
    def enqueue_closed(self, call: str, queue: str, reason: str) -> None:
        self.same("enqueue", self.by("m1"), replace(self.words(call, queue, -1, 1), closed=reason))

    @rule(data=st.data(), node=NODES, bump=BUMP)
    def answered(self, data: st.DataObject, node: str, bump: int) -> None:
        call, offer, _ = data.draw(st.sampled_from(self.offers[-6:]))
        self.now += 1
        self.same("settle_answered", self.by(node), call, self.bump(call, bump), offer, self.now)

    @rule(data=st.data(), node=NODES, bump=BUMP, reason=REASONS)
    def failed(self, data: st.DataObject, node: str, bump: int, reason: str) -> None:
        call, offer, _ = data.draw(st.sampled_from(self.offers[-6:]))
        self.same("settle_failed", self.by(node), call, self.bump(call, bump), offer, reason)

    @rule(call=CALLS, node=NODES, bump=BUMP)
    def cancel(self, call: str, node: str, bump: int) -> None:
        self.same("cancel", self.by(node), call, self.bump(call, bump), "REASON_HANGUP")

    @rule(call=CALLS, node=NODES, bump=BUMP, side=st.sampled_from(["SIDE_CALLER", "SIDE_UNSPECIFIED"]))
    def end(self, call: str, node: str, bump: int, side: str) -> None:
        self.same("end", self.by(node), End(call, self.bump(call, bump), "REASON_HANGUP", side, self.now))

    @rule(call=CALLS, queue=LINES, node=NODES, bump=BUMP, listed=st.sampled_from(["", "", "=+8613800000001"]))
    def callback(self, call: str, queue: str, node: str, bump: int, listed: str) -> None:
        self.same(
            "callback",
            self.by(node),
            self.words(call, queue, -1, bump),
            f"1380000000{int(call[1]) % 3}",
            (listed,) if listed else (),
            "t1",
        )

    @rule(data=st.data(), node=NODES, bump=BUMP)
    def dialling(self, data: st.DataObject, node: str, bump: int) -> None:
        call, offer, _ = data.draw(st.sampled_from(self.offers[-6:]))
        self.same("dialling", self.by(node), call, self.bump(call, bump), offer, self.now, "t1")

    @rule(call=CALLS, queue=LINES, node=NODES)
    def assert_wait(self, call: str, queue: str, node: str) -> None:
        self.same("assert_", self.by(node), Assert("wait", self.words(call, queue, -1, 0)))

    @rule(data=st.data(), node=NODES, queue=LINES, state=st.sampled_from(["ring", "talk"]), agent=st.none() | AGENTS)
    def assert_seat(self, data: st.DataObject, node: str, queue: str, state: str, agent: str | None) -> None:
        call, offer, offered_to = data.draw(st.sampled_from(self.offers[-6:]))
        e = self.words(call, queue, -1, 0)
        self.now += 1
        whom = agent if agent and state == "talk" else offered_to
        self.same("assert_", self.by(node), Assert(state, e, offer, whom, self.now))

    @rule(rules=st.sampled_from(VERSIONS), newer=st.sampled_from([1, 1, 1, 0, -1]))
    def configure(self, rules: Rules, newer: int) -> None:
        rules = replace(rules, generation=self.desk.generation + newer)
        self.same("sync_config", rules)
        if newer >= 0:
            assert self.desk.digest == rules.digest
            self.in_force = rules

    @invariant()
    def same_books(self) -> None:
        memory, other = self.both
        assert memory.raw() == other.raw()
        for view in ("agents", "queues", "nodes"):
            got = [self.loop.run_until_complete(getattr(w.store, view)()) for w in self.both]
            assert got[0] == got[1], f"{view} differ"
        assert memory.facts() == other.facts()

    @invariant()
    def one_place_each(self) -> None:
        d = self.both[0].store.desk  # type: ignore[attr-defined]  # the memory store's
        raw = self.both[0].raw()
        holds = Counter(a.call for a in d.agents.values() if a.state in ("offered", "talking"))
        for c in d.calls.values():
            lines = [queue for queue, line in raw.wait.items() if c.id in dict(line)]
            parked = bool(c.callback) and not c.line
            assert lines == ([c.queue] if c.state == "waiting" and not parked else []), f"{c} stands in {lines}"
            assert bool(c.node) or bool(c.callback) or c.state not in LIVE
            assert holds[c.id] == (c.state in ("offered", "talking")), f"{c} held by {holds[c.id]}"
            assert (f"o:{c.id}" in dict(raw.due)) == (c.state == "offered")
        talks = Counter(c.queue for c in d.calls.values() if c.state == "talking")
        assert raw.talking == dict(sorted(talks.items()))

    @property
    def desk(self) -> Desk:
        found: Desk = self.both[0].store.desk  # type: ignore[attr-defined]  # the memory store's
        return found

    @invariant()
    def agents_stand_where_they_are(self) -> None:
        d, raw = self.desk, self.both[0].raw()
        for a in d.agents.values():
            under = {pool.split(":")[1] for pool, line in raw.pools.items() if a.id in dict(line)}
            assert under == ({s for s, _ in a.skills} if a.state == "ready" else set())
            assert (f"a:{a.id}" in dict(raw.due)) == (a.state == "after_call")
        there = [a for a in d.agents.values() if a.state in ("ready", "offered", "talking", "after_call")]
        assert raw.staffed == dict(sorted(Counter(skill for a in there for skill, _ in a.skills).items()))
        for pool in raw.pools:
            order, skill, band, ring = pool.split(":")
            layout = d.plan.layout(skill)
            assert order in layout.orders and int(band) in layout.bands, f"nobody asks {pool}"
            assert ring == "*" or layout.by_city

    @invariant()
    def nobody_waits_for_a_ready_agent(self) -> None:
        d, raw = self.desk, self.both[0].raw()
        ready = [a for a in d.agents.values() if a.state == "ready"]
        for c in (c for c in d.calls.values() if c.state == "waiting" and (c.line or not c.callback)):
            (line,) = [name for name, line in raw.lines.items() if c.id in dict(line)]
            assert line == c.line
            assert not [a.id for a in ready if self.fits(a, c)], f"{c} waits with agents ready"
            if c.rung < 0:
                assert line == f"own:{c.own}" and d.agents[c.own].state in ("offered", "talking", "after_call")
            else:
                assert any(self.reads(name, c) == line for name in ("city", "all")), f"nobody reads {line}"

    @invariant()
    def timers_wake_who_waits(self) -> None:
        d, due = self.desk, dict(self.both[0].raw().due)
        for c in d.calls.values():
            q = self.rule_of(c)
            later = [s.after_ms for s in self.ladder(c)[max(0, c.rung) + 1 :]] if c.rung >= 0 else [q.own_ms]
            if c.callback and not c.line:
                assert c.state != "waiting" or f"w:{c.id}" in due, f"{c} is never tried again"
                continue
            longest = 0 if c.callback else q.max_wait_ms
            want = [c.entered + ms for ms in (*later[:1], longest) if ms] if c.state == "waiting" else []
            assert due.get(f"w:{c.id}", 0) == min(want, default=0), f"{c} wakes wrongly"

    def rule_of(self, c: Call) -> QueueRule:
        return self.desk.queues[c.queue] if c.queue else QueueRule("", "", 0, 0, 0)

    def ladder(self, c: Call) -> tuple[Stage, ...]:
        """Written again, so that a mistake of plan.py does not pass as its own proof."""
        q = self.rule_of(c)
        return (q.vip_stages if c.vip and q.vip_stages else q.stages) or (Stage(0, q.skill),)

    def fits(self, a: Agent, c: Call) -> bool:
        if c.rung < 0:
            return a.id == c.own
        stage, city = self.ladder(c)[c.rung], dict(self.in_force.cities)
        there = stage.ring != "city" or c.city not in city.values() or city.get(a.id) == c.city
        return there and any(skill == stage.skill and min(level, 9) <= stage.level for skill, level in a.skills)

    def reads(self, ring: str, c: Call) -> str:
        stage = self.ladder(c)[c.rung]
        seated = stage.ring == "city" and c.city in dict(self.in_force.cities).values()
        name = f"{c.queue}:{stage.skill}:{stage.level}:"
        return name + (c.city if ring == "city" and seated else "*" if ring == "all" and not seated else "?")

    @invariant()
    def facts_tell_the_state(self) -> None:
        facts = self.both[0].facts()
        by_id: dict[str, Fact] = {}
        for fact in facts:
            first = by_id.setdefault(fact.id, fact)
            assert first is fact or fact.kind in SAID_AGAIN, "one id, two facts"
            assert (first.kind, first.call, first.agent) == (fact.kind, fact.call, fact.agent)
        last = {f.agent: f.body["state"] for f in facts if f.kind == "agent_changed"}
        seen: list[AgentSeen] = self.loop.run_until_complete(self.both[0].store.agents())
        assert last == {a.agent: a.state for a in seen}
        queues: list[QueueSeen] = self.loop.run_until_complete(self.both[0].store.queues())
        assert all(q.talking >= 0 for q in queues)


async def _outcome(store: Store, verb: str, words: tuple[Any, ...]) -> Any:
    try:
        return await getattr(store, verb)(*words)
    except RouterError as error:
        return type(error).__name__, str(error)


@pytest.mark.real
@chance.explored
def test_memory_and_redis_never_differ(redis_port: int) -> None:
    """Whatever is said in whatever order, both stores answer, book and tell the ledger the same, and nothing gets stuck."""
    Pair.port = redis_port
    deep = chance.examples(60)
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run = settings(max_examples=deep, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    Pair.TestCase.settings = run
    case = Pair.TestCase("runTest")
    case.runTest()
