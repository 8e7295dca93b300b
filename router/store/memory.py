"""The store in this process's memory: the model of router/core. For tests, simulation, and one router without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from router.core import verbs_agents, verbs_calls, verbs_nodes
from router.core.commands import Assert, End, Enqueue, From, Hello, RouteAsk, Rules, Times
from router.core.events import AgentSeen, Decision, Effect, Expired, NodeSeen, QueueSeen
from router.store.base import OnEffects, OnLook, OnNewer
from router.store.memory_overflow import MemoryOverflow
from router.store.steps import Done, result


class MemoryStore(MemoryOverflow):
    """See store/base.py for the verbs. Several routers of one process may share it."""

    def __init__(self, tenant: str, router: str, times: Times) -> None:
        super().__init__(tenant, router, times)
        self._boxes: dict[str, Callable[[bytes], None]] = {}
        self._newer: list[OnNewer] = []

    async def start(
        self, rules: Rules, on_effects: OnEffects, on_lost: Callable[[], None], on_newer: OnNewer | None = None
    ) -> None:
        """Take the rules; this store is never lost."""
        self._newer += [on_newer] if on_newer is not None else []
        on_effects(await self.sync_config(rules, self.desk.now))
        if self.desk.book.sha256 != rules.book.sha256:
            await self._tell_newer()

    async def close(self) -> None:
        """Nothing to end."""

    def login(self, agent: str, seat: str, skills: Sequence[tuple[str, int]], now_ms: int) -> Done:
        """At a seat."""
        return self._verb(None, now_ms, verbs_agents.login, agent, seat, skills)

    def logout(self, agent: str, now_ms: int) -> Done:
        """Gone."""
        return self._verb(None, now_ms, verbs_agents.logout, agent)

    def ready(self, agent: str, now_ms: int) -> Done:
        """Can take a call."""
        return self._verb(None, now_ms, verbs_agents.ready, agent)

    def not_ready(self, agent: str, reason: str, now_ms: int) -> Done:
        """Cannot."""
        return self._verb(None, now_ms, verbs_agents.not_ready, agent, reason)

    def end_after_call(self, agent: str, now_ms: int) -> Done:
        """Done with after-call work."""
        return self._verb(None, now_ms, verbs_agents.end_after_call, agent)

    def agent(self, agent: str, now_ms: int) -> Done:
        """As it is."""
        return self._verb(None, now_ms, verbs_agents.see, agent)

    def enqueue(self, by: From, what: Enqueue, now_ms: int) -> Done:
        """Into a line."""
        return self._verb(by, now_ms, verbs_calls.enqueue, by, what)

    def settle_answered(self, by: From, call: str, version: int, offer: str, answered_ms: int, now_ms: int) -> Done:
        """Bridged."""
        return self._verb(by, now_ms, verbs_calls.settle_answered, call, version, offer, answered_ms)

    def settle_failed(self, by: From, call: str, version: int, offer: str, reason: str, now_ms: int) -> Done:
        """Not bridged."""
        return self._verb(by, now_ms, verbs_calls.settle_failed, call, version, offer, reason)

    def cancel(self, by: From, call: str, version: int, reason: str, now_ms: int) -> Done:
        """The caller left the line."""
        return self._verb(by, now_ms, verbs_calls.cancel, call, version, reason)

    def end(self, by: From, what: End, now_ms: int) -> Done:
        """Over."""
        return self._verb(by, now_ms, verbs_calls.end, what)

    def callback(self, by: From, what: Enqueue, number: str, listed: Sequence[str], trunk: str, now_ms: int) -> Done:
        """To be called back."""
        return self._verb(by, now_ms, verbs_calls.callback, by, what, number, " ".join(listed), trunk)

    def dialling(self, by: From, call: str, version: int, offer: str, at_ms: int, trunk: str, now_ms: int) -> Done:
        """The customer's phone is called."""
        return self._verb(by, now_ms, verbs_calls.dialling, call, version, offer, at_ms, trunk)

    def assert_(self, by: From, what: Assert, now_ms: int) -> Done:
        """The node's truth."""
        return self._verb(by, now_ms, verbs_calls.assert_, by, what)

    def hello(self, what: Hello, now_ms: int) -> asyncio.Future[tuple[int, list[Effect]]]:
        """A node's session begins."""
        return self._step(From(what.node, 0), now_ms, verbs_nodes.hello, what)

    def heartbeat(self, by: From, draining: bool, calls: int, now_ms: int) -> Done:
        """A node lives."""
        return self._verb(by, now_ms, verbs_nodes.heartbeat, by, draining, calls)

    def expire(self, limit: int, now_ms: int) -> Awaitable[Expired]:
        """Serve timers."""
        return asyncio.ensure_future(result(self._step(None, now_ms, verbs_nodes.expire, limit)))

    async def sync_config(self, rules: Rules, now_ms: int) -> list[Effect]:
        """Bring a version of the rules into force; told to all routers that share this store."""
        was = self.desk.book.sha256
        effects = await self._verb(None, now_ms, verbs_nodes.sync_config, rules)
        if self.desk.book.sha256 != was:
            await self._tell_newer()
            self._tell_look(0)
        return effects

    async def _tell_newer(self) -> None:
        for on_newer in self._newer:
            await on_newer(self.desk.book.document)

    async def in_force(self) -> tuple[int, str]:
        """What the desk has."""
        return self.desk.generation, self.desk.book.sha256

    def route(self, ask: RouteAsk, now_ms: int) -> Awaitable[Decision]:
        """Where a call goes."""
        return asyncio.ensure_future(result(self._step(None, now_ms, verbs_nodes.route, ask)))

    async def queues(self) -> list[QueueSeen]:
        """All lines."""
        return [self.desk.see_queue(queue) for queue in sorted(self.desk.queues)]

    async def agents(self, only: Sequence[str] = ()) -> list[AgentSeen]:
        """Agents with their calls."""
        wanted = sorted(set(only) or self.desk.agents)
        return [self.desk.see(self.desk.agents[agent]) for agent in wanted if agent in self.desk.agents]

    async def nodes(self) -> list[NodeSeen]:
        """All media nodes."""
        return [self.desk.see_node(self.desk.nodes[node]) for node in sorted(self.desk.nodes)]

    def publish(self, holder: str, payload: bytes) -> None:
        """Hand a frame to another router of this process."""
        if holder in self._boxes:
            self._boxes[holder](payload)

    async def subscribe(self, holder: str, on_payload: Callable[[bytes], None], on_look: OnLook = lambda _: None) -> None:
        """Get frames from other routers of this process, and words to look at timers."""
        self._boxes[holder] = on_payload
        self._looks.append(on_look)
