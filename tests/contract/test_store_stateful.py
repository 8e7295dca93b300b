"""Both stores, the same random messages: same answers, same facts, same lines, and the invariants of each step."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ops.facts import Fact
from router.core.commands import Assert, End, Enqueue, From, Hello, QueueRule, Rules
from router.core.errors import RouterError
from router.core.events import AgentSeen, Offer, QueueSeen
from router.store.base import Store
from tests.contract.stores import QUEUES, RULES, START, World, frames_of, memory_world, redis_world

AGENTS = st.sampled_from(["a1", "a2", "a3"])
CALLS = st.sampled_from(["c1", "c2", "c3", "c4", "c5"])
NODES = st.sampled_from(["m1", "m2"])
LINES = st.sampled_from(["sales", "vip", "tech"])
REASONS = st.sampled_from(["REASON_NO_ANSWER", "REASON_BUSY", "REASON_UNREACHABLE", "REASON_CALLER_LEFT"])
SKILLS = st.sampled_from([(("sales", 1),), (("sales", 2), ("tech", 1)), (("tech", 2),)])
BUMP = st.sampled_from([0, 1, 1, 1])  # versions: a repeat now and then
SAID_AGAIN = ("enqueued", "offered", "bridged")  # by re-assertion, under the same id on purpose
OTHER = Rules(2, "two", (QueueRule("sales", "tech", 10, 20_000, 0), QueueRule("tech", "tech", 20, 15_000, 5_000)), ())
BACK = Rules(3, "three", QUEUES, ())


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
        self.sessions = {"m1": 1, "m2": 0}
        self.epochs = {"m1": START, "m2": START}
        self.versions: Counter[str] = Counter()
        self.said: dict[str, Enqueue] = {}
        self.offers: list[tuple[str, str, str]] = [("c1", f"c1.{START}.1", "a1")]

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

    @initialize()
    def begin(self) -> None:
        self.hello("m2", 0)

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

    @rule(agent=AGENTS, verb=st.sampled_from(["logout", "ready", "ready", "ready", "end_after_call", "agent"]))
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

    @rule(rules=st.sampled_from([RULES, OTHER, BACK]))
    @precondition(lambda self: self.now % 3 == 0)
    def configure(self, rules: Rules) -> None:
        self.same("sync_config", rules)

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
            assert lines == ([c.queue] if c.state == "waiting" else []), f"{c} stands in {lines}"
            assert holds[c.id] == (c.state in ("offered", "talking")), f"{c} held by {holds[c.id]}"
            assert (f"o:{c.id}" in dict(raw.due)) == (c.state == "offered")
        talks = Counter(c.queue for c in d.calls.values() if c.state == "talking")
        assert raw.talking == dict(sorted(talks.items()))

    @invariant()
    def agents_stand_where_they_are(self) -> None:
        d = self.both[0].store.desk  # type: ignore[attr-defined]  # the memory store's
        raw = self.both[0].raw()
        for a in d.agents.values():
            under = {pool.split(":")[1] for pool, line in raw.pools.items() if a.id in dict(line)}
            assert under == ({s for s, _ in a.skills} if a.state == "ready" else set())
            assert (f"a:{a.id}" in dict(raw.due)) == (a.state == "after_call")
        for queue in raw.wait:
            assert not d.ready(d.queues[queue].skill), f"{queue} waits with agents ready"

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
def test_memory_and_redis_never_differ(redis_port: int) -> None:
    """Whatever is said in whatever order, both stores answer, book and tell the ledger the same, and nothing gets stuck."""
    Pair.port = redis_port
    deep = int(os.environ.get("TIERLINE_EXAMPLES", "60"))
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run = settings(max_examples=deep, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    Pair.TestCase.settings = run
    case = Pair.TestCase("runTest")
    case.runTest()
