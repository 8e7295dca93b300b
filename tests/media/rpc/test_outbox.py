"""Facts and leases on a real Redis that comes and goes: nothing is lost, order is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from media.rpc.outbox import Outbox
from media.rpc.pipe import Pipe, RedisAway, RedisRefused
from ops import facts, keys
from ops.facts import Fact
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

pytestmark = pytest.mark.real


def fact(number: int) -> Fact:
    """The n-th of a call."""
    return Fact(f"c:m:{number}", 1_760_000_000_000 + number, "main", "media:m1", "digits", {"menu": "main", "what": "none"}, "c")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer(tmp_path / "redis") as made:
        yield made


class Box:
    """An outbox that runs."""

    def __init__(self, server: RedisServer, spool: Path) -> None:
        self.redis = redis.Redis.from_url(server.url, decode_responses=True)
        self.outbox = Outbox(Pipe(server.url), "main", "sip:127.0.0.1:5200", spool)
        self.task: asyncio.Task[None] | None = None

    def run(self) -> Box:
        """Begin."""
        self.task = asyncio.create_task(self.outbox.run())
        return self

    async def stop(self) -> None:
        """End as the node does."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.outbox.finish(0.5)

    def ids(self) -> list[str]:
        """Facts on the stream, in order."""
        entries = self.redis.xrange(keys.facts("main"))
        return [facts.decode(fields[keys.FACTS_FIELD]).id for _, fields in entries]  # type: ignore[union-attr,index]


async def test_facts_arrive_in_order(server: RedisServer, tmp_path: Path) -> None:
    """Many facts, one stream, the order they were written in."""
    box = Box(server, tmp_path / "spool").run()
    for number in range(1200):
        box.outbox.write(fact(number))
    await until_async(lambda: len(box.outbox) == 0, 5, "written")
    assert box.ids() == [f"c:m:{number}" for number in range(1200)]
    await box.stop()


async def test_a_lease_lives_as_long_as_the_call(server: RedisServer, tmp_path: Path) -> None:
    """SET with a fence, the node's URI and a time to live when a call starts; gone when it is over."""
    box = Box(server, tmp_path / "spool").run()
    key = keys.call_owner("main", "c")
    box.outbox.own("c")
    await until_async(lambda: bool(box.redis.exists(key)), 5, "the lease")
    assert box.redis.get(key) == "1 sip:127.0.0.1:5200"
    assert 100 < int(str(box.redis.ttl(key))) <= 120
    box.outbox.disown("c")
    await until_async(lambda: not box.redis.exists(key), 5, "no lease")
    await box.stop()


async def test_leases_are_renewed(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that Redis forgot is there again after a while."""
    monkeypatch.setattr("media.rpc.outbox.RENEW_S", 0.1)
    box = Box(server, tmp_path / "spool").run()
    box.outbox.own("c")
    key = keys.call_owner("main", "c")
    await until_async(lambda: bool(box.redis.exists(key)), 5, "the lease")
    box.redis.delete(key)
    await until_async(lambda: bool(box.redis.exists(key)), 5, "the lease again")
    await box.stop()


async def test_redis_away_for_a_while(server: RedisServer, tmp_path: Path) -> None:
    """Facts of before, during and after an absence are all there, in order."""
    box = Box(server, tmp_path / "spool").run()
    box.outbox.write(fact(0))
    await until_async(lambda: len(box.outbox) == 0, 5, "written")
    server.stop()
    for number in range(1, 50):
        box.outbox.write(fact(number))
    await until_async(lambda: box.outbox.away, 5, "the absence is noticed")
    server.start()
    box.outbox.write(fact(50))
    await until_async(lambda: len(box.outbox) == 0, 10, "written")
    assert box.ids() == [f"c:m:{number}" for number in range(51)]
    assert not box.outbox.away
    await box.stop()


async def test_redis_away_at_the_end(server: RedisServer, tmp_path: Path) -> None:
    """What could not be written is in a file, and in Redis after the next start, before what comes new; the file is gone."""
    spool = tmp_path / "state" / "unsent"
    box = Box(server, spool).run()
    server.stop()
    for number in range(20):
        box.outbox.write(fact(number))
    await box.stop()
    assert len(spool.read_text().splitlines()) == 20
    server.start()
    again = Box(server, spool)
    again.outbox.write(fact(20))
    assert again.outbox.load() == 20
    again.run()
    await until_async(lambda: not spool.exists(), 5, "the file is done with")
    assert again.ids() == [f"c:m:{number}" for number in range(21)]
    await again.stop()


async def test_a_torn_line_does_not_stop_the_others(server: RedisServer, tmp_path: Path) -> None:
    """A line cut short by a full disk is left out, the facts around it are kept."""
    spool = tmp_path / "spool"
    spool.write_text(f"{facts.encode(fact(1))}\n{facts.encode(fact(2))[:20]}\n{facts.encode(fact(3))}\n")
    box = Box(server, spool)
    assert box.outbox.load() == 2
    box.run()
    await until_async(lambda: len(box.outbox) == 0 and not spool.exists(), 5, "written")
    assert box.ids() == ["c:m:1", "c:m:3"]
    await box.stop()


async def test_a_server_that_hangs(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No reply in time is an absence; the facts are written when it answers again."""
    monkeypatch.setattr("media.rpc.pipe.REPLY_S", 0.2)
    box = Box(server, tmp_path / "spool").run()
    box.redis.client_pause(700, all=True)
    box.outbox.write(fact(1))
    await until_async(lambda: box.outbox.away, 5, "the absence is noticed")
    await until_async(lambda: len(box.outbox) == 0, 10, "written")
    assert "c:m:1" in box.ids()
    await box.stop()


async def test_the_pipe_tells_refusals_from_absences(server: RedisServer) -> None:
    """A command that makes no sense is refused by its number; nobody there is an absence."""
    pipe = Pipe(server.url)
    assert await pipe.run([("SET", "a", 1), ("GET", "a")]) == [b"OK", b"1"]
    with pytest.raises(RedisRefused) as refused:
        await pipe.run([("GET", "a"), ("LPUSH", "a", "x")])
    assert refused.value.index == 1
    server.stop()
    with pytest.raises(RedisAway):
        await pipe.run([("GET", "a")])
    pipe.close()
