"""What a starting centre says about the rules in force, and what the command says without one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from ops import keys, rulebook
from ops.centre import Centre, CentreConfig, Ports, Queue
from ops.supervise import in_force
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer


@pytest.mark.real
def test_a_changed_file_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version as the file has it, then one that differs: how much, how to see it, how to take it."""
    with RedisServer(tmp_path / "redis") as server:
        file = tmp_path / "centre.toml"
        config = CentreConfig(Centre("x"), queue=(Queue("q", "s"),), ports=Ports(redis=server.port), path=file, state=tmp_path)
        client = redis.Redis(port=server.port)
        client.hset(keys.rules("main"), "document", rulebook.to_json(rulebook.seed(config)))
        assert in_force.told(config) == f"version 1, as in {file}"
        other = replace(rulebook.seed(config), version=4, queue=(Queue("q", "s", priority=1), Queue("r", "s")))
        client.hset(keys.rules("main"), "document", rulebook.to_json(other))
        said = in_force.told(config)
        assert said.startswith("version 4 is in force") and "in 2 places" in said
        assert f"`tierline rules --state {tmp_path} import {file} --why ...`" in said
        client.flushall()
        monkeypatch.setattr(in_force, "TRIES", 2)
        assert in_force.told(config) == "not known yet"


def test_redis_away_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """The line says that it is not known."""
    config = CentreConfig(Centre("x"), ports=Ports(redis=free_port()), state=tmp_path)
    assert in_force.told(config).startswith("not known: ")


def rules(*words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "ops", "rules", *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_command_without_a_centre(tmp_path: Path) -> None:
    """A file is checked alone, with mistakes and warnings; other verbs say that no centre runs."""
    file = tmp_path / "r.toml"
    file.write_text('[[queue]]\nid = "q"\nskill = "s"\n')
    status, text = rules("--state", str(tmp_path), "check", str(file))
    assert status == 0 and "queue q has no agent" in text and "can be taken" in text
    file.write_text('[[queue]]\nid = "q"\n')
    status, text = rules("--state", str(tmp_path), "check", str(file))
    assert status == 1 and f"{file}:1: queue[1]: skill is missing" in text
    status, text = rules("--state", str(tmp_path), "history")
    assert status == 1 and "no centre runs in" in text
