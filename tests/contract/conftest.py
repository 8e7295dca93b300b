"""One real Redis for the contract tests of a run; each test empties it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.stores import World, memory_world, redis_world
from tests.kit.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with RedisServer(Path(tmp_path_factory.mktemp("redis"))) as server:
        yield server.port


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.real)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An open store of each kind, with the media node m1 in session."""
    made = memory_world() if request.param == "memory" else redis_world(request.getfixturevalue("redis_port"))
    await made.open()
    yield made
    await made.store.close()
    if made.client is not None:
        made.client.close()
