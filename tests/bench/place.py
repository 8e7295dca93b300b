"""Placing between provinces: how fast, and what the national router costs.

Real: the national router and two provinces with agents, each a router process with a Redis of its own, joined by gRPC with mutual
TLS. The load holds 31 streams of other provinces: all report as often as a province may (pace.LOOK_S); one of them asks for places
at a given rate and gives each back. Timed is from writing Place to reading Placed. The national router's CPU is measured while all
31 report and nothing is placed. One JSON line; status 1 if a goal was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from tierline.federation.v1 import federation_pb2 as pb

from ops import certificates
from ops.centre import Peer
from ops.clock import SystemClock
from ops.ids import uuid7
from router.app import redis_store
from router.federation.client import Ears, Link
from router.federation.pace import LOOK_S
from router.federation.tls import Identity
from router.rules import rules_of
from tests.bench.router import cpu_s, starved_s
from tests.router.federation.kit import NATION, Site, running, sites

PROVINCES = 31
REAL = ("real1", "real2")
AGENTS = 150
REPORT_S = LOOK_S
WINDOWS = 5
GOALS = {"per_s": 200, "p99_ms": 20.0, "national_core": 0.10}
CLOCK = SystemClock()


def now_ms() -> int:
    return CLOCK.now_ms()


@dataclass
class Load:
    """The streams of provinces that are only load; the first one asks."""

    names: list[str]
    links: dict[str, Link] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    asked: dict[str, float] = field(default_factory=dict)
    waits_ms: list[float] = field(default_factory=list)
    refused: int = 0
    reports: int = 0

    def ears(self, name: str) -> Ears:
        hello = pb.FromCentre(hello=pb.Hello(tenant="main", centre=name, epoch=now_ms()))
        return Ears(lambda: hello, lambda _: self.open.add(name), lambda _: self.open.discard(name), self.hear)

    def hear(self, peer: str, frame: pb.ToCentre) -> None:
        kind = frame.WhichOneof("body")
        if kind not in ("placed", "no_place"):
            return
        body = getattr(frame, kind)
        began = self.asked.pop(body.placement, None)
        if began is None:
            return
        if kind == "no_place":
            self.refused += 1
            return
        self.waits_ms.append((time.monotonic() - began) * 1000)
        back = pb.Release(placement=body.placement, centre=body.centre, ended_ms=now_ms())
        self.links[self.names[0]].send(pb.FromCentre(release=back))

    def place(self, call: str) -> None:
        now = now_ms()
        place = pb.Place(placement=f"{call}.p1", call=call, queue="sales", skill="sales", level=9, priority=10)
        place.entered_ms, place.expires_ms = now, now + 5_000
        self.asked[place.placement] = time.monotonic()
        self.links[self.names[0]].send(pb.FromCentre(place=place))

    async def report(self) -> None:
        """All, once a LOOK_S, each at a moment of its own; nobody free, so that only the real ones are asked."""
        start = time.monotonic()
        while True:
            self.reports += 1
            name = self.names[self.reports % len(self.names)]
            said = pb.Report(at_ms=now_ms(), share=100, penalty_ms=5_000)
            said.skills.add(skill="sales", staffed=300, waiting=self.reports % 50, expected_ms=self.reports % 9_000)
            self.links[name].send(pb.FromCentre(report=said))
            await asyncio.sleep(max(0.0, start + self.reports * REPORT_S / len(self.names) - time.monotonic()))

    async def run(self, rate: int, seconds: float) -> float:
        """Places at `rate` for so long; the seconds until all were answered."""
        start, begun = time.monotonic(), 0
        while (spent := time.monotonic() - start) < seconds:
            while begun < spent * rate:
                begun += 1
                self.place(uuid7(now_ms()))
            await asyncio.sleep(0.002)
        while self.asked and time.monotonic() - start < seconds + 5:
            await asyncio.sleep(0.002)
        return time.monotonic() - start


async def log_in(site: Site) -> None:
    """Agents who are ready, by the store's own verbs."""
    store = redis_store(site.config, "bench", CLOCK)
    await store.start(rules_of(site.config), lambda _: None, lambda: None)
    await store.connected.wait()
    for n in range(AGENTS):
        await store.login(f"a{n}", f"8{n:03}", (("sales", 1),), now_ms())
        await store.ready(f"a{n}", now_ms())
    await store.close()


