"""The centre's Redis as it is started: its users, and that it keeps what they wrote."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from ops import keys, redis_access
from ops.centre import CentreConfig
from ops.config import dump
from ops.supervise.services import ROOT
from tests.kit.wait import until
from tests.sip.edge_kit import edge_config

pytestmark = pytest.mark.real
SCRIPT = "redis.call('SET', KEYS[1] .. 'one', 1) redis.call('SADD', KEYS[1] .. 'many', ARGV[1])"


class Server:
    """`python -m ops.redis_server` for one centre."""

    def __init__(self, config: CentreConfig) -> None:
        self.config, self.file = config, config.state / "centre.json"
        config.run.mkdir(parents=True)
        self.file.write_text(dump(config), encoding="utf-8")
        redis_access.provide(config)

    def start(self) -> None:
        """Back when it is known to be healthy."""
        words = [sys.executable, "-m", "ops.redis_server", "--config", str(self.file)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
        until(self.healthy, 30, "Redis is healthy")

    def healthy(self) -> bool:
        """As the supervisor asks."""
        try:
            return bool(self.as_(redis_access.SUPERVISOR).ping())
        except redis.ConnectionError:
            return False

    def as_(self, role: str) -> redis.Redis:
        """A connection of this role."""
        return redis.Redis.from_url(redis_access.url(self.config, role), decode_responses=True)

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """It runs."""
    made = Server(replace(edge_config(tmp_path), secured=True))
    made.start()
    yield made
    made.kill()


def test_what_a_script_wrote_is_there_after_a_restart(server: Server) -> None:
    """Scripts of the router write several keys at once: all of it is there after kill -9, though the default user may do little."""
    base = f"{keys.base('main')}:r:"
    for n in range(50):
        server.as_(redis_access.ROUTER).eval(SCRIPT, 1, base, str(n))
    server.as_(redis_access.SHIP).xadd(keys.facts("main"), {keys.FACTS_FIELD: "x"})
    until(lambda: b"49" in _written(server), 5, "the append-only file has it")
    server.kill()
    server.start()
    router = server.as_(redis_access.ROUTER)
    assert (router.get(f"{base}one"), router.scard(f"{base}many"), router.xlen(keys.facts("main"))) == ("1", 50, 1)


def _written(server: Server) -> bytes:
    return b"".join(file.read_bytes() for file in (server.config.state / "redis" / "appendonlydir").glob("*.incr.aof"))


def test_the_default_user_is_the_edge_alone(server: Server) -> None:
    """Who is healthy has its users: the edge may do its own, nobody comes without a password, at every start."""
    for _ in range(2):
        edge: Any = server.as_(redis_access.EDGE)
        assert edge.hgetall(keys.seat_auth("main", "1001")) == {}
        for forbidden in (("SET", keys.call_owner("main", "x"), "1"), ("GET", f"{keys.base('main')}:r:config"), ("FLUSHALL",)):
            with pytest.raises(NoPermissionError):
                edge.execute_command(*forbidden)
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.config.ports.redis).ping()
        server.kill()
        server.start()


def test_nobody_is_the_default_user_while_data_are_read(tmp_path: Path) -> None:
    """The file that Redis starts with lets nobody become the user who may do all."""
    config = replace(edge_config(tmp_path), secured=True)
    redis_access.provide(config)
    (line,) = [one for one in _users(config) if one.startswith("user default ")]
    assert line.split()[2:4] == ["off", "resetpass"]
    assert [words[:2] for words in redis_access.late_users(config)] == [("default", "reset"), ("supervisor", "reset")]


def _users(config: CentreConfig) -> list[str]:
    return (config.state / "redis" / "users.acl").read_text(encoding="ascii").splitlines()
