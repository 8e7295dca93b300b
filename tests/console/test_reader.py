"""The reader against a real Redis: nothing lost, nothing twice, whatever goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from console.ledger.database import Database
from console.ledger.models import BadFactRow, CallRow, FactRow
from console.ledger.position import stream_id
from console.ledger.reader import Pace, Reader
from console.metrics import Metrics
from ops import keys
from ops.clock import Clock, SystemClock
from ops.facts import Fact, encode
from tests.console.desk import write
from tests.console.postgres import PostgresServer
from tests.console.samples import answered, day
from tests.console.tables import rows
from tests.console.test_intake import BAD
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

pytestmark = pytest.mark.real
T0 = 1_760_000_000_000
FAST = Pace(read_every=10, block=50, commit_every=20, lease=600, retry=50, trim_every=50, margin=0)
STREAM = keys.facts("main")


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_server.url)
    await client.flushall()
    yield client
    await client.aclose()


@asynccontextmanager
async def reading(
    redis_url: str, database: Database, holder: str = "c1", pace: Pace = FAST, clock: Clock | None = None
) -> AsyncIterator[Reader]:
    client = Redis.from_url(redis_url, socket_connect_timeout=1)
    reader = Reader(client, database, "main", holder, clock or SystemClock(), Metrics(CollectorRegistry()))
    reader.pace = pace
    task = asyncio.create_task(reader.run())
    yield reader
    reader.stopping = True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await reader.close()
    await client.aclose()


def stored(database: Database, count: int) -> Callable[[], bool]:
    return lambda: len(rows(database, FactRow)) == count


def sample(calls: int = 20) -> list[Fact]:
    return [fact for made in day(T0, calls) for fact in made.facts]


async def test_facts_become_rows(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """Facts on the stream, with repeats, stand once in the ledger, and the live page hears of each."""
    facts = sample()
    heard: list[Fact] = []
    async with reading(redis_server.url, database) as reader:
        reader.feed = heard.extend
        await write(redis, *facts, *facts[:40])
        await until_async(stored(database, len(facts)), 10, "all facts stored")
        await until_async(lambda: len(heard) == len(facts) + 40, 5, "all facts heard")
    assert len(rows(database, CallRow)) == 20


async def test_starts_where_it_stopped(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """A restarted console reads on from the stored position and sees no entry again."""
    first, second = sample(4), sample(8)[len(sample(4)) :]
    async with reading(redis_server.url, database):
        await write(redis, *first)
        await until_async(stored(database, len(first)), 10, "first part stored")
    await write(redis, *second)
    heard: list[Fact] = []
    async with reading(redis_server.url, database, "c2") as reader:
        reader.feed = heard.extend
        await until_async(stored(database, len(first) + len(second)), 10, "second part stored")
    assert {fact.id for fact in heard} == {fact.id for fact in second}


async def test_bad_facts_are_put_aside(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """What is no fact goes to bad_fact with the reason and raises the metric; the good ones around it are stored."""
    made = answered(T0)
    for n, (raw, _) in enumerate(BAD):
        await write(redis, made.facts[n])
        await redis.xadd(STREAM, {"f": raw})
    await redis.xadd(STREAM, {"g": "no field f"})
    async with reading(redis_server.url, database) as reader:
        await until_async(lambda: len(rows(database, BadFactRow)) == len(BAD) + 1, 10, "bad facts put aside")
        await until_async(stored(database, len(BAD)), 10, "good facts stored")
        count = reader.metrics.registry.get_sample_value("tierline_ledger_bad_facts_total")
    assert count == len(BAD) + 1
    put_aside = sorted(rows(database, BadFactRow), key=lambda row: stream_id(row["entry"]))
    told = [row["why"].lower() for row in put_aside]
    for (_, part), why in zip([*BAD, (b"", "no field f")], told, strict=True):
        assert part.lower() in why


async def test_text_no_database_takes_is_mended(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """NUL and lone surrogates, which a caller can put into a name, are replaced and lose no fact."""
    raw = (
        b'{"id":"n:e:invite","at_ms":5,"tenant":"main","source":"edge:e","call":"n",'
        b'"edge_invite":{"calling":"a\\u0000b\\ud800c","called":"\xe7\x94\xb5\\ud83d\\ude00"}}'
    )
    await redis.xadd(STREAM, {"f": raw})
    async with reading(redis_server.url, database):
        await until_async(stored(database, 1), 10, "the fact is stored")
    row = rows(database, CallRow)[0]
    assert row["calling"] == "a\ufffdb\ufffdc" and row["called"] == "电😀" and rows(database, BadFactRow) == []


async def test_a_refused_fact_does_not_stop_the_rest(
    redis: Redis, redis_server: RedisServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact that passes the check and cannot be stored all the same is put aside alone."""
    facts = sample(2)
    # NULL in a column that takes none, and an error in the fold itself
    null = replace(facts[0], id="null", kind="edge_invite", call="p", body={"calling": None})
    wrong = replace(facts[0], id="wrong", kind="call_ended", call="q", body={"outcome": 7})
    monkeypatch.setattr("console.ledger.intake._check", lambda *_: None)
    async with reading(redis_server.url, database):
        await write(redis, *facts[:5], null, wrong, *facts[5:])
        await until_async(stored(database, len(facts)), 10, "the others stored")
        await until_async(lambda: len(rows(database, BadFactRow)) == 2, 5, "two put aside")
    told = " ".join(row["why"] for row in rows(database, BadFactRow))
    assert "IntegrityError" in told and "AttributeError" in told


