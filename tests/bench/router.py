"""The bench `router`: enqueue + match + settle + end through gRPC and Redis, one router process and one Redis.

    python -m tests.bench.router [--rate 1500] [--seconds 10]

Twice: with 100 agents and nobody waiting, and with 10,000 agents and 5,000 calls waiting for a skill that nobody has. Figures are
CPU time from /proc, because the load itself runs on the same machine: `router_core` and `redis_core` are the cores used at
`per_s` (of the large case); `scale_ratio` is CPU per cycle of both, large by small. Prints one JSON line; status 1 if a goal
is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import grpc

from ops import config as configuration
from ops.clock import SystemClock
from router.app import redis_store
from router.rules import rules_of
from tests.kit.ports import free_block
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until

CENTRE = """
[centre]
name = "bench"
[ports]
router = {router}
router_metrics = {metrics}
redis = {redis}
[[trunk]]
name = "t1"
addresses = ["127.0.0.2"]
[[queue]]
id = "bench"
skill = "bench"
after_call_s = 0
[[queue]]
id = "parked"
skill = "parked"
"""
GOALS = {"per_s": 1500, "router_core": 1.0, "redis_core": 1.0, "scale_ratio": 1.3}


@dataclass(frozen=True)
class Case:
    """What one run measured."""

    per_s: float
    router_core: float
    redis_core: float
    us_per_cycle: float
    refused: int


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=0.5)
        except grpc.FutureTimeoutError:
            return False
        return True


async def log_in(path: Path, agents: int) -> None:
    """All agents ready, by the store's own verbs (through gRPC it would only take longer)."""
    config = configuration.load(path)
    clock = SystemClock()
    store = redis_store(config, "bench", clock)
    await store.start(rules_of(config), lambda _: None, lambda: None)
    await store.connected.wait()
    for first in range(0, agents, 500):
        ids = [f"a{n}" for n in range(first, min(first + 500, agents))]
        await asyncio.gather(*(store.login(a, f"8{a}", (("bench", 1),), clock.now_ms()) for a in ids))
        await asyncio.gather(*(store.ready(a, clock.now_ms()) for a in ids))
    await store.close()


def measure(address: str, pids: tuple[int, int], load: list[str]) -> Case:
    """Run the load; CPU of router and Redis between its two marks."""
    command = [sys.executable, "-m", "tests.bench.router_load", address, *load]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None and client.stdout is not None
        json.loads(client.stdout.readline())
        before = [cpu_s(pid) for pid in pids]
        client.stdin.write("go\n")
        client.stdin.flush()
        got = json.loads(client.stdout.readline())
        router, redis = (cpu_s(pid) - was for pid, was in zip(pids, before, strict=True))
        client.stdin.write("done\n")
        client.stdin.flush()
    cycles, seconds = got["cycles"], got["seconds"]
    return Case(cycles / seconds, router / seconds, redis / seconds, (router + redis) / cycles * 1e6, got["refused"])


def case(folder: Path, agents: int, parked: int, rate: int, seconds: float) -> Case:
    """One router and one Redis of its own."""
    with RedisServer(folder) as redis:
        port = free_block(2)
        path = folder / "centre.toml"
        path.write_text(CENTRE.format(router=port, metrics=port + 1, redis=redis.port))
        address = f"127.0.0.1:{port}"
        with (folder / "router.log").open("wb") as log:
            router = subprocess.Popen([sys.executable, "-m", "router", "--config", str(path)], stderr=log)
        try:
            until(lambda: answers(address), 20, "the router serves")
            asyncio.run(log_in(path, agents))
            assert redis.process is not None
            words = ["--rate", str(rate), "--seconds", str(seconds), "--parked", str(parked)]
            return measure(address, (router.pid, redis.process.pid), words)
        finally:
            router.terminate()
            router.wait(10)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.router")
    parser.add_argument("--rate", type=int, default=1540, help="cycles a second asked for")
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as folder:
        small = case(Path(folder) / "small", 100, 0, asked.rate, asked.seconds)
        large = case(Path(folder) / "large", 10_000, 5_000, asked.rate, asked.seconds)
    ratio = large.us_per_cycle / small.us_per_cycle
    got = {"per_s": round(large.per_s), "router_core": round(large.router_core, 2)}
    got |= {"redis_core": round(large.redis_core, 2), "scale_ratio": round(ratio, 2)}
    refused = small.refused + large.refused
    more = {"small_per_s": round(small.per_s), "us_per_cycle": round(large.us_per_cycle), "refused": refused}
    print(json.dumps({"bench": "router"} | got | more))
    slow = got["per_s"] < GOALS["per_s"] or refused > 0
    return int(slow or any(got[name] > GOALS[name] for name in ("router_core", "redis_core", "scale_ratio")))


if __name__ == "__main__":
    sys.exit(main())
