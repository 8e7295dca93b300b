"""Facts from the Redis Stream into SQL: read often, commit in batches, lose nothing.

One loop. While this console holds the lease (position.py) it reads on from the stored position, hands every fact to `feed` at once
(the live page) and commits about every `commit_every_ms`: facts, rows and position in one transaction. Without the lease it only
follows the stream for `feed`. When Redis or SQL is away it waits and starts again from the stored position; the ids make a second
reading harmless. The stream is trimmed only behind what the database keeps through a loss of power, less a margin.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from console.ledger import position
from console.ledger.database import Database, away
from console.ledger.fold import Row
from console.ledger.intake import take_or_why
from console.ledger.position import START, LostLease, stream_id
from console.ledger.store import Batch, Store
from console.metrics import Metrics
from ops import keys
from ops.clock import Clock
from ops.facts import Fact

log = logging.getLogger(__name__)
T = TypeVar("T")
Feed = Callable[[Sequence[Fact]], None]
Entry = tuple[str, bytes | None]  # id on the stream, field f
RAW_KEPT = 16_384  # characters of a bad entry that are kept


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast; times in ms."""

    read_every: int = 200  # pause after a read, so that entries gather
    block: int = 2000  # a read waits so long for the first entry
    read_most: int = 1000  # entries a read
    commit_every: int = 2000  # between commits, while facts come
    commit_most: int = 2000  # facts in hand that are committed without waiting
    lease: int = 10_000
    retry: int = 500  # after Redis or SQL was away
    trim_every: int = 10_000
    margin: int = 60_000  # of stream kept behind the position: for lookers-on and for people


class Away(ConnectionError):
    """SQL is not there now; the text says what it said."""


@dataclass(slots=True)
class _Hand:
    """Read and not yet committed."""

    start: str  # position in SQL
    seen: str  # last entry read
    batch: Batch = field(default_factory=lambda: Batch(""))

    @property
    def empty(self) -> bool:
        return self.seen == self.start


