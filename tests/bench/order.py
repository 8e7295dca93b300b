"""The bench `order`: 2,000 callers wait, 100 agents free up one after the other, on a whole centre: who is served, and how soon.

    python -m tests.bench.order [--calls 2000] [--agents 100] [--talk 4.0]

The callers fill the lines of three queues with three priorities first (through edge, menu and router, without audio; hold music is
taken away, for two thousand streams of it would measure rtpengine). Then the agents get ready one by one, and each call is ended
by the seat after its talk, so that agents get free evenly. In the middle every process of the router is stopped for 1.5 s.

`out_of_order`: calls offered while one with a better score (a point of priority is worth 120 s) waited, by the facts.
`busy_ratio`: share of the agents' time from the INVITE to the end of the call, while callers wait; ideal is 1.
`gap_p95_ms`: from the end of a seat's call, at the phone, to its next INVITE, at the phone: the way of the BYE through edge, media
and router and of the INVITE back. `gap_after_stall_p95_ms`: the same of agents who got free from 2 s after the router went on.
Prints one JSON line; status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ops.facts import Fact
from tests.bench import call_meter
from tests.bench.call import percentile
from tests.bench.stack import PRIORITY_WORTH_MS, Desk, Shape, Stack, running

FILL_PER_S = 25.0
STALL_S, BACK_S, AFTER_S = 1.5, 2.0, 10.0
GOALS = {"out_of_order": 0, "busy_ratio": 0.95, "gap_p95_ms": 30.0, "gap_after_stall_p95_ms": 30.0}
LINES = ("enqueued", "offered", "offer_failed", "left_queue")


@dataclass(frozen=True, slots=True)
class Stall:
    """When the router was stopped and went on, ns of the monotonic clock."""

    stopped: int
    went_on: int

    def touches(self, at: int) -> bool:
        """Something that begins then is not the router's usual."""
        return self.stopped <= at <= self.went_on + int(BACK_S * 1e9)


async def stall(stack: Stack) -> Stall:
    """Stop every process of the router for a while."""
    pids, stopped = stack.pids("router"), time.monotonic_ns()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(STALL_S)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    return Stall(stopped, time.monotonic_ns())


async def measure(stack: Stack, calls: int, talk: float) -> dict[str, Any]:
    """Fill, serve, stop the router in the middle."""
    agents, common = stack.shape.agents, {"give_up_s": 1800.0}
    stack.hush()
    seats = stack.load("seats", role="seats", talk_s=talk, spread=1 / 3, answer_after_s=0.05, **common)
    how = {
        "rate": FILL_PER_S,
        "seconds": calls / FILL_PER_S,
        "call_s": 1800.0,
        "first": 1,
        "step": 2,
        "digits": ["0", "31", "32", "0"],
    }
    callers = stack.load("callers", role="callers", **how, **common)
    try:
        async with stack.desk() as desk:
            await desk.login(stack.shape.people())
            callers.tell()
            await until_waiting(desk, calls, calls / FILL_PER_S + 60)
            seats.tell()
            await get_ready(desk, stack.shape.people(), talk)
            await asyncio.sleep(0.4 * talk * calls / agents)
            stopped = await stall(stack)
            await asyncio.to_thread(callers.expect, "done")
            states = await desk.until_ready(agents, 15)
        seats.tell()
        await asyncio.to_thread(seats.expect, "done")
        return report(stack, callers.records(), seats.records(), stopped) | {"agents": states}
    finally:
        seats.end()
        callers.end()


async def until_waiting(desk: Desk, calls: int, seconds: float) -> None:
    """All callers stand in line. Raises RuntimeError when they do not get there."""
    end = time.monotonic() + seconds
    while (waiting := await desk.waiting()) < calls:
        if time.monotonic() > end:
            raise RuntimeError(f"only {waiting} of {calls} callers wait")
        await asyncio.sleep(0.5)


async def get_ready(desk: Desk, people: list[tuple[str, str]], talk: float) -> None:
    """One agent after the other within the time of a talk, so that they get free evenly too."""
    begin = time.monotonic()
    for n, (agent, _) in enumerate(people):
        await asyncio.sleep(max(0.0, begin + n * talk / len(people) - time.monotonic()))
        await desk.ready(agent)


