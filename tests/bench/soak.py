"""The bench `soak`: an hour of a whole centre at 100 agents and 60 calls a minute, and a day of the same in virtual time.

    python -m tests.bench.soak [--minutes 60] [--hours 24] [--rate 60]

Real: callers and seats end the calls in turn, some callers hang up while the seat rings, some seats do not answer; agents take
breaks, log out and in, and click themselves ready again after a missed call. Virtual: `tierline sim` with the same figures, its
facts replayed.

`stuck_agents`: in a state for longer than it can last, at any look (once a second) or at the end. `lost_calls`: callers who are not
in the ledger as ended, or in a line or a talk when all is over. `counters_exact`: edge accounting, facts of media and router, and
ledger count the same calls and talks, and the audit finds no unexplained difference. Prints one JSON line; status 1 if one of
them is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from tierline.agents.v1 import agents_pb2 as pb

from console.ledger.audit import GRACE_MS, Policy, audit
from console.ledger.database import Database
from ops import facts as facts_
from ops.clock import SystemClock
from ops.facts import Fact
from tests.bench.call import ROOT, TIERLINE
from tests.bench.stack import Desk, Shape, Stack, running
from tests.properties.checks import Told

TALK_S, SPREAD, AFTER_CALL_S, RING_S = 45.0, 1 / 3, 10, 10
SLACK_S = 5.0  # over what a state can last: the router's own patience with a seat is 3 s
LONGEST_S = {
    pb.AGENT_STATE_OFFERED: RING_S + SLACK_S,
    pb.AGENT_STATE_TALKING: TALK_S * (1 + SPREAD) + SLACK_S,
    pb.AGENT_STATE_AFTER_CALL: AFTER_CALL_S + SLACK_S,
}
EARLY, DEAF = 13, 37  # every so many callers hang up while it rings, are not answered at first
SETTLED = ("ready", "not_ready", "logged_out")


# ---- an hour of people ------------------------------------------------------------------------------------------
@dataclass
class Staff:
    """Who works: breaks, log-outs, clicks; and what was seen of agents who did not get on."""

    desk: Desk
    people: dict[str, str]
    stuck: set[str] = field(default_factory=set)
    missed: int = 0

    async def work(self, until: float) -> None:
        """A look and some clicks a second."""
        while time.monotonic() < until:
            with suppress(grpc.aio.AioRpcError):  # the state changed between look and click
                await self._second()
            await asyncio.sleep(1)

    async def _second(self) -> None:
        board = await self.desk.board()
        for agent in board.agents:
            self._look(agent, board.now_ms)
        away = [a for a in board.agents if a.state == pb.AGENT_STATE_NOT_READY and board.now_ms - a.since_ms > 5_000]
        home = [a for a in board.agents if a.state == pb.AGENT_STATE_LOGGED_OUT and board.now_ms - a.since_ms > 8_000]
        for agent in away:
            self.missed += agent.reason == "no_answer"
            await self.desk.ready(agent.agent)
        for agent in home:
            await self.desk.login([(agent.agent, self.people[agent.agent])])
        await self._somebody(random.choice(sorted(self.people)))

    def _look(self, agent: pb.AgentView, now_ms: int) -> None:
        if now_ms - agent.since_ms > 1000 * LONGEST_S.get(agent.state, float("inf")):
            self.stuck.add(agent.agent)

    async def _somebody(self, agent: str) -> None:
        """One agent wants a break, or goes; during a call it takes effect after it."""
        who = self.desk.who(agent)
        if random.random() < 0.3:
            await self.desk.stub.Logout(pb.AgentRequest(**who))
        elif random.random() < 0.5:
            await self.desk.stub.SetNotReady(pb.NotReadyRequest(reason="rest", **who))


async def hour(stack: Stack, minutes: float, rate: float) -> dict[str, Any]:
    """The real part."""
    seconds, began_ms = minutes * 60, SystemClock().now_ms()
    common = {"give_up_s": 240.0}
    how = {"talk_s": TALK_S, "spread": SPREAD, "answer_after_s": 1.0, "deaf": DEAF}
    seats = stack.load("seats", role="seats", **how, **common)
    callers = stack.load("callers", role="callers", rate=rate / 60, seconds=seconds, call_s=TALK_S, early=EARLY, **common)
    try:
        async with stack.desk() as desk:
            await desk.login(stack.shape.people())
            for agent, _ in stack.shape.people():
                await desk.ready(agent)
            staff = Staff(desk, dict(stack.shape.people()))
            before = memory_mb(stack)
            seats.tell()
            callers.tell()
            await staff.work(time.monotonic() + seconds)
            await asyncio.to_thread(callers.expect, "done")
            await asyncio.sleep(AFTER_CALL_S + 3)
            states, waiting = await desk.states(), await desk.waiting()
        await asyncio.sleep(GRACE_MS / 1000)  # the audit gives the last call's facts so long
        made = callers.records()
        seats.tell()
        await asyncio.to_thread(seats.expect, "done")
    finally:
        seats.end()
        callers.end()
    books = counted(stack, began_ms, len(made))
    stuck = len(staff.stuck) + sum(n for state, n in states.items() if state not in SETTLED)
    grown = {name: round(mb - before[name]) for name, mb in memory_mb(stack).items()}
    lost = waiting + len(made) - books["ledger_ended"]
    return {"calls": len(made), "stuck_agents": stuck, "lost_calls": lost, "missed": staff.missed, **books, "grown_mb": grown}


def counted(stack: Stack, began_ms: int, made: int) -> dict[str, Any]:
    """The witnesses against each other."""
    by_kind: dict[str, set[str]] = {}
    for fact in stack.facts():
        by_kind.setdefault(fact.kind, set()).add(fact.call)
    database, now = Database(f"sqlite:///{stack.state / 'ledger.db'}"), SystemClock().now_ms()
    try:
        report = audit(database, stack.endpoints["tenant"], (began_ms, now), Policy(record=False), now)
        with database.read() as connection:
            rows = connection.exec_driver_sql("select state, result from call").all()
    finally:
        database.close()
    ended = sum(state == "ended" for state, _ in rows)
    answered = sum(result == "answered" for _, result in rows)
    calls = {made, report.calls, ended, *(len(by_kind.get(kind, ())) for kind in ("edge_invite", "edge_outcome", "call_started"))}
    talks = {answered, *(len(by_kind.get(kind, ())) for kind in ("bridged", "agent_released"))}
    exact = len(calls) == 1 and len(talks) == 1 and report.unexplained == 0 and report.open == 0
    return {
        "counters_exact": exact,
        "ledger_ended": ended,
        "answered": answered,
        "counts": {"calls": sorted(calls), "talks": sorted(talks)},
        "unexplained": report.by_code,
    }


def memory_mb(stack: Stack) -> dict[str, float]:
    """Resident memory of each process."""
    found = {}
    for name, pid in stack.endpoints["pids"].items():
        with suppress(FileNotFoundError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            found[name] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return found


# ---- a day in virtual time --------------------------------------------------------------------------------------
SCENARIO = """
name = "soak"
hours = {hours}
[seats]
answer_ms = 1000
missed_per_mille = 27
[[site]]
name = "a"
[[site.load]]
queue = "billing"
calls_per_hour = {calls_per_hour}
handling = {{ mean_s = 45 }}
patience = {{ mean_s = 120 }}
[[site.crew]]
agents = 100
skills = {{ billing = 1 }}
[[rules.queue]]
id = "billing"
skill = "billing"
ring_s = {ring_s}
after_call_s = {after_call_s}
"""


def day(hours: int, rate: float) -> dict[str, Any]:
    """The virtual part: the twin's run, and its facts replayed as the ledger would."""
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as name:
        scenario, written = Path(name) / "soak.toml", Path(name) / "facts.jsonl"
        how = {"hours": hours, "calls_per_hour": round(rate * 60), "ring_s": RING_S, "after_call_s": AFTER_CALL_S}
        scenario.write_text(SCENARIO.format(**how))
        words = [*TIERLINE, "sim", str(scenario), "--json", "--facts", str(written)]
        done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=3600)
        told = json.loads(done.stdout.splitlines()[-1])
        with written.open(encoding="utf-8") as lines:
            found = replayed(facts_.decode(line) for line in lines)
    told.pop("quarters", None)
    exact = found.pop("entered") == told["calls"] and found.pop("books")
    return {"hours": hours, "calls": told["calls"], "counters_exact": exact, **found, "twin": told}


