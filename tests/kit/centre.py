"""A whole centre of the test's own: every process real, started the way a user starts it (`tierline up`)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import redis

from ops import facts, keys, redis_access
from ops.centre import Ports
from ops.config import load
from tests.kit.ports import free_block
from tests.kit.wait import until_async

TIERLINE = str(Path(sys.executable).parent / "tierline")
ROOT = Path(__file__).parents[2]
PROMPTS = ROOT / "build" / "test-prompts"
AUDIO = 240  # ports of all media nodes: two legs a call, two ports a leg

TEST_CENTRE = f"""
[centre]
name = "test"
numbers = ["95588"]
[edge]
realm = "test.tierline"
[media]
nodes = 2
flow = "{ROOT / "flows/service.toml"}"
[console]
change_first_passwords = false
[[trunk]]
name = "carrier-a"
addresses = ["127.0.0.2"]
[[queue]]
id = "billing"
skill = "billing"
ring_s = 4
after_call_s = 3
position_every_s = 5
[[queue]]
id = "faults"
skill = "faults"
ring_s = 4
after_call_s = 0
[[queue]]
id = "complaints"
skill = "complaints"
ring_s = 4
after_call_s = 0
[[agent]]
id = "1001"
name = "王芳"
seat = "8001"
skills = {{ billing = 1, faults = 1, complaints = 1 }}
[[agent]]
id = "1002"
name = "李强"
seat = "8002"
skills = {{ billing = 2 }}
[[agent]]
id = "9001"
name = "张敏"
role = "supervisor"
[[blacklist]]
number = "13900000000"
reason = "nuisance"
[[not_ready]]
id = "rest"
zh = "小休"
en = "Break"
[[not_ready]]
id = "meeting"
zh = "会议"
en = "Meeting"
"""


@dataclass
class Centre:
    """A running centre: where it is reached and what it wrote."""

    state: Path
    endpoints: dict[str, Any]

    @property
    def redis(self) -> redis.Redis:
        """Its Redis."""
        return redis.Redis.from_url(redis_access.url(load(self.state / "centre.json"), redis_access.OPERATOR))

    def credentials(self) -> dict[str, Any]:
        """What STATE/credentials.json says."""
        got: dict[str, Any] = json.loads(Path(self.endpoints["credentials"]).read_text())
        return got

    def password(self, user: str) -> str:
        """The first password of a user of the console."""
        return next(str(u["password"]) for u in self.credentials()["users"] if u["id"] == user)

    def seat_password(self, seat: str) -> str:
        """The SIP password of a seat."""
        return next(str(s["password"]) for s in self.credentials()["seats"] if s["seat"] == seat)

    def facts(self, kinds: Iterable[str] = (), call: str = "") -> list[facts.Fact]:
        """All facts on the stream in order, or those of some kinds or one call."""
        entries: Any = self.redis.xrange(keys.facts(self.endpoints["tenant"]))
        found = [facts.decode(fields[keys.FACTS_FIELD.encode()]) for _, fields in entries]
        return [f for f in found if (not kinds or f.kind in kinds) and (not call or f.call == call)]

    async def pid(self, name: str) -> int:
        """The pid of a process now (it changes when it was restarted)."""
        return int((await self._processes())[name]["pid"])

    async def node_of(self, number: str) -> str:
        """The media node that answered the newest call from `number`, e.g. m1."""
        started: list[str] = []

        def told() -> bool:
            calls = [f for f in self.facts(("call_started",)) if str(f.body.get("calling", "")).endswith(number)]
            started.extend(str(f.body["node"]) for f in calls)
            return bool(started)

        await until_async(told, 5, f"a node has taken the call of {number}")
        return started[-1]

    async def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a process of the centre; its old pid."""
        pid = await self.pid(name)
        os.kill(pid, signum)
        return pid

    async def restarted(self, name: str, old_pid: int, seconds: float = 20) -> None:
        """Return when the process runs again under another pid and is healthy."""

        async def healthy() -> bool:
            process = (await self._processes())[name]
            return process["pid"] not in (None, old_pid) and process["state"] == "healthy"

        await until_async(healthy, seconds, f"{name} runs again", 0.2)

    async def _processes(self) -> dict[str, Any]:
        # Never blocks: phones of the test speak in the same loop.
        words = [TIERLINE, "status", "--state", str(self.state), "--json"]
        asked = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
        text, _ = await asked.communicate()
        processes: dict[str, Any] = json.loads(text)["processes"]
        return processes

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.state / "log" / f"{name}.log").read_text(errors="replace")


def _borrow_prompts(target: Path) -> None:
    """Speaking all prompts takes a while: take those of an earlier centre; `up` publishes what is not among them."""
    if PROMPTS.is_dir() and not target.exists():
        shutil.copytree(PROMPTS, target)
        for path in (target, *target.rglob("*")):  # as `up` would have made them, whoever made those
            path.chmod(0o700 if path.is_dir() else 0o600)


def _lend_prompts(source: Path) -> None:
    if not PROMPTS.is_dir():
        PROMPTS.parent.mkdir(exist_ok=True)
        fresh = PROMPTS.with_name(f"{PROMPTS.name}.{os.getpid()}")
        shutil.copytree(source, fresh)
        try:
            fresh.rename(PROMPTS)
        except OSError:  # another worker was quicker
            shutil.rmtree(fresh)


def own_ports() -> str:
    """A table [ports] of ports that no other test has; those that somebody else takes meanwhile are moved by `up`."""
    names = [one.name for one in fields(Ports) if one.name not in ("rtp_low", "rtp_high")]
    first = free_block(4 * len(names) + AUDIO)
    low = first + 4 * len(names)
    ports = {name: first + 4 * n for n, name in enumerate(names)} | {"rtp_low": low, "rtp_high": low + AUDIO - 1}
    return "[ports]\n" + "".join(f"{name} = {port}\n" for name, port in ports.items())


def start(state: Path, config: str = TEST_CENTRE) -> Centre:
    """Start a centre and wait until all of it is healthy; AssertionError with what it printed if it is not."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "test.toml"
    path.write_text(config if "[ports]" in config else config + own_ports())
    (state / "run").mkdir(mode=0o700, exist_ok=True)
    _borrow_prompts(state / "run" / "prompts")
    words = [TIERLINE, "up", "--config", str(path), "--state", str(state / "run"), "--detach", "--auto-ports"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    _lend_prompts(state / "run" / "prompts")
    return Centre(state / "run", json.loads((state / "run" / "endpoints.json").read_text()))


def stop(centre: Centre) -> None:
    """End all of it; AssertionError if something stays."""
    done = subprocess.run([TIERLINE, "down", "--state", str(centre.state)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
