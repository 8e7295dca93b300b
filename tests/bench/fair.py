"""The bench `fair`: 100 equal agents, 5,000 calls at a quarter of their load, on a whole centre; how evenly they are shared out.

    python -m tests.bench.fair [--rate 50] [--calls 5000] [--policy longest_idle --policy fewest_calls]

Every call goes carrier -> edge -> media -> menu -> router -> edge -> seat, without audio; its talk is as long as a quarter of the
agents' time allows at that rate (0.5 s at 50 a second), shorter and longer by a third from call to call. `max_minus_min`: calls of
the agent who got most less those of the one who got least, by the facts. Goal: at most 2 under each policy, no call failed.
Prints one JSON line; status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from typing import Any

from tests.bench.call import judge
from tests.bench.stack import Shape, Stack, running

LOAD = 0.25
ANSWER_AFTER_S, SET_UP_S = 0.05, 0.05  # the agent is busy so long before and besides the talk
GOAL = 2


async def measure(stack: Stack, rate: float, calls: int) -> dict[str, Any]:
    """One policy."""
    agents = stack.shape.agents
    talk = LOAD * agents / rate - ANSWER_AFTER_S - SET_UP_S
    common = {"give_up_s": 30.0}
    seats = stack.load("seats", role="seats", talk_s=talk, spread=1 / 3, answer_after_s=ANSWER_AFTER_S, **common)
    callers = stack.load("callers", role="callers", rate=rate, seconds=calls / rate, call_s=30.0, first=1, step=2, **common)
    try:
        async with stack.desk() as desk:
            await desk.login(stack.shape.people())
            for agent, _ in stack.shape.people():
                await desk.ready(agent)
            seats.tell()
            callers.tell()
            await asyncio.to_thread(callers.expect, "done")
            states = await desk.until_ready(agents, 15)
        seats.tell()
        await asyncio.to_thread(seats.expect, "done")
        return report(stack, callers.records(), seats.records(), states)
    finally:
        seats.end()
        callers.end()


def report(stack: Stack, callers: list[dict[str, Any]], seats: list[dict[str, Any]], states: dict[str, int]) -> dict[str, Any]:
    """The figures of a policy."""
    judged = judge(callers, seats)
    shares = Counter(fact.agent for fact in stack.facts("bridged"))
    counts = [shares[agent] for agent, _ in stack.shape.people()]
    busy = sum(r["over"] - r["invite"] for r in seats if "over" in r)
    span = max(r["over"] for r in seats) - min(r["invite"] for r in seats)
    return {
        "max_minus_min": max(counts) - min(counts),
        "least": min(counts),
        "most": max(counts),
        "calls": len(callers),
        "failed": judged["failed"],
        "why": judged["why"],
        "load": round(busy / span / len(counts), 3),
        "agents": states,
    }


def good(figures: dict[str, Any], agents: int) -> bool:
    """Whether a policy reached its goal."""
    return bool(figures["max_minus_min"] <= GOAL and figures["failed"] == 0 and figures["agents"] == {"ready": agents})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fair")
    parser.add_argument("--rate", type=float, default=50, help="calls a second")
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--policy", action="append", help="longest_idle and fewest_calls unless told")
    asked = parser.parse_args()
    found = {}
    for policy in asked.policy or ["longest_idle", "fewest_calls"]:
        with running(Shape(agents=asked.agents, policy=policy)) as stack:
            found[policy] = asyncio.run(measure(stack, asked.rate, asked.calls))
    worst = max(figures["max_minus_min"] for figures in found.values())
    conditions = {"rate": asked.rate, "agents": asked.agents, "audio": False, "cores": os.cpu_count()}
    print(json.dumps({"bench": "fair", "max_minus_min": worst, "policies": found, "conditions": conditions}))
    return 0 if all(good(figures, asked.agents) for figures in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
