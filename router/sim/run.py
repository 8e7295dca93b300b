"""Runs plans, each in a process of its own as long as there are cores, and tells how far they are."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from ops.clock import stopwatch_s
from ops.facts import encode
from router.sim import day as days
from router.sim.day import Day
from router.sim.library import Plan
from router.sim.roster import Hired
from router.sim.scenario import clock_ms, expanded
from router.sim.tally import Bin, Count, Drawn, Tally
from router.sim.traffic import Arrival, generate
from router.sim.world import World

Told = Callable[[str, int], None]  # name of a plan, callers so far


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a plan came to. Shares in per cent, times in s."""

    case: str
    rule: str
    total: Count
    hot: Count | None
    shared: list[int]  # calls of each agent, fewest first
    expected: dict[str, list[Bin]]  # of each queue
    periods: dict[int, Count]
    sites: dict[str, Count]
    groups: dict[str, Count]
    begins_ms: int  # time of the day at which it begins
    drawn: Drawn
    missed: int
    places: int
    agents: list[Hired]
    seconds: float
    cpu_s: float

    @property
    def spread(self) -> int:
        """Calls of the busiest agent minus calls of the least busy one."""
        return self.shared[-1] - self.shared[0]


@dataclass(frozen=True, slots=True)
class Job:
    """A plan, with generated callers or those of a recorded day; `facts`: where its facts go."""

    plan: Plan
    day: Day | None = None
    facts: Path | None = None


def run(job: Job, told: Callable[[int], None] | None = None) -> Outcome:
    """One plan from beginning to end."""
    began, busy, plan = stopwatch_s(), _cpu_s(), job.plan
    with job.facts.open("w", encoding="utf-8") if job.facts else nullcontext() as file:
        sink = (lambda facts: file.writelines(f"{encode(fact)}\n" for fact in facts)) if file else None
        world = World(plan.scenario, plan.rules, sink, _agents(job))
        tally = world.run(_callers(job), plan.calls, told)
    return _outcome(plan, world, tally, (stopwatch_s() - began, _cpu_s() - busy))


def _cpu_s() -> float:
    """Of this process."""
    times = os.times()
    return times.user + times.system


def _agents(job: Job) -> list[Hired] | None:
    return days.agents(job.day, {one.id: one.skill for one in job.plan.rules.book.queue}) if job.day else None


def _callers(job: Job) -> Iterable[Arrival]:
    plan = job.plan
    if job.day is not None:
        return days.arrivals(job.day)
    return generate(plan.scenario, plan.seed, math.inf if plan.calls is not None else plan.scenario.hours * 3600)


def _outcome(plan: Plan, world: World, tally: Tally, seconds: tuple[float, float]) -> Outcome:
    names = [name for name, _ in expanded(plan.scenario.site)]
    hot = [n for n, name in enumerate(names) if name in plan.scenario.hot]
    calls = [tally.agents.get(one.id, 0) for one in world.agents]
    return Outcome(
        case=plan.case,
        rule=plan.rule,
        total=tally.total(),
        hot=tally.total(hot) if hot else None,
        shared=sorted(calls),
        expected=tally.bins,
        periods=tally.periods,
        sites=dict(zip(names, tally.sites, strict=True)),
        groups=tally.groups,
        begins_ms=clock_ms(plan.scenario.begins),
        drawn=tally.drawn,
        missed=tally.missed,
        places=tally.places,
        agents=world.agents,
        seconds=seconds[0],
        cpu_s=seconds[1],
    )


def line(outcome: Outcome) -> dict[str, object]:
    """The figures of a line of `tierline sim NAME --json`."""
    total, hot = outcome.total, outcome.hot
    return {
        "case": outcome.case,
        "rule": outcome.rule,
        "calls": total.offered,
        "sl20": round(total.sl, 2),
        "abandoned": round(total.abandonment, 3),
        "away": round(total.away_share, 2),
        "asa": round(total.asa_s, 2),
        "hot_sl20": round(hot.sl, 2) if hot else None,
    }


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


_board: SimpleQueue[tuple[str, int]] | None = None


def _enter(board: SimpleQueue[tuple[str, int]]) -> None:
    global _board
    _board = board


def _work(job: Job) -> Outcome:
    name = f"{job.plan.case} {job.plan.rule}"
    return run(job, lambda calls: _board.put((name, calls)) if _board is not None else None)


def run_all(jobs: Sequence[Job], workers: int, told: Told) -> Iterator[Outcome]:
    """All in their order, as they get ready. `told` is called from another thread."""
    context = multiprocessing.get_context("spawn")
    board: SimpleQueue[tuple[str, int]] = context.SimpleQueue()
    watcher = threading.Thread(target=_watch, args=(board, told), daemon=True)
    watcher.start()
    with context.Pool(max(1, min(workers, len(jobs))), _enter, (board,)) as pool:
        yield from pool.imap(_work, jobs)
    board.put(("", -1))
    watcher.join()


def _watch(board: SimpleQueue[tuple[str, int]], told: Told) -> None:
    while True:
        name, calls = board.get()
        if calls < 0:
            return
        told(name, calls)


def on_stderr(plans: Sequence[Plan]) -> Told:
    """Progress as one line on a terminal that is written over; elsewhere each tenth once."""
    wanted = {f"{plan.case} {plan.rule}": plan.calls for plan in plans}
    seen: dict[str, int] = {}

    def told(name: str, calls: int) -> None:
        whole = wanted.get(name)
        tenth = calls * 10 // whole if whole else calls // 100_000
        if seen.get(name) == tenth and not sys.stderr.isatty():
            return
        seen[name] = tenth
        text = f"{name}: {calls:,} of {whole:,} calls" if whole else f"{name}: {calls:,} calls"
        print(f"\r{text:60}", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)

    return told
