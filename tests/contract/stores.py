"""Both stores behind one face, with what the tests look at besides the verbs: facts and the raw lines."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

import redis

from ops import facts as facts_
from ops import keys as shared
from ops.clock import ManualClock
from ops.facts import Fact
from router.core.commands import Assert, Enqueue, From, Hello, QueueRule, Rules, Times
from router.core.desk import Desk
from router.core.events import AgentSeen, Effect, Frame, Offer, ToNode
from router.store.base import Store
from router.store.keys import key
from router.store.memory import MemoryStore
from router.store.redis import Place, RedisStore

TENANT = "main"
START = 1_760_000_000_000
TIMES = Times(
    lost_ms=10_000,
    grace_ms=3_000,
    gap_ms=3_000,
    keep_ms=300_000,
    callback_every_ms=20_000,
    callback_number_day=50,
    callback_day=80,
)
QUEUES = (
    QueueRule("sales", "sales", 10, 20_000, 10_000),
    QueueRule("vip", "sales", 50, 20_000, 10_000),
    QueueRule("tech", "tech", 10, 15_000, 0),
)
RULES = Rules(1, "one", QUEUES, (("=+8613800000001", 0), ("^13700", 0), ("=+8613800000002", START + 60_000)))
Client = Any  # redis.Redis: its stubs give every answer as a union with str, None and awaitables
Lines = dict[str, list[tuple[str, float]]]


@dataclass
class Raw:
    """Lines and counters as they lie in the store."""

    wait: Lines
    lines: Lines
    pools: Lines
    due: list[tuple[str, float]]
    talking: dict[str, int]
    staffed: dict[str, int]
    flows: dict[str, int]  # "<what>:<queue>"
    clocks: dict[str, float]


def raw_memory(store: MemoryStore) -> Raw:
    d = store.desk

    def lines(of: dict[str, Any]) -> Lines:
        return {name: [(m, at) for at, m in line] for name, line in sorted(of.items()) if len(line)}

    names = ("handling", "waited", "gone")
    flows = {f"{name}:{queue}": getattr(flow, name) for queue, flow in d.flows.items() for name in names}
    made = (lines(d.wait), lines(d.lines), lines(d.pools), [(m, at) for at, m in d.due])
    return Raw(*made, _some(d.talking), _some(d.staffed), _some(flows), _some(d.clocks))


def _some(numbers: dict[str, Any]) -> dict[str, Any]:
    """Those that are not 0, by name."""
    return {name: n for name, n in sorted(numbers.items()) if n}


def raw_redis(client: Client) -> Raw:
    def lines(kind: str) -> Lines:
        start = key(TENANT, kind) + ":"
        names = sorted(k.decode() for k in client.keys(start + "*"))
        return {n.removeprefix(start): _line(client, n) for n in names}

    def numbers(kind: str) -> dict[str, Any]:
        return _some({name.decode(): float(n) for name, n in client.hgetall(key(TENANT, kind)).items()})

    made = (lines("wait"), lines("line"), lines("ready"), _line(client, key(TENANT, "due")))
    return Raw(*made, numbers("talking"), numbers("staffed"), numbers("flow"), numbers("clock"))


def _line(client: Client, name: str) -> list[tuple[str, float]]:
    return [(m.decode(), at) for m, at in client.zrange(name, 0, -1, withscores=True)]


@dataclass
class Saved:
    """What is on Redis's disk."""

    desk: bytes = b""
    facts: tuple[Fact, ...] = ()
    keys: dict[bytes, bytes] = field(default_factory=dict)


def _frozen(desk: Desk) -> Saved:
    """The desk as bytes; its facts, which never change and are many, apart."""
    facts, desk.facts = desk.facts, []
    try:
        return Saved(pickle.dumps(desk), tuple(facts))
    finally:
        desk.facts = facts


