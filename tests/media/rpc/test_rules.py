"""A media node follows the rules: what is recorded and how often places are told, without a restart."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from media.rpc.pipe import Pipe
from media.rpc.rules import Rules, rules_of
from ops import keys, rulebook
from ops.centre import Queue
from ops.rulebook import RuleBook
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

pytestmark = pytest.mark.real
BOOK = RuleBook(2, "boss", "why", 5, queue=(Queue("a", "s", record=False), Queue("b", "s", position_every_s=0)))


def put(server: RedisServer, book: RuleBook, document: str = "") -> None:
    found = ["sha256", rulebook.sha256(book), "document", document or rulebook.to_json(book)]
    redis.Redis(port=server.port).hset(keys.rules("main"), items=found)


async def test_a_node_follows(tmp_path: Path) -> None:
    """A version takes the place of what the file said; one that cannot be read, and Redis away, change nothing."""
    with RedisServer(tmp_path / "redis") as server:
        rules = Rules(Pipe(server.url), "main", rules_of((Queue("a", "s"), Queue("old", "s"))))
        await rules.look()
        assert rules.queues.keys() == {"a", "old"}, "no version yet"
        put(server, BOOK)
        await rules.look()
        assert rules.queues == rules_of(BOOK.queue) and not rules.queues["a"].record
        assert rules.known == {"a", "b", "old"}
        put(server, replace(BOOK, version=3), '{"version": 3, "unheard_of": 1}')
        await rules.look()
        assert rules.queues == rules_of(BOOK.queue)
        task = asyncio.create_task(rules.run())
        server.stop(kill=True)
        server.start()
        put(server, replace(BOOK, version=4, queue=BOOK.queue[:1]))
        await until_async(lambda: rules.queues.keys() == {"a"}, 5, "version 4 is followed")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
