"""One real Redis for the properties."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with RedisServer(Path(tmp_path_factory.mktemp("redis"))) as server:
        yield server.port