def out_of_order(facts: Iterable[Fact]) -> int:
    """Offers that passed over a waiting call with a better score."""
    waiting: dict[str, tuple[int, str]] = {}
    offered: dict[str, tuple[int, str]] = {}
    wrong = 0
    for fact in facts:
        if fact.kind == "enqueued":
            score = int(fact.body["entered_ms"]) - int(fact.body.get("priority", 0)) * PRIORITY_WORTH_MS
            waiting[fact.call] = (score, fact.call)
        elif fact.kind == "offered":
            wrong += any(other < waiting[fact.call] for other in waiting.values())
            offered[fact.call] = waiting.pop(fact.call)
        elif fact.kind == "offer_failed":
            waiting[fact.call] = offered[fact.call]
        else:
            waiting.pop(fact.call, None)
    return wrong


def gaps(seats: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """(when the agent got free, ms to the next INVITE at the same seat)."""
    by_seat: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(seats, key=lambda r: r["invite"]):
        by_seat.setdefault(record["seat"], []).append(record)
    return [(a["over"], (b["invite"] - a["over"]) / 1e6) for records in by_seat.values() for a, b in pairwise(records)]


def busy_ratio(seats: list[dict[str, Any]], agents: int, stopped: Stall) -> float:
    """While callers wait and all agents are at work: busy time by all time; what the stall cost is left out."""
    firsts: dict[str, int] = {}
    for record in seats:
        firsts[record["seat"]] = min(record["invite"], firsts.get(record["seat"], record["invite"]))
    begin, end = max(firsts.values()), max(record["invite"] for record in seats)
    back = stopped.went_on + int(BACK_S * 1e9)
    busy = 0.0
    for span in ((begin, stopped.stopped), (back, end)):
        busy += sum(max(0, min(r["over"], span[1]) - max(r["invite"], span[0])) for r in seats)
    whole: int = agents * (stopped.stopped - begin + end - back)
    return busy / whole


def report(stack: Stack, callers: list[dict[str, Any]], seats: list[dict[str, Any]], stopped: Stall) -> dict[str, Any]:
    """The figures."""
    found = gaps(seats)
    usual = [ms for at, ms in found if not stopped.touches(at)]
    back = stopped.went_on + int(BACK_S * 1e9)
    after = [ms for at, ms in found if back < at <= back + int(AFTER_S * 1e9)]
    answered = {record["calling"] for record in seats if "answered" in record}
    return {
        "calls": len(callers),
        "failed": len(callers) - len(answered),
        "offered_again": len(seats) - len({record["calling"] for record in seats}),
        "out_of_order": out_of_order(stack.facts(*LINES)),
        "busy_ratio": round(busy_ratio(seats, stack.shape.agents, stopped), 3),
        **{f"gap_p{p}_ms": round(percentile(usual, p / 100), 1) for p in (50, 95, 99)},
        "gap_after_stall_p95_ms": round(percentile(after, 0.95), 1),
        "gaps": [len(usual), len(after)],
    }


def missed(got: dict[str, Any], agents: int) -> list[str]:
    """Goals that were not reached."""
    over = [name for name in ("out_of_order", "gap_p95_ms", "gap_after_stall_p95_ms") if got[name] > GOALS[name]]
    under = ["busy_ratio"] * (got["busy_ratio"] < GOALS["busy_ratio"])
    return [*over, *under, *["failed"] * (got["failed"] > 0), *["agents"] * (got["agents"] != {"ready": agents})]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.order")
    parser.add_argument("--calls", type=int, default=2000, help="callers who wait")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--talk", type=float, default=4.0, help="seconds a talk takes")
    asked = parser.parse_args()
    shape = Shape(agents=asked.agents, nodes=2, max_calls=asked.calls, audio_ports=18_000)
    with running(shape) as stack:
        before = call_meter.spent(stack.endpoints["pids"])
        got = asyncio.run(measure(stack, asked.calls, asked.talk))
        spent = {name: round(ms - before[name]) for name, ms in call_meter.spent(stack.endpoints["pids"]).items()}
    conditions = {"agents_n": asked.agents, "talk_s": asked.talk, "media_nodes": 2, "routers": 1, "audio": False}
    conditions |= {"cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)}
    print(json.dumps({"bench": "order", **got, "missed": missed(got, asked.agents), "cpu_ms": spent, "conditions": conditions}))
    return int(bool(missed(got, asked.agents)))


if __name__ == "__main__":
    sys.exit(main())
