"""The supervisor's questions to its children."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from ops.supervise.health import Health
from ops.supervise.services import Service
from tests.kit.redis_server import RedisServer

pytestmark = pytest.mark.real
NOBODY = Service("redis", (), health="redis://127.0.0.1:1/0")


def connections(client: redis.Redis) -> int:
    """How many Redis has had so far."""
    told: dict[str, int] = client.info("stats")
    return told["total_connections_received"]


async def test_redis_is_asked_over_one_connection(tmp_path: Path) -> None:
    """Ten questions make one connection; a Redis that died is not well, and is again over a new one once it is back."""
    with RedisServer(tmp_path) as server:
        service = replace(NOBODY, health=server.url)
        async with aclosing(Health()) as asked:
            with redis.Redis.from_url(server.url) as client:
                before = connections(client)
                assert [await asked.well(service) for _ in range(10)] == [True] * 10
                assert connections(client) == before + 1
            server.stop(kill=True)
            assert not await asked.well(service)
            server.start()
            assert await asked.well(service)


async def test_nobody_there_is_not_well() -> None:
    """Neither Redis nor a web server answers: not well, without an error."""
    async with aclosing(Health()) as asked:
        assert not await asked.well(NOBODY)
        assert not await asked.well(replace(NOBODY, health="http://127.0.0.1:1/healthz"))
        assert await asked.well(replace(NOBODY, health=""))