async def test_redis_killed_in_flight(tmp_path: Path, database: Database) -> None:
    """Redis killed and started again: reading goes on, every fact is there once."""
    facts = sample()
    server = RedisServer(tmp_path / "own").start()
    try:
        async with reading(server.url, database) as reader:
            client = Redis.from_url(server.url)
            await write(client, *facts[:50])
            await until_async(stored(database, 50), 10, "first half stored")
            server.stop(kill=True)
            await until_async(lambda: not reader.smooth, 10, "the reader noticed")
            server.start()
            await client.connection_pool.disconnect()
            await write(client, *facts[40:])
            await until_async(stored(database, len(facts)), 20, "all stored")
            await client.aclose()
    finally:
        server.stop()


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), OSError(28, "No space left on device"), TimeoutError()])
async def test_a_connection_that_breaks_is_tried_again(
    redis: Redis, redis_server: RedisServer, database: Database, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """An error of the network or of the system ends no ledger: it waits, reads on, and tells that it waited."""
    facts, errors = sample(2), iter([error])
    read = Reader._read

    async def broken(reader: Reader, after: str, block_ms: int) -> Any:
        if (broke := next(errors, None)) is not None:
            raise broke
        return await read(reader, after, block_ms)

    monkeypatch.setattr(Reader, "_read", broken)
    await write(redis, *facts)
    async with reading(redis_server.url, database) as reader:
        await until_async(stored(database, len(facts)), 10, "all stored")
        assert reader.metrics.registry.get_sample_value("tierline_ledger_away_total", {"what": "sql"}) == 1


async def test_redis_comes_back_empty_with_an_older_clock(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """A stream that starts anew behind the stored position is read from its start, not waited for."""
    made = answered(T0)
    await redis.xadd(STREAM, {"f": "{}"}, id="9999999999999-0")
    async with reading(redis_server.url, database):
        await until_async(lambda: len(rows(database, BadFactRow)) == 1, 10, "position is far ahead")
    await redis.delete(STREAM)
    await write(redis, *made.facts)
    async with reading(redis_server.url, database):
        await until_async(stored(database, len(made.facts)), 10, "the young stream is read")


async def test_postgres_killed_in_flight(redis: Redis, redis_server: RedisServer) -> None:
    """PostgreSQL stopped hard and started again: facts wait on the stream, the live page goes on hearing, all are stored once."""
    server = PostgresServer().start()
    database = Database(server.url)
    database.migrate()
    facts = sample()
    try:
        async with reading(redis_server.url, database) as reader:
            await write(redis, *facts[:50])
            await until_async(stored(database, 50), 10, "first half stored")
            await asyncio.to_thread(server.stop)
            await write(redis, *facts[50:])
            away = reader.metrics.registry.get_sample_value
            await until_async(lambda: (away("tierline_ledger_away_total", {"what": "sql"}) or 0) > 0, 10, "the reader noticed")
            assert await redis.xlen(STREAM) >= len(facts) - 50
            await asyncio.to_thread(server.start)
            await until_async(stored(database, len(facts)), 20, "all stored")
        assert len(rows(database, CallRow)) == 20
    finally:
        database.close()
        server.close()


async def test_one_writes_the_other_takes_over(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """Of two consoles one writes and both hear; when the writer ends, the other goes on where it stopped."""
    facts = sample(8)
    pace = replace(FAST, lease=60_000)  # a writer that the machine held up for a moment is still the writer
    heard: list[Fact] = []
    async with reading(redis_server.url, database, "c2", pace) as writer:
        await until_async(lambda: writer.metrics.registry.get_sample_value("tierline_ledger_leader") == 1, 5, "c2 holds the lease")
        async with reading(redis_server.url, database, "c3", pace) as other:
            other.feed = heard.extend
            await until_async(lambda: other.smooth, 5, "c3 looks on")
            await write(redis, *facts[:30])
            await until_async(stored(database, 30), 10, "stored by c2")
            await until_async(lambda: {fact.id for fact in facts[:30]} <= {fact.id for fact in heard}, 5, "c3 heard as well")
            assert other.metrics.registry.get_sample_value("tierline_ledger_leader") == 0
    async with reading(redis_server.url, database, "c4", pace) as last:
        await write(redis, *facts[30:])
        await until_async(stored(database, len(facts)), 10, "stored by the next one")
        assert last.metrics.registry.get_sample_value("tierline_ledger_leader") == 1


async def test_trims_only_behind_the_position(redis: Redis, redis_server: RedisServer, database: Database) -> None:
    """The stream is cut behind what the database keeps, and nothing that is not stored is ever cut."""
    facts = sample(30)
    await redis.config_set("stream-node-max-entries", 10)
    try:
        async with reading(redis_server.url, database) as reader:
            for fact in facts:  # one by one, so that they are not all of one millisecond
                await write(redis, fact)
            await until_async(stored(database, len(facts)), 10, "all stored")
            await until_async(lambda: _short(redis, len(facts) // 2), 10, "the stream is cut")
            reader.pace = replace(FAST, commit_every=3_600_000)
            waiting = sample(60)[len(facts) :]
            await asyncio.sleep(0.1)  # a commit under way is over
            await write(redis, *waiting)
            await asyncio.sleep(0.3)  # several rounds of trimming
            kept: Any = await redis.xrange(STREAM)
            assert {encode(fact).encode() for fact in waiting} <= {fields[b"f"] for _, fields in kept}
    finally:
        await redis.config_set("stream-node-max-entries", 100)


async def _short(redis: Redis, length: int) -> bool:
    return int(await redis.xlen(STREAM)) < length
