"""A centre in virtual time: one store, two routers, two media nodes, agents, and everything that may go wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from media.call.call import State
from media.call.frames import Assert, Held
from ops.ids import LegId
from router.core.commands import QueueRule, Rules, Stage
from router.core.errors import RouterError
from router.core.events import Effect
from tests.contract.stores import World
from tests.kit.link import Link
from tests.properties import checks
from tests.properties.elsewhere import Elsewhere
from tests.properties.media import QUEUES, MediaNode
from tests.properties.net import End, Net
from tests.properties.routers import Router, VirtualLoop

AGENTS = ("a1", "a2", "a3")
SKILLS = ((("one", 1),), (("one", 2), ("two", 1)), (("two", 2),))
RINGS = (Stage(0, "one", 1, "city"), Stage(1_500, "one", 1), Stage(4_000, "one"))
ABROAD = (Stage(0, "one"), Stage(700, "one", 9, "nation"))
CITIES = (("a1", "wuhan"), ("a2", "yichang"))


def _rules(name: str, *queues: QueueRule, **more: Any) -> Rules:
    return Rules(1, name, queues, (), **more)


VERSIONS = (
    _rules(
        "plain",
        QueueRule("general", "one", 10, 1_000, 500),
        QueueRule("bills", "one", 12, 800, 0),
        QueueRule("tech", "two", 10, 1_500, 1_000),
    ),
    _rules(
        "rings",
        QueueRule("general", "one", 10, 1_000, 500, "longest_idle", RINGS, (Stage(0, "two"),), own_ms=2_000),
        QueueRule("bills", "one", 12, 800, 0, "fewest_calls", ABROAD, max_waiting=3),
        QueueRule("tech", "two", 10, 1_500, 1_000, max_wait_ms=9_000),
        cities=CITIES,
    ),
    _rules(
        "abroad",
        QueueRule("general", "one", 10, 1_000, 500, "weighted_random", ABROAD, own_ms=1_000),
        QueueRule("bills", "two", 12, 800, 0, "longest_average_idle", (Stage(0, "two", 1), Stage(2_000, "one"))),
        QueueRule("tech", "two", 10, 1_500, 1_000, stages=(Stage(0, "two", 9, "nation"),)),
        weights=(("a1", 3),),
        priority_worth_ms=1_000,
    ),
)
RULES = VERSIONS[0]
SAVED_MS = 900  # Redis forgets at most so much when it is killed (appendfsync everysec)
CALM_MS = 16_000  # after the last fault: nodes are found lost after 10 s, offers nobody answers give up


def _ends(rules: Rules) -> set[str]:
    """Class lines of the last rungs of all ladders: who stands there waits for nothing but an agent."""
    ladders = [(q, stages) for q in rules.queues for stages in (q.stages or (Stage(0, q.skill),), q.vip_stages) if stages]
    return {f"{q.id}:{stages[-1].skill}:{stages[-1].level}:*" for q, stages in ladders}


class Centre:
    """All of it. Every public method is something that happens; `check` holds after each."""

    def __init__(self, world: World, loop: VirtualLoop) -> None:
        self.world, self.loop = world, loop
        self.rules = self.in_force = RULES  # in the rulebook; in the store, which hears of them from a router
        self.run(lambda: world.open(RULES))
        self.net = Net(Link(world.clock, delay_ms=1))
        self.net.choose = self._router
        self.elsewhere = Elsewhere(world, lambda verb, *words: self._verb(lambda: getattr(world.store, verb)(*words)))
        self.routers = [Router(self.net, world, self.run, name, self.elsewhere) for name in ("r1", "r2")]
        phones: dict[str, tuple[str, LegId]] = {}
        self.nodes = [MediaNode(self.net, name, phones) for name in ("m1", "m2")]
        self._count = 0
        self.faulty = True
        self._save()
        self.pass_ms(300)

    def run(self, verb: Callable[[], Any]) -> Any:
        """One verb of the store, to its end."""

        async def asked() -> Any:
            return await verb()

        return self.loop.run_until_complete(asked())

    def _router(self, client: End, tries: int) -> Router | None:
        router = self.routers[tries % len(self.routers)]
        return router if router.alive else None

    # ---- what happens ------------------------------------------------------------------------------------------------
    def pass_ms(self, ms: int) -> None:
        """Time, in steps that Redis saves in."""
        while ms > 0:
            step = min(ms, SAVED_MS)
            for router in self.routers:
                router.others = {other.holder: other for other in self.routers if other is not router and other.alive}
            self.net.link.run(step)
            ms -= step
            if self.faulty and self.net.now - self.saved_at >= SAVED_MS:
                self._save()

    def arrives(self, node: int, key: int) -> None:
        """A caller, who presses a key."""
        self._count += 1
        call = f"01990000-0000-7000-8000-{self._count:012d}"
        self._node(node).comes(call, str(key % len(QUEUES)), self._count % 6)

    def leaves(self, node: int, which: int) -> None:
        """A caller hangs up, wherever the call is."""
        self._one(node, which, lambda n, call: n.leaves(call), *State)

    def goes_back(self, node: int, which: int) -> None:
        """A caller presses 9 and then another key."""
        self._one(node, which, lambda n, call: n.presses(call, "9"), State.QUEUEING, State.RINGING)
        self._one(node, which, lambda n, call: n.presses(call, "1"), State.MENU)

    def wants_callback(self, node: int, which: int) -> None:
        """A caller who was told so presses the key of the callback, and hangs up."""
        self._one(node, which, lambda n, call: n.presses(call, "1"), State.QUEUEING, State.RINGING)

    def rules_change(self, which: int, _: int) -> None:
        """Another version of the rules comes into force."""
        self.rules = replace(VERSIONS[which % len(VERSIONS)], generation=self.rules.generation + 1)
        self._sync()

    def _sync(self) -> None:
        """A router that serves tells the store the rules, as each does when they change and when it connects."""
        if any(router.serves for router in self.routers):
            self._verb(lambda: self.world.store.sync_config(self.rules, self.net.now))
            self.in_force = self.rules

    def elsewhere_answers(self, how: int, _: int) -> None:
        """Another centre has an agent for a call of ours, or none."""
        self.elsewhere.answers(how)

    def elsewhere_gives_up(self, which: int, _: int) -> None:
        """Its agent does not pick up, or hangs up."""
        self.elsewhere.gives_up(which)

    def guest_asks(self, which: int, _: int) -> None:
        """Another centre wants an agent of ours."""
        self.elsewhere.guest_asks(which)

    def guest_goes_on(self, which: int, how: int) -> None:
        """What became of it."""
        self.elsewhere.guest_goes_on(which, how)

    def puts_down(self, node: int, which: int) -> None:
        """An agent hangs up."""
        self._one(node, which, lambda n, call: n.puts_down(call), State.TALKING)

    def seat(self, node: int, how: int) -> None:
        """A seat that rings: answered, mostly."""
        n = self._node(node)
        if ringing := n.ringing():
            call, leg = ringing[how % len(ringing)]
            if how % 4 == 3:
                n.declines(call, leg, (480, 486, 503)[how % 3])
            else:
                n.picks_up(call, leg)

    def agent(self, who: int, what: int) -> None:
        """A button at the console."""
        agent, now, store = AGENTS[who % len(AGENTS)], self.net.now, self.world.store
        verbs: tuple[Callable[[], Any], ...] = (
            lambda: store.ready(agent, now),
            lambda: store.ready(agent, now),
            lambda: store.login(agent, f"8-{agent}", SKILLS[who % len(SKILLS)], now),
            lambda: store.not_ready(agent, "lunch", now),
            lambda: store.end_after_call(agent, now),
            lambda: store.logout(agent, now),
            lambda: store.login(agent, f"9-{agent}", SKILLS[(who + 1) % len(SKILLS)], now),
        )
        self._ask(verbs[what % len(verbs)], times=1 + (who + what) % 2)

    def all_ready(self, first: int, _: int) -> None:
        """Everybody clicks, one after the other."""
        for who in range(len(AGENTS)):
            self.agent(first + who, 0)

    def _ask(self, verb: Callable[[], Any], times: int = 1) -> None:
        """By a router that serves; with times 2 its answer is lost and the console asks the other one as well."""
        for router in [r for r in self.routers if r.serves][:times]:
            try:
                router.deliver(self.run(verb))
            except RouterError:
                return  # the state does not take it

    def _verb(self, verb: Callable[[], Any]) -> Any:
        """Some router does it, if one serves, and delivers what follows; what else it answers."""
        for router in [r for r in self.routers if r.serves][:1]:
            try:
                found = self.run(verb)
            except RouterError:
                return None
            pair = isinstance(found, tuple) and len(found) == 2
            effects: list[Effect] = found[1] if pair else found
            router.deliver(effects)
            return found[0] if pair else found
        return None

    def repeats(self, node: int, _: int) -> None:
        """A node says again what it owes."""
        self._node(node).repeat()

    def slow(self, ms: int, times: int) -> None:
        """The next few datagrams take long, those behind them do not; letters between routers are overtaken."""
        self.net.link.slow(lambda data: True, 40 * (ms + 1), times + 1)

    def doubled(self, _: int, times: int) -> None:
        """The next few datagrams come twice."""
        self.net.link.duplicate(lambda data: True, times + 1, apart_ms=30)

    def stream_breaks(self, node: int, _: int) -> None:
        """A connection is reset; what was on its way to the node is lost."""
        stream = self._node(node).stream
        if stream is not None:
            stream.cut()

    def router_goes_mute(self, router: int, ms: int) -> None:
        """It does what it is asked and then dies before it has answered."""
        r = self.routers[router % 2]
        r.mute = True
        self.pass_ms(20 * (ms + 1))
        r.dies()

    def router_stalls(self, router: int, ms: int) -> None:
        """SIGSTOP."""
        self.routers[router % 2].stalls(700 * (ms + 1))

    def router_comes_back(self, router: int, _: int) -> None:
        """A dead one is started."""
        self.routers[router % 2].comes_back()
        self._sync()

    def node_dies(self, node: int, _: int) -> None:
        """kill -9 of a media node."""
        self._node(node).dies()

    def redis_dies(self, _: int, ms: int) -> None:
        """kill -9: what was written since the last save is gone; the streams are closed."""
        for router in self.routers:
            router.drop_all()
        self.world.restore(self.saved)
        self.in_force = self.saved_rules
        self.world.clock.advance(50 * (ms + 1))
        self._sync()

    def _node(self, which: int) -> MediaNode:
        return self.nodes[which % len(self.nodes)]

    def _one(self, node: int, which: int, act: Callable[[MediaNode, str], None], *states: State) -> None:
        n = self._node(node)
        calls = n.of(*(s for s in states if s not in (State.CLOSING, State.ENDED)))
        if calls:
            act(n, calls[which % len(calls)])

    # ---- Redis's disk --------------------------------------------------------------------------------------------------
    def _save(self) -> None:
        self.saved, self.saved_rules, self.saved_at = self.world.save(), self.in_force, self.net.now

    # ---- what must hold ------------------------------------------------------------------------------------------------
    def check(self) -> None:
        """See checks.py."""
        self.where = checks.check(self.books())

    def books(self) -> checks.Books:
        """All that lies in the store."""
        store = self.world.store
        away = self.run(lambda: store.placements(self.net.now))
        return checks.Books(self.world.facts(), self.run(store.agents), self.world.raw(), away, _ends(self.in_force))

    def calm(self) -> None:
        """No more faults, and the time that repair may take."""
        for router in self.routers:
            router.comes_back()
            router.stalled_until, router.mute = 0, False
        self._sync()
        self.faulty = False
        self.pass_ms(CALM_MS)

    def close(self) -> None:
        """No router is left."""
        for router in self.routers:
            router.dies()

    def truths(self) -> dict[str, checks.Where]:
        """Where each call is by its node: what people hear."""
        found: dict[str, checks.Where] = {}
        for node in self.nodes:
            for held in node.held():
                found[held.call] = self._truth(node.calls[held.call].call.state, held)
        return found

    def _truth(self, state: State, held: Assert) -> checks.Where:
        """A seat elsewhere rings beside the line; an agent who calls a customer talks by the books."""
        away = "@" in held.agent
        if held.state is Held.WAITING or (held.state is Held.RINGING and away):
            return "waiting", held.enqueue.queue
        if held.state is Held.TALKING or state is State.DIALLING:
            return "talking", checks.AWAY if away else held.agent
        return "offered", held.agent

    def places(self) -> dict[str, checks.Where]:
        """Where each call is by the books."""
        self.check()
        return self.where

    def kept(self) -> set[str]:
        """Calls by the books that no node of ours holds: who is to be called back, and guests."""
        back = {fact.call for fact in self.world.facts() if fact.kind == "callback_asked"}
        return {call for call, (state, _) in self.places().items() if call[0] == "g" or (state == "waiting" and call in back)}
