"""Fixtures of the console's tests: both databases, one Redis a session."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from console.ledger.database import Database
from tests.console.desk import Desk, centre
from tests.console.postgres import PostgresServer
from tests.kit.redis_server import RedisServer

_names = (f"t{n}" for n in itertools.count())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(next(_names))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
async def desk(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Desk]:
    """A console on SQLite with a router stand-in and an empty Redis."""
    redis.Redis(port=redis_server.port).flushall()
    made = await Desk(centre(tmp_path / "state", redis_server.port)).start()
    yield made
    await made.stop()
