"""What a store of the router is: verbs. Each takes `now_ms`, does all of its work in one step, writes the facts in that same
step, and answers what is to be sent and shown. All verbs may be repeated. Every verb can fail with StoreAway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from router.core.commands import Assert, End, Enqueue, From, Hello, RouteAsk, Rules
from router.core.events import AgentSeen, Decision, Effect, Expired, NodeSeen, QueueSeen
from router.store.overflow import Overflow

Effects = Awaitable[list[Effect]]
OnEffects = Callable[[Sequence[Effect]], None]
OnNewer = Callable[[str], Awaitable[Rules | None]]
OnLook = Callable[[int], None]


class Store(Overflow, Protocol):
    """Verbs run in the order they are called in; the awaitables need not be awaited for that."""

    async def start(
        self, rules: Rules, on_effects: OnEffects, on_lost: Callable[[], None], on_newer: OnNewer | None = None
    ) -> None:
        """Begin; returns at once even if the store is away. `on_effects` gets what no caller asked for; `on_lost` is told each time
        the store went away or was found empty: it may have forgotten the last moments, so nodes must assert their calls. `on_newer`
        makes rules of the book that another router has brought into force (None: it cannot be read)."""

    async def close(self) -> None:
        """End; verbs under way fail with StoreAway."""

    # ---- agents: effects end with the AgentSeen; UnknownAgent, NotAllowed
    def login(self, agent: str, seat: str, skills: Sequence[tuple[str, int]], now_ms: int) -> Effects:
        """At a seat, with skills (level 1 is best). From another seat than before: not ready, an offer is taken back."""

    def logout(self, agent: str, now_ms: int) -> Effects:
        """Gone; during a talk: after it."""

    def ready(self, agent: str, now_ms: int) -> Effects:
        """Can take a call; during a call: after it."""

    def not_ready(self, agent: str, reason: str, now_ms: int) -> Effects:
        """Cannot; during a call: after it."""

    def end_after_call(self, agent: str, now_ms: int) -> Effects:
        """Done with after-call work."""

    def agent(self, agent: str, now_ms: int) -> Effects:
        """As it is."""

    # ---- calls
    def enqueue(self, by: From, what: Enqueue, now_ms: int) -> Effects:
        """Into a line; a repeat gets its place anew. UnknownQueue, NotAllowed."""

    def settle_answered(self, by: From, call: str, version: int, offer: str, answered_ms: int, now_ms: int) -> Effects:
        """Bridged. UnknownCall, OfferClosed."""

    def settle_failed(self, by: From, call: str, version: int, offer: str, reason: str, now_ms: int) -> Effects:
        """Not bridged: the agent is set not ready and the call goes back to its place; REASON_CALLER_LEFT: both are free."""

    def cancel(self, by: From, call: str, version: int, reason: str, now_ms: int) -> Effects:
        """The caller left the line. NotAllowed in a talk."""

    def end(self, by: From, what: End, now_ms: int) -> Effects:
        """Over."""

    def callback(self, by: From, what: Enqueue, number: str, listed: Sequence[str], trunk: str, now_ms: int) -> Effects:
        """The caller hangs up, keeps the place and is to be called back; `listed`: keys under which the number may be blacklisted.
        `trunk`: by which the edge may let it out, "any": by any.
        UnknownQueue, NotAllowed in a talk."""

    def dialling(self, by: From, call: str, version: int, offer: str, at_ms: int, trunk: str, now_ms: int) -> Effects:
        """An agent has taken a callback, the customer's phone is called. Then settle_answered or settle_failed of the same offer:
        reached, or why not. UnknownCall, OfferClosed."""

    def assert_(self, by: From, what: Assert, now_ms: int) -> Effects:
        """The node's truth. UnknownQueue, NotAllowed."""

    # ---- nodes, timers, rules, routes
    def hello(self, what: Hello, now_ms: int) -> Awaitable[tuple[int, list[Effect]]]:
        """A node's session begins; its number. OldEpoch."""

    def heartbeat(self, by: From, draining: bool, calls: int, now_ms: int) -> Effects:
        """A node lives. UnknownNode when it is taken for lost or has a newer session."""

    def expire(self, limit: int, now_ms: int) -> Awaitable[Expired]:
        """Serve at most `limit` timers that are due."""

    async def sync_config(self, rules: Rules, now_ms: int) -> list[Effect]:
        """Bring a version of the rules into force, unless a newer one is."""

    async def in_force(self) -> tuple[int, str]:
        """Version of the rules and sha256 of their book, after looking whether another router has brought a newer one."""

    def route(self, ask: RouteAsk, now_ms: int) -> Awaitable[Decision]:
        """Where a call goes. NoMediaNode."""

    async def queues(self) -> list[QueueSeen]:
        """All lines by id."""

    async def agents(self, only: Sequence[str] = ()) -> list[AgentSeen]:
        """All agents that ever logged in, or those of `only` that did, by id."""

    async def nodes(self) -> list[NodeSeen]:
        """All media nodes by id."""

    def publish(self, holder: str, payload: bytes) -> None:
        """Hand a frame to the router `holder`; lost if it is gone (its nodes assert their calls anew elsewhere)."""

    async def subscribe(self, holder: str, on_payload: Callable[[bytes], None], on_look: OnLook = lambda _: None) -> None:
        """Get what is published for `holder`, from now to close(), over reconnects. `on_look` is told when a verb of any router
        set a timer that is due within Times.look_ms (when, UTC ms), and 0 when another version of the rules came into force, or
        such words may have been lost: then look at all."""
