"""The shipper: all lines reach the stream, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry

from ops import keys
from ops.centre import CentreConfig
from ops.config import dump
from ops.facts import Fact, decode
from sip.kemi.journal import Journal
from sip.render import journal_of
from sip.ship import app
from sip.ship.tail import Tail
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until, until_async
from tests.sip.edge_kit import ROOT, edge_config


def fact(n: int) -> Fact:
    """The n-th fact."""
    return Fact(f"c{n}:e:invite", 1_760_000_000_000 + n, "main", "edge:edge1", "edge_invite", {"edge": "edge1"}, f"c{n}")


class Ship:
    """Runs `python -m sip.ship`."""

    def __init__(self, config: CentreConfig) -> None:
        self.config = config
        journal_of(config).mkdir(parents=True, exist_ok=True)
        self.file = config.state / "centre.json"
        self.file.write_text(dump(config))
        self.log = (config.state / "ship.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Ship:
        """Start it."""
        words = [sys.executable, "-m", "sip.ship", "--config", str(self.file)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=self.log, stderr=self.log)
        return self

    def end(self, how: signal.Signals) -> int:
        """Send a signal and wait; the exit status."""
        assert self.process is not None
        os.kill(self.process.pid, how)
        status = self.process.wait(15)
        self.process = None
        return status

    def shipped(self) -> list[str]:
        """Ids on the stream, in its order."""
        with redis.Redis(port=self.config.ports.redis) as client:
            entries = client.xrange(keys.facts("main"))
        return [decode(entry[1][b"f"]).id for entry in entries]


@pytest.fixture
def ship(tmp_path: Path) -> Iterator[Ship]:
    """A shipper not yet started, with its Redis."""
    config = edge_config(tmp_path)
    with RedisServer(tmp_path / "redis", config.ports.redis):
        made = Ship(config)
        yield made
        if made.process is not None:
            made.end(signal.SIGKILL)
        made.log.close()


@pytest.mark.real
def test_ships_in_order(ship: Ship) -> None:
    """Lines written before and while it runs arrive once each, in order."""
    journal = Journal(journal_of(ship.config))
    for n in range(100):
        journal.write(fact(n))
    ship.start()
    until(lambda: len(ship.shipped()) == 100, 10, "the backlog is shipped")
    for n in range(100, 150):
        journal.write(fact(n))
    until(lambda: len(ship.shipped()) >= 150, 5, "new lines are shipped")
    assert ship.shipped() == [fact(n).id for n in range(150)]
    assert ship.end(signal.SIGTERM) == 0


@pytest.mark.real
def test_kill_in_the_middle(ship: Ship) -> None:
    """kill -9 again and again while lines come in: none is missing; a repeat has the same id and content."""
    journal = Journal(journal_of(ship.config))
    for part in range(4):
        ship.start()
        for n in range(part * 1000, part * 1000 + 1000):
            journal.write(fact(n))
        until(lambda part=part: len(set(ship.shipped())) > part * 1000, 10, "it ships")  # type: ignore[misc]
        ship.end(signal.SIGKILL)
    ship.start()
    until(lambda: len(set(ship.shipped())) == 4000, 10, "everything is on the stream")
    assert set(ship.shipped()) == {fact(n).id for n in range(4000)}


@pytest.mark.real
def test_redis_away(tmp_path: Path) -> None:
    """Without Redis at start it waits; Redis killed in flight costs nothing; all arrive when it is back."""
    config = edge_config(tmp_path)
    ship, journal = Ship(config), Journal(journal_of(config))
    ship.start()
    for n in range(50):
        journal.write(fact(n))
    server = RedisServer(tmp_path / "redis", config.ports.redis).start()
    until(lambda: len(set(ship.shipped())) == 50, 15, "shipped when Redis came")
    with redis.Redis(port=config.ports.redis) as client:
        client.config_set("appendfsync", "always")
    server.stop()
    for n in range(50, 100):
        journal.write(fact(n))
    server.start()
    until(lambda: len(set(ship.shipped())) == 100, 15, "shipped when Redis was back")
    assert ship.end(signal.SIGTERM) == 0
    server.stop()


async def test_stopping_ships_what_is_in_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that was written after the last look and before the wish to stop is on the stream when the shipper has ended."""
    monkeypatch.setattr(app, "POLL_S", 3600.0)
    config = edge_config(tmp_path)
    journal_of(config).mkdir(parents=True)
    journal, client, stop = Journal(journal_of(config)), Stream(), asyncio.Event()
    journal.write(fact(0))
    running = asyncio.create_task(app.Shipper(config, client, app.Meters(CollectorRegistry())).run(stop))  # type: ignore[arg-type]
    await until_async(lambda: len(client.lines) == 1, 5, "the first look is over")
    journal.write(fact(1))
    stop.set()
    await running
    assert [decode(line).id for line in client.lines] == [fact(0).id, fact(1).id]


class Stream:
    """A Redis that takes every line at once."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def pipeline(self, transaction: bool) -> Stream:
        return self

    def execute_command(self, *words: bytes) -> None:
        self.lines.append(words[-1])

    async def execute(self) -> None:
        """All is there."""


def test_removes_only_what_is_done(tmp_path: Path) -> None:
    """A file goes when it is shipped to its end and its writer has let go; a file being written stays."""
    old, new = Journal(tmp_path, rotate_bytes=1), Journal(tmp_path)
    old.write(fact(1))
    old.write(fact(2))  # a second file: the first one is let go
    new.write(fact(3))
    tail = Tail.open(tmp_path)
    assert tail.sweep() == []
    tail.keep(tail.batches())
    removed = tail.sweep()
    assert len(removed) == 1
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert Tail.open(tmp_path).batches() == []


def test_half_a_line_waits(tmp_path: Path) -> None:
    """A line without its end is not shipped until it is whole."""
    path = tmp_path / "1-1-0.jsonl"
    path.write_bytes(b'{"a":1}\n{"b"')
    (batch,) = Tail.open(tmp_path).batches()
    assert batch.lines == [b'{"a":1}']
    tail = Tail.open(tmp_path)
    tail.keep([batch])
    path.write_bytes(b'{"a":1}\n{"b":2}\n')
    assert [b.lines for b in tail.batches()] == [[b'{"b":2}']]


def test_broken_positions_start_over(tmp_path: Path) -> None:
    """A positions file that is no JSON means: ship all again, which is harmless."""
    (tmp_path / "1-1-0.jsonl").write_bytes(b'{"a":1}\n')
    (tmp_path / "positions.json").write_text("{")
    assert len(Tail.open(tmp_path).batches()) == 1


def test_state_folder_of_another_centre(tmp_path: Path) -> None:
    """Two centres on one machine keep their journals apart."""
    one, other = edge_config(tmp_path / "a"), edge_config(tmp_path / "b")
    assert journal_of(one) != journal_of(replace(other, state=tmp_path / "b"))
