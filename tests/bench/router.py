"""The bench `router`: enqueue + match + settle + end through gRPC and Redis, one router process and one Redis.

    python -m tests.bench.router [--rate 1650] [--seconds 4] [--rounds 5]

Two whole systems side by side: *small* with 100 agents and nobody waiting, *large* with 10,000 agents and 5,000 calls waiting for
a skill that nobody has. They are measured in turn, window by window, so that what else happens on the machine meets both.

Figures are CPU time from /proc, because the load itself runs on the same machine. `router_core`, `redis_core`: cores used at
`per_s`, all windows of *large*. `scale_ratio`: CPU of both per cycle, large by small, median of the rounds; `ratios` are all of
them. `starved`: share of the time that router, Redis or load were ready to run and had no processor (schedstat): above some
hundredths, `per_s` tells of the machine and not of the router. Prints one JSON line; status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc

from ops import config as configuration
from ops.clock import SystemClock
from ops.inner import MEDIA, target
from router.app import redis_store
from router.keeper import Keeper
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until

CENTRE = """
[centre]
name = "bench"
[ports]
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
class Window:
    """What one window measured."""

    cycles: int
    seconds: float
    refused: int
    p99_ms: float
    router_s: float  # CPU
    redis_s: float
    starved_s: float  # the worst of router, Redis and load

    @property
    def us_per_cycle(self) -> float:
        return (self.router_s + self.redis_s) / self.cycles * 1e6


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def starved_s(pid: int) -> float:
    """Time that threads of a process were ready to run and had no processor; the worst thread counts."""
    waits = [int(path.read_text().split()[1]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return max(waits) / 1e9


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
    keeper = Keeper(config)
    await store.start(keeper.rules, lambda _: None, lambda: None, keeper.newer)
    await store.connected.wait()
    for first in range(0, agents, 500):
        ids = [f"a{n}" for n in range(first, min(first + 500, agents))]
        await asyncio.gather(*(store.login(a, f"8{a}", (("bench", 1),), clock.now_ms()) for a in ids))
        await asyncio.gather(*(store.ready(a, clock.now_ms()) for a in ids))
    await store.close()


class System:
    """One router, one Redis, one load."""

    def __init__(self, router: int, redis: int, load: subprocess.Popen[str]) -> None:
        self.pids = (router, redis, load.pid)
        self.load = load

    def tell(self, word: str) -> None:
        assert self.load.stdin is not None
        self.load.stdin.write(word + "\n")
        self.load.stdin.flush()

    def hear(self) -> dict[str, float]:
        assert self.load.stdout is not None
        line: dict[str, float] = json.loads(self.load.stdout.readline())
        return line

    def window(self) -> Window:
        """CPU and starvation between the two marks of the load."""
        cpu, starved = [cpu_s(p) for p in self.pids], [starved_s(p) for p in self.pids]
        self.tell("window")
        got = self.hear()
        router, redis, _ = (cpu_s(p) - was for p, was in zip(self.pids, cpu, strict=True))
        worst = max(starved_s(p) - was for p, was in zip(self.pids, starved, strict=True))
        return Window(int(got["cycles"]), got["seconds"], int(got["refused"]), got["p99_ms"], router, redis, worst)


@contextmanager
def system(folder: Path, agents: int, parked: int, rate: int, seconds: float) -> Iterator[System]:
    """Started, filled and warm."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(folder))
        path = folder / "centre.toml"
        path.write_text(CENTRE.format(metrics=free_port(), redis=redis.port))
        address = target(configuration.load(path).routers[0], MEDIA)
        log = stack.enter_context((folder / "router.log").open("wb"))
        router = subprocess.Popen([sys.executable, "-m", "router", "--config", str(path)], stderr=log)
        stack.callback(router.wait, 10)
        stack.callback(router.terminate)
        until(lambda: answers(address), 20, "the router serves")
        asyncio.run(log_in(path, agents))
        words = [address, "--rate", str(rate), "--seconds", str(seconds), "--parked", str(parked)]
        command = [sys.executable, "-m", "tests.bench.router_load", *words]
        load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert redis.process is not None
        made = System(router.pid, redis.process.pid, load)
        stack.callback(load.wait, 10)
        stack.callback(made.tell, "end")
        made.hear()
        yield made


def report(small: Sequence[Window], large: Sequence[Window]) -> dict[str, float | list[float]]:
    """The figures of the JSON line."""
    seconds = sum(w.seconds for w in large)
    both = (*small, *large)
    ratios = [big.us_per_cycle / little.us_per_cycle for little, big in zip(small, large, strict=True)]
    return {
        "per_s": round(sum(w.cycles for w in large) / seconds),
        "router_core": round(sum(w.router_s for w in large) / seconds, 2),
        "redis_core": round(sum(w.redis_s for w in large) / seconds, 2),
        "scale_ratio": round(median(ratios), 2),
        "ratios": [round(r, 2) for r in ratios],
        "small_per_s": round(sum(w.cycles for w in small) / sum(w.seconds for w in small)),
        "us_per_cycle": round(median(w.us_per_cycle for w in large)),
        "p99_ms": [median(w.p99_ms for w in small), median(w.p99_ms for w in large)],
        "starved": round(sum(w.starved_s for w in both) / sum(w.seconds for w in both), 3),
        "refused": max(w.refused for w in both),
    }


def missed(got: dict[str, float | list[float]]) -> list[str]:
    """Goals that were not reached."""
    figures = {name: float(value) for name, value in got.items() if not isinstance(value, list)}
    over = [name for name in ("router_core", "redis_core", "scale_ratio") if figures[name] > GOALS[name]]
    return over + [name for name in ("per_s",) if figures[name] < GOALS[name]] + ["refused"] * (figures["refused"] > 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.router")
    parser.add_argument("--rate", type=int, default=1650, help="cycles a second asked for")
    parser.add_argument("--seconds", type=float, default=4, help="of a window")
    parser.add_argument("--rounds", type=int, default=5, help="windows of each system")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        little = stack.enter_context(system(folder / "small", 100, 0, asked.rate, asked.seconds))
        big = stack.enter_context(system(folder / "large", 10_000, 5_000, asked.rate, asked.seconds))
        rounds = [(little.window(), big.window()) for _ in range(asked.rounds)]
    got = report([w for w, _ in rounds], [w for _, w in rounds])
    print(json.dumps({"bench": "router"} | got))
    return int(bool(missed(got)))


if __name__ == "__main__":
    sys.exit(main())