async def settled(load: Load) -> None:
    """All streams are open and the real provinces have told how many are free: the first places are answered."""
    end = time.monotonic() + 30
    while len(load.open) < len(load.names):
        assert time.monotonic() < end, f"only {len(load.open)} of {len(load.names)} streams are open"
        await asyncio.sleep(0.05)
    while not load.waits_ms:
        assert time.monotonic() < end, "nothing is placed"
        load.place(uuid7(now_ms()))
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Window:
    """One short measurement of placing."""

    placed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    core: float


async def idle(nation: int, seconds: float) -> float:
    """Part of a core that the nation takes while all only report."""
    cpu, began = cpu_s(nation), time.monotonic()
    await asyncio.sleep(seconds)
    return (cpu_s(nation) - cpu) / (time.monotonic() - began)


async def placing(load: Load, nation: int, rate: int, seconds: float) -> Window:
    """Places at a rate."""
    load.waits_ms.clear()
    cpu = cpu_s(nation)
    took = await load.run(rate, seconds)
    waits = sorted(load.waits_ms)
    half, most = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    return Window(len(waits), took, half, most, (cpu_s(nation) - cpu) / took)


async def measure(load: Load, nation: int, rate: int, seconds: float) -> dict[str, float | list[float]]:
    """The figures of the JSON line: medians of WINDOWS, so that what else the machine does in one of them does not count."""
    reporting = asyncio.create_task(load.report())
    await settled(load)
    await load.run(rate, 1.0)  # warm
    load.refused = 0
    starved, began = starved_s(nation), time.monotonic()
    cores = [await idle(nation, seconds) for _ in range(WINDOWS)]
    windows = [await placing(load, nation, rate, seconds) for _ in range(WINDOWS)]
    reporting.cancel()
    return {
        "per_s": round(sum(w.placed for w in windows) / sum(w.seconds for w in windows), 1),
        "p99_ms": round(median(w.p99_ms for w in windows), 1),
        "national_core": round(median(cores), 3),
        "provinces": PROVINCES,
        "p50_ms": round(median(w.p50_ms for w in windows), 1),
        "p99s_ms": [round(w.p99_ms, 1) for w in windows],
        "cores": [round(core, 3) for core in cores],
        "placing_core": round(median(w.core for w in windows), 3),
        "refused": load.refused,
        "unanswered": len(load.asked),
        "starved": round((starved_s(nation) - starved) / (time.monotonic() - began), 3),
    }


async def bench(folder: Path, rate: int, seconds: float) -> dict[str, float | list[float]]:
    """Start all, measure, stop all."""
    names = [f"load{n}" for n in range(PROVINCES)]
    with ExitStack() as stack:
        made = sites(stack, folder, REAL)
        nation = made[NATION]
        nation.config = replace(nation.config, peer=(*nation.config.peer, *(Peer(name) for name in names)))
        pids = {name: stack.enter_context(running(site)) for name, site in made.items()}
        for name in REAL:
            await log_in(made[name])
        load = Load(names)
        authority = certificates.authority(folder / "tls").certificate.read_bytes()
        for name in names:
            pair = certificates.issue(folder / "tls", name)
            identity = Identity(pair.certificate.read_bytes(), pair.private_key.read_bytes(), authority)
            load.links[name] = Link(NATION, nation.federation, identity, load.ears(name))
        tasks = [asyncio.create_task(link.run()) for link in load.links.values()]
        try:
            return await measure(load, pids[NATION], rate, seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def missed(got: dict[str, float | list[float]]) -> list[str]:
    """Goals that were not reached."""
    figures = {name: float(value) for name, value in got.items() if not isinstance(value, list)}
    over = [name for name in ("p99_ms", "national_core") if figures[name] > GOALS[name]]
    return over + ["per_s"] * (figures["per_s"] < GOALS["per_s"]) + ["unanswered"] * (figures["unanswered"] > 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.place")
    parser.add_argument("--rate", type=int, default=205, help="places a second asked for")
    parser.add_argument("--seconds", type=float, default=3, help="of a window")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as name:
        got = asyncio.run(bench(Path(name), asked.rate, asked.seconds))
    print(json.dumps({"bench": "place"} | got))
    return int(bool(missed(got)))


if __name__ == "__main__":
    sys.exit(main())