def _overdue(since: dict[str, tuple[str, int]], now_ms: int, agents: Iterable[str]) -> set[str]:
    """Who of them is or was in a state for longer than it lasts."""
    limits = {"offered": RING_S + SLACK_S, "after_call": AFTER_CALL_S + SLACK_S}
    states = ((agent, since[agent]) for agent in agents if agent in since)
    return {agent for agent, (state, at) in states if now_ms - at > 1000 * limits.get(state, float("inf"))}


def replayed(facts: Iterable[Fact]) -> dict[str, Any]:
    """What the facts alone say when the day is over."""
    told, kinds, since, now = Told(), Counter[str](), dict[str, tuple[str, int]](), 0
    stuck: set[str] = set()
    for fact in facts:
        told.take(fact)
        kinds[fact.kind] += 1
        now = max(now, fact.at_ms)
        if fact.kind == "agent_changed":
            stuck |= _overdue(since, fact.at_ms, (fact.agent,))
            since[fact.agent] = (str(fact.body["state"]), fact.at_ms)
    stuck |= _overdue(since, now, since)
    stuck |= {agent for agent, (state, _) in since.items() if state == "talking" and not told.calls}
    gone = kinds["agent_released"] + kinds["left_queue"] + kinds["turned_away"]
    books = kinds["bridged"] == kinds["agent_released"] and kinds["enqueued"] == gone
    return {"stuck_agents": len(stuck), "lost_calls": len(told.calls), "entered": kinds["enqueued"], "books": books}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=60, help="of the real stack; 0: none of it")
    parser.add_argument("--hours", type=int, default=24, help="in virtual time; 0: none of it")
    parser.add_argument("--rate", type=float, default=60, help="calls a minute")
    asked = parser.parse_args()
    parts: dict[str, dict[str, Any]] = {}
    if asked.minutes:
        with running(Shape(after_call_s=AFTER_CALL_S, ring_s=RING_S)) as stack:
            parts["real"] = asyncio.run(hour(stack, asked.minutes, asked.rate))
    if asked.hours:
        parts["virtual"] = day(asked.hours, asked.rate)
    total = {name: sum(part[name] for part in parts.values()) for name in ("stuck_agents", "lost_calls")}
    exact = all(part["counters_exact"] for part in parts.values())
    print(json.dumps({"bench": "soak", "minutes": asked.minutes, "hours": asked.hours, **total, "counters_exact": exact, **parts}))
    return 0 if exact and not any(total.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
