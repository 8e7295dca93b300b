"""A centre in virtual time: one store, two routers, two media nodes, agents, and everything that may go wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from media.call.call import State
from ops.ids import LegId
from router.core.commands import QueueRule, Rules
from router.core.errors import RouterError
from tests.contract.stores import World
from tests.kit.link import Link
from tests.properties import checks
from tests.properties.media import QUEUES, MediaNode
from tests.properties.net import End, Net
from tests.properties.routers import Router

AGENTS = ("a1", "a2", "a3")
SKILLS = ((("one", 1),), (("one", 2), ("two", 1)), (("two", 2),))
RULES = Rules(
    1,
    "one",
    (
        QueueRule("general", "one", 10, 1_000, 500),
        QueueRule("bills", "one", 12, 800, 0),
        QueueRule("tech", "two", 10, 1_500, 1_000),
    ),
    (),
)
SAVED_MS = 900  # Redis forgets at most so much when it is killed (appendfsync everysec)
CALM_MS = 16_000  # after the last fault: nodes are found lost after 10 s, offers nobody answers give up


class Centre:
    """All of it. Every public method is something that happens; `check` holds after each."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.world, self.loop = world, loop
        self.run(lambda: world.open(RULES))
        self.net = Net(Link(world.clock, delay_ms=1))
        self.net.choose = self._router
        self.routers = [Router(self.net, world, self.run, name) for name in ("r1", "r2")]
        phones: dict[str, tuple[str, LegId]] = {}
        self.nodes = [MediaNode(self.net, name, phones) for name in ("n1", "n2")]
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
        self._node(node).comes(call, str(key % len(QUEUES)))

    def leaves(self, node: int, which: int) -> None:
        """A caller hangs up, wherever the call is."""
        self._one(node, which, lambda n, call: n.leaves(call), *State)

    def goes_back(self, node: int, which: int) -> None:
        """A caller presses 9 and then another key."""
        self._one(node, which, lambda n, call: n.presses(call, "9"), State.QUEUEING, State.RINGING)
        self._one(node, which, lambda n, call: n.presses(call, "1"), State.MENU)

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

    def node_dies(self, node: int, _: int) -> None:
        """kill -9 of a media node."""
        self._node(node).dies()

    def redis_dies(self, _: int, ms: int) -> None:
        """kill -9: what was written since the last save is gone; the streams are closed."""
        for router in self.routers:
            router.drop_all()
        self.world.restore(self.saved)
        self.world.clock.advance(50 * (ms + 1))

    def _node(self, which: int) -> MediaNode:
        return self.nodes[which % len(self.nodes)]

    def _one(self, node: int, which: int, act: Callable[[MediaNode, str], None], *states: State) -> None:
        n = self._node(node)
        calls = n.of(*(s for s in states if s not in (State.CLOSING, State.ENDED)))
        if calls:
            act(n, calls[which % len(calls)])

    # ---- Redis's disk --------------------------------------------------------------------------------------------------
    def _save(self) -> None:
        self.saved, self.saved_at = self.world.save(), self.net.now

    # ---- what must hold ------------------------------------------------------------------------------------------------
    def check(self) -> None:
        """See checks.py."""
        checks.check(self.world.facts(), self.run(self.world.store.agents), self.world.raw())

    def calm(self) -> None:
        """No more faults, and the time that repair may take."""
        for router in self.routers:
            router.comes_back()
            router.stalled_until, router.mute = 0, False
        self.faulty = False
        self.pass_ms(CALM_MS)

    def truths(self) -> dict[str, checks.Where]:
        """Where each call is by its node: what people hear."""
        found: dict[str, checks.Where] = {}
        for node in self.nodes:
            for held in node.held():
                waits = held.state.value == "waiting"
                state = {"ringing": "offered"}.get(held.state.value, held.state.value)
                found[held.call] = (state, held.enqueue.queue if waits else held.agent)
        return found

    def places(self) -> dict[str, checks.Where]:
        """Where each call is by the books."""
        return checks.places(self.run(self.world.store.agents), self.world.raw())
