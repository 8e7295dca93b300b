"""What changes goes to whom it matters: facts mark agents and queues as changed, one question to the router a tick, a push each.

Nobody watches: nobody is asked. A slow browser gets the latest state, never a queue of old ones. When facts do not come (Redis
away, far behind, just started) the hub asks for everything once a second instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from console.live.router import RouterAway, RouterFault, Routers, UnknownAgent
from console.live.views import Json, agent_json, queue_json
from ops.centre import CentreConfig
from ops.clock import Clock
from ops.facts import Fact

log = logging.getLogger(__name__)
TICK_S = 0.1  # at most one question a tick
POLL_MS = 1000  # everything is asked for so often while facts do not come
RESYNC_MS = 30_000  # and so often anyway, while a supervisor watches
PROBE_MS = 3000  # the router is asked something at least so often while anybody watches, to see whether it is there


@dataclass(eq=False, slots=True)
class Watcher:
    """One browser. `agent`: it sees this one only; "": it sees the board. Wait for `wake`, then `take`."""

    agent: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    agents: set[str] = field(default_factory=set)  # changed and not yet taken
    queues: bool = False
    calls: bool = False
    router: bool = False  # the router went or came
    rules: bool = False  # names may have changed
    greeted: bool = False  # has had the whole board

    def touch(self, agents: Iterable[str], queues: bool = False) -> None:
        """Mark what changed, as far as this browser may see it."""
        if self.agent:
            self.agents |= {self.agent} & set(agents)
        else:
            self.agents |= set(agents)
            self.queues |= queues
        if self.agents or self.queues:
            self.wake.set()


class Hub:
    """Keeps the latest state of what is watched."""

    def __init__(self, config: CentreConfig, routers: Routers, clock: Clock, smooth: Callable[[], bool]) -> None:
        self.routers, self.clock, self.smooth = routers, clock, smooth
        self.watchers: set[Watcher] = set()
        self.take(config)
        self.agents: dict[str, Json] = {}
        self.queues: dict[str, Json] = {}
        self._dirty: set[str] = set()
        self._queues_dirty = False
        self._all = False
        self._probe = False
        self._asked_ms = self._asked_all_ms = 0
        self._skew_ms = 0  # router's clock less ours
        self._router_was = True
        self._work = asyncio.Event()

    def take(self, config: CentreConfig) -> None:
        """Names and order as this version of the rules has them; pages ask for theirs anew."""
        self.names = {agent.id: agent.name for agent in config.agent}
        self.queue_order = {queue.id: n for n, queue in enumerate(config.queue)}
        self._anyone = config.agent[0].id if config.agent else "-"
        for watcher in self.watchers:
            watcher.rules = True
            watcher.wake.set()

    # ---- in ----
    def feed(self, facts: Sequence[Fact]) -> None:
        """Facts as they are read from the stream."""
        if not self.watchers:
            return
        self._dirty.update([fact.agent for fact in facts if fact.agent])
        self._queues_dirty |= any(fact.source.startswith("router") for fact in facts)
        self._work.set()

    def stored(self) -> None:
        """The ledger has news: call lists may be read again."""
        for watcher in self.watchers:
            if not watcher.agent:
                watcher.calls = True
                watcher.wake.set()

    def learn(self, view: Json) -> None:
        """A verb's answer: at once on every page, without waiting for its fact."""
        self._keep_agent(view)
        self._queues_dirty = True
        self._work.set()

    def watch(self, watcher: Watcher) -> None:
        """A browser comes: it is told everything it may see as soon as it is known."""
        self.watchers.add(watcher)
        if watcher.agent:
            self._dirty.add(watcher.agent)
        else:
            self._all = True
        self._work.set()

    def leave(self, watcher: Watcher) -> None:
        """A browser goes. With the last one goes what was known: nobody keeps it fresh."""
        self.watchers.discard(watcher)
        if not self.watchers:
            self.agents.clear()
            self.queues.clear()

    # ---- out ----
    def now_ms(self) -> int:
        """Time as the router has it, for timers on the page."""
        return self.clock.now_ms() + self._skew_ms

    def board(self, agents: Iterable[str] | None = None) -> Json:
        """The board as JSON: all queues in the configured order, these agents (None: all)."""
        chosen = self.agents.values() if agents is None else [self.agents[name] for name in agents if name in self.agents]
        return {
            "queues": sorted(self.queues.values(), key=lambda row: (self.queue_order.get(row["queue"], 10**6), row["queue"])),
            "agents": sorted(chosen, key=lambda row: str(row["agent"])),
            "now_ms": self.now_ms(),
        }

    # ---- the loop ----
    async def run(self) -> None:
        """Ask and push until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_MS / 1000 if self.watchers else None):
                    await self._work.wait()
            self._work.clear()
            if self.watchers:
                self._overdue()
                await self._refresh()
                await asyncio.sleep(TICK_S)

    @property
    def _supervised(self) -> bool:
        return any(not watcher.agent for watcher in self.watchers)

    def _overdue(self) -> None:
        """What must be asked for without a fact: everything while facts do not come, now and then anyway; a sign of life."""
        now = self.clock.mono_ms()
        blind = (not self.smooth() or not self.routers.up) and now - self._asked_ms >= POLL_MS
        self._all |= blind or now - self._asked_all_ms >= RESYNC_MS
        if blind:
            self._dirty |= {watcher.agent for watcher in self.watchers if watcher.agent}
        self._probe = now - self._asked_ms >= PROBE_MS

    async def _refresh(self) -> None:
        """One question for all that changed since the last."""
        supervised = self._supervised
        everything = self._all and supervised
        dirty = self._dirty if supervised else self._dirty & {watcher.agent for watcher in self.watchers}
        needed = everything or dirty or self._probe or (self._queues_dirty and supervised)
        self._all, self._queues_dirty, self._dirty = False, False, set()
        if not needed:
            return
        try:
            await self._ask(everything, dirty)
        except (RouterAway, RouterFault) as error:
            log.warning("no board from the router", extra={"why": str(error)[:200]})
            self._all |= everything
            self._dirty |= dirty
        self._tell_router()

    async def _ask(self, everything: bool, dirty: set[str]) -> None:
        self._asked_ms = self.clock.mono_ms()
        try:
            board = await self.routers.board([] if everything else sorted(dirty) or [self._anyone])
        except UnknownAgent:
            board = await self.routers.board()
        self._skew_ms = board.now_ms - self.clock.now_ms() if board.now_ms else 0
        for queue in board.queues:
            row = queue_json(queue)
            if self.queues.get(queue.queue) != row:
                self.queues[queue.queue] = row
                self._touch((), queues=True)
        for view in board.agents:
            self._keep_agent(agent_json(view, self.names))
        if everything:
            self._asked_all_ms = self._asked_ms
            self._greet()

    def _greet(self) -> None:
        """Supervisors that came since the last full answer get the whole board, whether it changed or not."""
        for watcher in self.watchers:
            if not watcher.agent and not watcher.greeted:
                watcher.greeted = True
                watcher.touch(self.agents, queues=True)

    def _keep_agent(self, row: Json) -> None:
        known = self.agents.get(row["agent"])
        if known is None or (known != row and known["version"] <= row["version"]) or row["since_ms"] > known["since_ms"]:
            self.agents[row["agent"]] = row
            self._touch([row["agent"]])

    def _touch(self, agents: Sequence[str], queues: bool = False) -> None:
        for watcher in self.watchers:
            watcher.touch(agents, queues)

    def _tell_router(self) -> None:
        if self._router_was != self.routers.up:
            self._router_was = self.routers.up
            for watcher in self.watchers:
                watcher.router = True
                watcher.wake.set()