class World:
    """One store and a clock moved by hand; `node` is a session that has said hello."""

    def __init__(self, store: Store, client: Client | None, clock: ManualClock | None = None) -> None:
        self.store = store
        self.client = client
        self.clock = clock or ManualClock(START)
        self.node = From("m1", 0)
        self.versions: dict[str, int] = {}

    @property
    def now(self) -> int:
        return self.clock.now_ms()

    async def open(self, rules: Rules = RULES) -> World:
        await self.store.start(rules, lambda _: None, lambda: None)
        if isinstance(self.store, RedisStore):
            await self.store.connected.wait()
        await self.store.expire(100, self.now)
        self.node = await self.hello("m1")
        return self

    async def hello(self, node: str, epoch: int = START, holder: str = "r1-x", draining: bool = False, calls: int = 0) -> From:
        session, self.effects = await self.store.hello(Hello(node, f"sip:{node}:5200", epoch, draining, calls, holder), self.now)
        return From(node, session)

    def wipe(self) -> None:
        """The store forgets everything, the rules too (a Redis that came back empty)."""
        if self.client is not None:
            self.client.flushall()
        else:
            self.store = MemoryStore(TENANT, "r1", TIMES)

    def save(self) -> Saved:
        """The store as it is now, as on disk."""
        if self.client is None:
            assert isinstance(self.store, MemoryStore)
            return _frozen(self.store.desk)
        names = self.client.keys("*")
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            pipe.dump(name)
        return Saved(keys=dict(zip(names, pipe.execute(), strict=True)))

    def restore(self, saved: Saved) -> None:
        """What was written since is gone, as when Redis is killed (appendfsync everysec)."""
        if self.client is None:
            assert isinstance(self.store, MemoryStore)
            self.store.desk = pickle.loads(saved.desk)
            self.store.desk.facts = list(saved.facts)
            return
        pipe = self.client.pipeline(transaction=False)
        pipe.flushall()
        for name, value in saved.keys.items():
            pipe.restore(name, 0, value)
        pipe.execute()

    async def wipe_and_return(self) -> None:
        """The same, and the router has given it the rules, and the node has said hello."""
        self.wipe()
        await self.store.sync_config(RULES, self.now)
        await self.store.expire(100, self.now)
        self.node = await self.hello("m1")

    def texts(self) -> list[str]:
        """The facts as they travel: what Lua wrote, letter by letter."""
        if self.client is None:
            assert isinstance(self.store, MemoryStore)
            return [facts_.encode(fact) for fact in self.store.desk.facts]
        return [entry[b"f"].decode() for _, entry in self.client.xrange(shared.facts(TENANT))]

    def facts(self) -> list[Fact]:
        if self.client is None:
            assert isinstance(self.store, MemoryStore)
            return list(self.store.desk.facts)
        return [facts_.decode(text) for text in self.texts()]

    def kinds(self, since: int = 0) -> list[str]:
        return [f.kind for f in self.facts()[since:]]

    def raw(self) -> Raw:
        if self.client is None:
            assert isinstance(self.store, MemoryStore)
            return raw_memory(self.store)
        return raw_redis(self.client)

    # ---- short ways to say what the tests say often
    async def agent(self, agent: str, seat: str = "", ready: bool = True, **levels: int) -> AgentSeen:
        seen = view(await self.store.login(agent, seat or f"8{agent}", tuple((levels or {"sales": 1}).items()), self.now))
        return view(await self.store.ready(agent, self.now)) if ready else seen

    async def agent_effects(self, agent: str, **levels: int) -> list[Effect]:
        """Log in and be ready: all that the ready told."""
        await self.store.login(agent, f"8{agent}", tuple((levels or {"sales": 1}).items()), self.now)
        return await self.store.ready(agent, self.now)

    def version(self, call: str) -> int:
        self.versions[call] = self.versions.get(call, 0) + 1
        return self.versions[call]

    def words(self, call: str, queue: str = "sales", priority: int = -1, entered: int = 0, version: int = 0) -> Enqueue:
        return Enqueue(call, version or self.version(call), queue, priority, entered or self.now, b"")

    async def enqueue(self, call: str, queue: str = "sales", **more: int) -> list[Effect]:
        return await self.store.enqueue(self.node, self.words(call, queue, **more), self.now)

    async def offer(self, call: str, queue: str = "sales", **more: int) -> Offer:
        """Enqueue with somebody free: the offer."""
        return offer_in(await self.enqueue(call, queue, **more))

    async def answered(self, offer: Offer, at: int = 0) -> list[Effect]:
        return await self.store.settle_answered(
            self.node, offer.call, self.version(offer.call), offer.offer, at or self.now, self.now
        )

    async def failed(self, offer: Offer, reason: str) -> list[Effect]:
        return await self.store.settle_failed(self.node, offer.call, self.version(offer.call), offer.offer, reason, self.now)

    async def asserted(self, what: Assert) -> list[Effect]:
        return await self.store.assert_(self.node, what, self.now)

    async def expire(self, ms: int, beat: bool = True) -> tuple[Effect, ...]:
        """Let time pass in small steps, as running routers do, with the node's heartbeats; what the timers did."""
        effects: tuple[Effect, ...] = ()
        end = self.now + ms
        while self.now < end:
            self.clock.advance(min(1000, end - self.now))
            if beat:
                await self.store.heartbeat(self.node, False, 1, self.now)
            effects += (await self.store.expire(100, self.now)).effects
        return effects

    async def see(self, agent: str) -> AgentSeen:
        return view(await self.store.agent(agent, self.now))

    async def place(self, call: str) -> tuple[str, str]:
        """("waiting", queue), ("offered" or "talking", agent), or ("", "")."""
        raw = self.raw()
        found = [("waiting", queue) for queue, line in raw.wait.items() if call in dict(line)]
        for a in await self.store.agents():
            if a.call and a.call.call == call and a.state in ("offered", "talking"):
                found.append((a.state, a.agent))
        assert len(found) <= 1, f"{call} in two places: {found}"
        return found[0] if found else ("", "")


def view(effects: list[Effect]) -> AgentSeen:
    """The agent among the effects."""
    return next(e for e in effects if isinstance(e, AgentSeen))


def frames_of(effects: list[Effect] | tuple[Effect, ...]) -> list[Frame]:
    """The frames among the effects."""
    return [e.frame for e in effects if isinstance(e, ToNode)]


def offer_in(effects: list[Effect] | tuple[Effect, ...]) -> Offer:
    """The one offer among the effects."""
    (offer,) = [f for f in frames_of(effects) if isinstance(f, Offer)]
    return offer


def memory_world() -> World:
    return World(MemoryStore(TENANT, "r1", TIMES), None)


def redis_world(port: int) -> World:
    client = redis.Redis(port=port)
    client.flushall()
    clock = ManualClock(START)
    return World(RedisStore(Place(f"redis://127.0.0.1:{port}/0", TENANT, "r1", TIMES), clock), client, clock)