class Reader:
    """Reads the facts of one tenant. `run`, then `stopping` and cancel, then `close`."""

    def __init__(self, redis: Redis, database: Database, tenant: str, holder: str, clock: Clock, metrics: Metrics) -> None:
        self.redis, self.database, self.tenant, self.holder = redis, database, tenant, holder
        self.clock, self.metrics, self.pace = clock, metrics, Pace()
        self.stream = keys.facts(tenant)
        self.store = Store(database, self.stream, holder)
        self.feed: Feed = lambda _: None
        self.stored: Callable[[], None] = lambda: None  # called after a commit (as an onlooker: some time after facts came)
        self.smooth = False  # facts reach `feed` as they are written: nothing is away, nothing is behind
        self.stopping = False  # redis-py loses a cancellation now and then, so the end is a flag as well
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._leased_ms = self._committed_ms = self._trimmed_ms = 0

    async def run(self) -> None:
        """Read until `stopping` or cancelled; whatever is away is waited for."""
        while not self.stopping:
            try:
                await self._round()
            except (RedisError, OSError, Away, LostLease) as error:
                self._stumble(error)
                await asyncio.sleep(self.pace.retry / 1000)

    def _stumble(self, error: Exception) -> None:
        self.smooth = False
        self.metrics.away.labels("redis" if isinstance(error, RedisError) else "sql").inc()
        log.warning("ledger waits", extra={"why": type(error).__name__, "detail": str(error)[:300]})

    async def _round(self) -> None:
        """From the stored position on, until something goes wrong or the lease is lost."""
        self.store.forget()
        start = await self._lease()
        if start is None:
            await self._look_on()
            return
        hand = _Hand(start, await self._sound(start))
        if hand.seen != start:
            await self._sql(self._rewind, start)
            hand = _Hand(START, START)
        while not self.stopping:
            if self._due(self._leased_ms, self.pace.lease // 3) and await self._lease() is None:
                raise LostLease(self.stream)
            await self._step(hand)

    async def _step(self, hand: _Hand) -> None:
        entries = await self._read(hand.seen, 1 if not hand.empty else self.pace.block)
        self._receive(hand, entries)
        full = len(hand.batch.facts) + len(hand.batch.bad) >= self.pace.commit_most
        if not hand.empty and (full or self._due(self._committed_ms, self.pace.commit_every)):
            await self._commit(hand)
        await self._trim(hand.start)
        if len(entries) < self.pace.read_most:
            await asyncio.sleep(self.pace.read_every / 1000)

    # ---- reading ----
    async def _read(self, after: str, block_ms: int) -> list[Entry]:
        reply: Any = await self.redis.xread({self.stream: after}, count=self.pace.read_most, block=block_ms)
        streams = reply.values() if isinstance(reply, dict) else [entries for _, entries in reply or []]
        return [_entry(*entry) for entries in streams for entry in _flat(entries)]

    def _receive(self, hand: _Hand, entries: list[Entry]) -> None:
        """Take entries in hand and show them to the live page."""
        facts = []
        for entry, raw in entries:
            got = take_or_why(raw, self.tenant)
            if isinstance(got, Fact):
                facts.append(got)
            else:
                hand.batch.bad.append(self._bad(entry, got, raw))
        hand.batch.facts += facts
        if entries:
            hand.seen = entries[-1][0]
            self._lag(hand.seen, len(entries))
            self.feed(facts)
        else:
            self.smooth = True
            self.metrics.lag.set(0)

    def _lag(self, entry: str, count: int) -> None:
        lag = max(0, self.clock.now_ms() - stream_id(entry)[0])
        self.metrics.lag.set(lag / 1000)
        self.smooth = lag < 2000 or count < self.pace.read_most

    def _bad(self, entry: str, why: str, raw: bytes | None) -> Row:
        self.metrics.bad_facts.inc()
        log.error("bad fact put aside", extra={"entry": entry, "why": why[:300]})
        text = (raw or b"").decode("utf-8", "backslashreplace").replace("\x00", "\\x00")[:RAW_KEPT]
        why = why.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
        return {"entry": entry, "tenant": self.tenant, "at_ms": self.clock.now_ms(), "why": why, "raw": text}

    async def _sound(self, start: str) -> str:
        """`start`, or START when the stream ends before it: Redis came back without its data and counts anew."""
        last = await self._last()
        return start if last is None or stream_id(last) >= stream_id(start) else START

    async def _last(self) -> str | None:
        """Id of the last entry ever; None: there is no stream."""
        try:
            info: Any = await self.redis.xinfo_stream(self.stream)
        except RedisError as error:
            if "no such key" not in str(error).lower():
                raise
            return None
        return _text(info.get("last-generated-id", START))

    # ---- writing ----
    async def _commit(self, hand: _Hand) -> None:
        batch, hand.batch.entry = hand.batch, hand.seen
        with self.metrics.commit_seconds.time():
            await self._sql(self._store_batch, hand.start, batch)
        for fact in batch.facts:
            self.metrics.facts[fact.kind] += 1
        hand.start, hand.batch = hand.seen, Batch("")
        self._committed_ms = self.clock.mono_ms()
        self.stored()

    def _store_batch(self, start: str, batch: Batch) -> None:
        """In the writer's thread. A fact that cannot be stored must not stop the ledger: then one by one."""
        try:
            self.store.commit(start, batch)
        except Exception as error:
            if _not_now(error):
                raise
            log.error("a batch cannot be stored, going fact by fact", exc_info=True)
            self.store.forget()
            self.store.commit(start, Batch(batch.entry, bad=[*batch.bad, *self._one_by_one(start, batch)]))

    def _one_by_one(self, start: str, batch: Batch) -> list[Row]:
        """Store each fact alone, the position unmoved; what cannot be stored, as bad entries."""
        bad: list[Row] = []
        for n, fact in enumerate(batch.facts):
            try:
                self.store.commit(start, Batch(start, [fact]))
            except Exception as error:
                if _not_now(error):
                    raise
                self.store.forget()
                bad.append(self._bad(f"{batch.entry}+{n}", repr(error), repr(fact).encode("utf-8", "backslashreplace")))
        return bad

    def _rewind(self, start: str) -> None:
        log.warning("the stream is younger than the position: reading it from its start", extra={"position": start})
        with self.database.write() as connection:
            position.move(connection, self.stream, self.holder, start, START)

    async def _lease(self) -> str | None:
        def take() -> str | None:
            with self.database.write() as connection:
                return position.hold(connection, self.stream, self.holder, self.clock.now_ms(), self.pace.lease)

        got = await self._sql(take)
        self.metrics.leader.set(got is not None)
        self._leased_ms = self.clock.mono_ms()
        return got

    async def _look_on(self) -> None:
        """Another console writes: follow the end of the stream for the live page until the lease is free."""
        last = await self._last() or START  # not "$": that would miss what comes between two reads
        hand = _Hand(last, last)
        while not self.stopping:
            entries = await self._read(hand.seen, self.pace.block)
            hand.batch = Batch("")
            self._receive(hand, entries)
            if self._due(self._committed_ms, 2 * self.pace.commit_every):  # the other one has committed by now
                self._committed_ms = self.clock.mono_ms()
                self.stored()
            if self._due(self._leased_ms, self.pace.lease // 3) and await self._lease() is not None:
                return
            await asyncio.sleep(self.pace.read_every / 1000)

    async def _trim(self, committed: str) -> None:
        if not self._due(self._trimmed_ms, self.pace.trim_every):
            return
        self._trimmed_ms = self.clock.mono_ms()
        oldest = stream_id(committed)[0] - self.pace.margin
        if oldest > 0 and await self._sql(self.database.settle):
            await self.redis.xtrim(self.stream, minid=f"{oldest}-0", approximate=True)

    async def _sql(self, work: Callable[..., T], *args: Any) -> T:
        """Run in the writer's thread. Raises Away when the database is."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except SQLAlchemyError as error:
            raise Away(str(error)) from error

    def _due(self, since_ms: int, every_ms: int) -> bool:
        return self.clock.mono_ms() - since_ms >= every_ms

    async def close(self) -> None:
        """Give the lease to whoever comes next. What was read and not committed is read again."""

        def give() -> None:
            with self.database.write() as connection:
                position.release(connection, self.stream, self.holder)

        with contextlib.suppress(Away):  # it runs out by itself
            await self._sql(give)
        self._thread.shutdown()


def _not_now(error: Exception) -> bool:
    """Whether the same batch may be stored later: the fault is not in its facts."""
    return isinstance(error, LostLease) or (isinstance(error, SQLAlchemyError) and away(error))


def _entry(entry: bytes | str, fields: dict[Any, bytes] | None) -> Entry:
    return _text(entry), (fields or {}).get(keys.FACTS_FIELD.encode())


def _flat(entries: Any) -> Any:
    """redis-py answers [[(id, fields), ..]] under RESP3 and [(id, fields), ..] under RESP2."""
    return entries[0] if entries and entries[0] and isinstance(entries[0][0], list | tuple) else entries


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
