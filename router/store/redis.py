"""The store in Redis: one function a verb (store/lua). Any number of routers share it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import hiredis

from ops import keys as shared
from ops.clock import Clock, stopwatch_s
from router.core.commands import Assert, End, Enqueue, From, Hello, RouteAsk, Rules, Times
from router.core.errors import ConfigMissing, StoreAway
from router.core.events import AgentSeen, Decision, Effect, Expired, NodeSeen, QueueSeen
from router.metrics import VERB_SECONDS
from router.store import rows, scripts, views
from router.store.base import Effects, OnEffects, OnLook, OnNewer
from router.store.keys import channel, key
from router.store.mailbox import listen
from router.store.redis_overflow import RedisOverflow
from router.store.replies import error_of, fact_body
from router.store.rules import words as rule_words
from router.store.wire import Wire, Word, connect, packed

log = logging.getLogger(__name__)
T = TypeVar("T")
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
LETTER_TRIES, LETTER_PAUSE_S = 20, 0.1
WATCH_S = 1.0  # an answer that takes longer than this (twice at most) means that Redis hangs


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store is and who writes."""

    url: str
    tenant: str
    router: str  # name; source of the facts
    times: Times


class RedisStore(RedisOverflow):
    """See store/base.py for the verbs."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self.place = place
        self.clock = clock
        self.connected = asyncio.Event()
        self._library = scripts.load(place.times)
        self._seconds = {verb: VERB_SECONDS.labels(verb) for verb in self._library.functions}
        self._facts = shared.facts(place.tenant)
        self._source = f"router:{place.router}"
        self._wire: Wire | None = None
        self._letters: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._rules: Rules | None = None
        self._on_newer: OnNewer | None = None
        self._lost_ms = 0  # when the store was lost last
        self._unread = ""  # sha256 of a book in force that we cannot read
        self._on_effects: OnEffects = lambda _: None
        self._on_lost: Callable[[], None] = lambda: None

    async def start(
        self, rules: Rules, on_effects: OnEffects, on_lost: Callable[[], None], on_newer: OnNewer | None = None
    ) -> None:
        """Connect in the background, again and again."""
        self._rules, self._on_effects, self._on_lost, self._on_newer = rules, on_effects, on_lost, on_newer
        self._tasks.append(asyncio.create_task(self._keep_connected(), name="redis"))

    async def close(self) -> None:
        """Drop the connections."""
        for task in (*self._tasks, *self._letters):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._wire is not None:
            self._wire.abort()
            await self._wire.lost.wait()

    async def _keep_connected(self) -> None:
        tries = 0
        while True:
            try:
                wire = await self._open()
                tries = 0
                await self._watch(wire)
            except (OSError, StoreAway) as error:
                log.log(_loud(tries), "store away", extra={"why": str(error), "tries": tries})
            if self._wire is not None:
                self._wire, self._lost_ms = None, self.clock.now_ms()
                self.connected.clear()
                self._on_lost()
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1

    async def _open(self) -> Wire:
        """A connection with the library and the rules in place; only then do verbs use it."""
        wire = await connect(self.place.url, self._on_error)
        try:
            async with asyncio.timeout(5):
                await wire.call(("FUNCTION", "LOAD", "REPLACE", self._library.text))
                assert self._rules is not None
                self._on_effects(await self._sync(wire, self._rules, self.clock.now_ms()))
        except BaseException:
            wire.abort()
            raise
        self._wire = wire
        self.connected.set()
        log.info("store connected")
        return wire

    def _on_error(self, reply: hiredis.ReplyError) -> Exception:
        """A store without library or rules, or that takes no writes, is set up again from the start."""
        error = error_of(reply)
        if type(error) in (StoreAway, ConfigMissing) and self._wire is not None:
            asyncio.get_running_loop().call_soon(self._wire.abort)
        return error

    async def _watch(self, wire: Wire) -> None:
        while not wire.lost.is_set():
            with contextlib.suppress(TimeoutError):  # not wait_for: Python 3.11's loses a cancel that comes with the result
                async with asyncio.timeout(WATCH_S):
                    await wire.lost.wait()
            if wire.stalled():
                wire.abort()
        raise StoreAway("connection lost")

    def _call(self, words: tuple[Word, ...], decode: Callable[[Any], Any] | None = None) -> asyncio.Future[Any]:
        if self._wire is None:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreAway("not connected"))
            return future
        return self._wire.call(words, decode)

    def look(self, *words: Word) -> asyncio.Future[Any]:
        """A plain reading command, for tables that other programs keep."""
        return self._call(words)

    def _timed(self, verb: str, asker: str, now_ms: int, words: tuple[Word, ...], decode: Callable[[Any], T]) -> asyncio.Future[T]:
        """A verb, with its time from asking to answer in the metrics; refusals and losses are counted where they are told."""
        began, seconds = stopwatch_s(), self._seconds[verb]

        def answered(reply: Any) -> T:
            seconds.observe(stopwatch_s() - began)
            return decode(reply)

        return self._call(self._words(verb, asker, now_ms, words), answered)

    def _words(self, verb: str, asker: str, now_ms: int, words: tuple[Word, ...]) -> tuple[Word, ...]:
        return ("FCALL", self._library.functions[verb], 1, self._facts, now_ms, self._source, asker, *words)

    def _verb(self, verb: str, asker: str, now_ms: int, *words: Word) -> asyncio.Future[list[Effect]]:
        return self._timed(verb, asker, now_ms, words, rows.effects)

    def login(self, agent: str, seat: str, skills: Sequence[tuple[str, int]], now_ms: int) -> Effects:
        """At a seat."""
        return self._verb("login", "", now_ms, agent, seat, rows.skills_text(skills))

    def logout(self, agent: str, now_ms: int) -> Effects:
        """Gone."""
        return self._verb("logout", "", now_ms, agent)

    def ready(self, agent: str, now_ms: int) -> Effects:
        """Can take a call."""
        return self._verb("ready", "", now_ms, agent)

    def not_ready(self, agent: str, reason: str, now_ms: int) -> Effects:
        """Cannot."""
        return self._verb("not_ready", "", now_ms, agent, reason)

    def end_after_call(self, agent: str, now_ms: int) -> Effects:
        """Done with after-call work."""
        return self._verb("end_after_call", "", now_ms, agent)

    def agent(self, agent: str, now_ms: int) -> Effects:
        """As it is."""
        return self._verb("agent", "", now_ms, agent)

    def enqueue(self, by: From, what: Enqueue, now_ms: int) -> Effects:
        """Into a line."""
        return self._verb("enqueue", by.node, now_ms, *_enqueue_words(by, what))

    def settle_answered(self, by: From, call: str, version: int, offer: str, answered_ms: int, now_ms: int) -> Effects:
        """Bridged."""
        return self._verb("settle_answered", by.node, now_ms, call, version, offer, answered_ms)

    def settle_failed(self, by: From, call: str, version: int, offer: str, reason: str, now_ms: int) -> Effects:
        """Not bridged."""
        return self._verb("settle_failed", by.node, now_ms, call, version, offer, reason)

    def cancel(self, by: From, call: str, version: int, reason: str, now_ms: int) -> Effects:
        """The caller left the line."""
        return self._verb("cancel", by.node, now_ms, call, version, reason)

    def end(self, by: From, what: End, now_ms: int) -> Effects:
        """Over."""
        return self._verb("end", by.node, now_ms, what.call, what.version, what.reason, what.side, what.ended_ms)

    def callback(self, by: From, what: Enqueue, number: str, listed: Sequence[str], trunk: str, now_ms: int) -> Effects:
        """To be called back."""
        return self._verb("callback", by.node, now_ms, *_enqueue_words(by, what), number, " ".join(listed), trunk)

    def dialling(self, by: From, call: str, version: int, offer: str, at_ms: int, trunk: str, now_ms: int) -> Effects:
        """The customer's phone is called."""
        return self._verb("dialling", by.node, now_ms, call, version, offer, at_ms, trunk)

    def assert_(self, by: From, what: Assert, now_ms: int) -> Effects:
        """The node's truth."""
        words = (*_enqueue_words(by, what.enqueue), what.offer, what.agent, what.since_ms, what.state)
        return self._verb("assert", by.node, now_ms, *words)

    def hello(self, what: Hello, now_ms: int) -> Awaitable[tuple[int, list[Effect]]]:
        """A node's session begins."""
        words = (what.node, what.uri, what.epoch, int(what.draining), what.calls, what.holder)
        return self._timed("hello", what.node, now_ms, words, lambda r: (r[0], rows.effects(r[1])))

    def heartbeat(self, by: From, draining: bool, calls: int, now_ms: int) -> Effects:
        """A node lives."""
        return self._verb("heartbeat", by.node, now_ms, by.node, by.session, int(draining), calls)

    def expire(self, limit: int, now_ms: int) -> Awaitable[Expired]:
        """Serve timers."""

        def decode(reply: Any) -> Expired:
            offers, after_calls, nodes, served, effects, following = reply
            return Expired(tuple(rows.effects(effects)), offers, after_calls, nodes, served >= limit, following)

        return self._timed("expire", "", now_ms, (limit,), decode)

    async def sync_config(self, rules: Rules, now_ms: int) -> list[Effect]:
        """Bring a version of the rules into force; the newest known one also after every reconnect."""
        if self._wire is None:
            raise StoreAway("not connected")
        return await self._sync(self._wire, rules, now_ms)

    async def _sync(self, wire: Wire, rules: Rules, now_ms: int) -> list[Effect]:
        """If the store has a newer version than ours that one is ours from now on. The words of some 10,000 agents are put together
        in another thread; to the store it is one command as any other."""
        command = await asyncio.to_thread(lambda: packed(self._words("sync_config", "", now_ms, rule_words(rules))))
        generation, digest, effects, sha256 = await wire.send(command)
        if (generation, sha256.decode()) == (rules.generation, rules.book.sha256):
            self._rules = rules
        elif sha256:
            await self._adopt(wire)
        elif digest.decode() != rules.digest:
            log.warning("the store has a newer configuration", extra={"ours": rules.generation, "store": generation})
        return rows.effects(effects)

    async def in_force(self) -> tuple[int, str]:
        """Asked so often (app.py) that it must be cheap: two small fields, the book only when it is another one."""
        found = await self._call(("HMGET", key(self.place.tenant, "config"), "generation", "sha256"))
        version, sha256 = int(found[0] or 0), (found[1] or b"").decode()
        ours = self._rules.book.sha256 if self._rules is not None else ""
        if sha256 and sha256 not in (ours, self._unread) and self._wire is not None:
            await self._adopt(self._wire)
        return version, sha256

    async def _adopt(self, wire: Wire) -> None:
        """Take over the book in force. Its tables are in the store already; ours are what this process makes of it."""
        sha256, document = await wire.call(("HMGET", key(self.place.tenant, "config"), "sha256", "document"))
        rules = await self._on_newer(document.decode()) if self._on_newer is not None and document else None
        if rules is None:
            self._unread = (sha256 or b"").decode()
            log.error("the rules in force cannot be read by this router", extra={"sha256": self._unread})
            return
        self._rules = rules

    def route(self, ask: RouteAsk, now_ms: int) -> Awaitable[Decision]:
        """Where a call goes."""
        words = (ask.call, ask.refused, fact_body(ask), *ask.listed_as)
        return self._timed("route", "", now_ms, words, lambda r: _decision(r))

    async def queues(self) -> list[QueueSeen]:
        """All lines."""
        return await self._timed("queues", "", 0, (), rows.queues_seen)

    async def agents(self, only: Sequence[str] = ()) -> list[AgentSeen]:
        """Agents with their calls. The store may have gone back to an older row: it counts as newer than what was seen before."""
        found = await views.agents(self._call, self.place.tenant, only)
        return [a if a.version >= self._lost_ms else replace(a, version=self._lost_ms) for a in found]

    async def nodes(self) -> list[NodeSeen]:
        """All media nodes."""
        return await views.nodes(self._call, self.place.tenant)

    def publish(self, holder: str, payload: bytes) -> None:
        """Hand a frame to another router."""
        task = asyncio.create_task(self._publish(holder, payload))
        self._letters.add(task)
        task.add_done_callback(self._letters.discard)

    async def _publish(self, holder: str, payload: bytes) -> None:
        """The other one may be between two connections: try for a while."""
        for _ in range(LETTER_TRIES):
            try:
                if await self._call(("PUBLISH", channel(self.place.tenant, holder), payload)):
                    return
            except StoreAway as error:
                log.warning("frame for another router lost", extra={"why": str(error)})
                return
            await asyncio.sleep(LETTER_PAUSE_S)
        log.warning("no router takes the frame", extra={"holder": holder})

    async def subscribe(self, holder: str, on_payload: Callable[[bytes], None], on_look: OnLook = lambda _: None) -> None:
        """Get frames from other routers, and words to look at timers and rules."""
        boxes: dict[str, Callable[[bytes], None]] = {
            channel(self.place.tenant, holder): on_payload,
            key(self.place.tenant, "look"): lambda due: on_look(int(due)),
        }
        box = listen(self.place.url, boxes, lambda: on_look(0))
        self._tasks.append(asyncio.create_task(box, name="mailbox"))


def _loud(tries: int) -> int:
    """Tell the first failure and then every now and then; the others only to who looks closely."""
    return logging.WARNING if tries % 30 == 0 else logging.DEBUG


def _enqueue_words(by: From, what: Enqueue) -> tuple[Word, ...]:
    head = (what.call, what.version, what.queue, what.priority, what.entered_ms)
    return (*head, what.profile, by.node, by.session, what.city, what.customer, what.agent, what.vip, what.closed)


def _decision(reply: Any) -> Decision:
    node, uri, refused, vip = reply
    return Decision(rows.text(node), rows.text(uri), rows.text(refused), vip)
