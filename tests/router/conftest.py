"""One real Redis for the router tests of a run, and a router in this process with the store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ops.clock import SystemClock
from router import app
from router.rules import times_of
from router.store.memory import MemoryStore
from tests.kit.redis_server import RedisServer
from tests.router.kit import Console, MediaNode, centre


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with RedisServer(Path(tmp_path_factory.mktemp("redis"))) as server:
        yield server.port


@pytest.fixture
async def router() -> AsyncIterator[app.Router]:
    """In this process, on a free port, nothing else around."""
    config = centre()
    store = MemoryStore("main", "r1", times_of(config))
    running = await app.start(config, store, SystemClock(), "r1", [app.Place("127.0.0.1:0")])
    yield running
    await running.close()


@pytest.fixture
def address(router: app.Router) -> str:
    return f"127.0.0.1:{router.port}"


@pytest.fixture
async def node(address: str) -> AsyncIterator[MediaNode]:
    made = await MediaNode().open(address)
    yield made
    await made.close()


@pytest.fixture
async def console(address: str) -> AsyncIterator[Console]:
    made = Console(address)
    yield made
    await made.close()
