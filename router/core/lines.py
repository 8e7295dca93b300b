"""Where calls wait: which line, until when, and what they are told. One source with Lua's include/lines.lua.

A waiting call that comes into a rung with the ring `nation` passes `seek_place`; what then stands beside it is placement.py's.
"""

from __future__ import annotations

from router.core import expect
from router.core.agent import AgentState
from router.core.desk import Agent, Call, Desk
from router.core.events import Queued
from router.core.line import Line
from router.core.placement import seek
from router.core.plan import ANY, OWN, QueuePlan, Rung
from router.core.policy import call_score
from router.core.pools import first_free

BUSY = frozenset({AgentState.OFFERED, AgentState.TALKING, AgentState.AFTER_CALL})


def score(d: Desk, c: Call) -> int:
    """Its place in line."""
    return call_score(c.prio, c.entered, d.plan.worth_ms)


def rung_at(d: Desk, c: Call, q: QueuePlan) -> int:
    """Which stage of its ladder it has waited for."""
    ladder, waited = q.ladder(c.vip), d.now - c.entered
    return max((n for n, rung in enumerate(ladder) if rung.after_ms <= waited), default=0)


def ring_of(d: Desk, c: Call, rung: Rung) -> str:
    """The city whose seats may take it, or ANY."""
    return c.city if rung.by_city and c.city in d.plan.seated else ANY


def own_agent(d: Desk, c: Call, q: QueuePlan) -> Agent | None:
    """The agent it is meant for, if ready, or busy and worth waiting for still."""
    a = d.agents.get(c.own)
    if a is not None and (a.state is AgentState.READY or (a.state in BUSY and d.now < c.entered + q.rule.own_ms)):
        return a
    return None


def choose(d: Desk, c: Call, q: QueuePlan) -> tuple[Agent | None, int, str]:
    """For a waiting call in no line: who takes it now (or None), its rung and the line it belongs to else."""
    own = own_agent(d, c, q) if c.own else None
    if own is not None:
        return (own if own.state is AgentState.READY else None), OWN, f"own:{own.id}"
    at = rung_at(d, c, q) if q.timed else 0
    rung = q.ladder(c.vip)[at]
    ring = ring_of(d, c, rung)
    return first_free(d, rung.skill, rung.level, ring, q.order), at, rung.line + ring if rung.by_city else rung.line


def step_in(d: Desk, c: Call, q: QueuePlan, line: str) -> None:
    """Into its lines, with the timer of what comes next."""
    at, c.line = score(d, c), line
    d.waiting(c.queue).add(c.id, at)
    there = d.lines.get(line)
    if there is None:
        there = d.lines[line] = Line()
    there.add(c.id, at)
    wake = next_wake(c, q) if q.timed else 0
    if wake:
        d.due.add(f"w:{c.id}", wake)
    if q.nation:
        seek_place(d, c, q)


def step_out(d: Desk, c: Call) -> None:
    """Out of its lines; it stops waiting, or is to be placed anew."""
    d.waiting(c.queue).remove(c.id)
    if c.line:
        d.lines[c.line].remove(c.id)
    else:  # a callback that failed stands in none for a while
        d.due.remove(f"w:{c.id}")
    if c.line.startswith("own:") and not d.lines[c.line]:
        del d.lines[c.line]
    c.line, q = "", d.plan.queues[c.queue]
    if q.timed:
        d.due.remove(f"w:{c.id}")


def next_wake(c: Call, q: QueuePlan) -> int:
    """When something changes for a waiting call although nothing happens; 0 never."""
    ladder, found = q.ladder(c.vip), []
    if c.rung == OWN:
        found.append(c.entered + q.rule.own_ms)
    elif c.rung + 1 < len(ladder):
        found.append(c.entered + ladder[c.rung + 1].after_ms)
    if q.rule.max_wait_ms and not c.callback:
        found.append(c.entered + q.rule.max_wait_ms)
    return min(found, default=0)


def reach(d: Desk, c: Call, q: QueuePlan, rung: int) -> None:
    """On a rung; a higher one than before is told to the ledger."""
    was, c.rung = c.rung, rung
    if rung > was:
        to = q.ladder(c.vip)[rung]
        ring = "centre" if c.callback and to.nation else to.ring
        body = {"queue": c.queue, "rung": rung, "ring": ring, "waited_ms": max(0, d.now - c.entered)}
        d.call_fact(c, "widened", body)


def tell_place(d: Desk, c: Call) -> None:
    """Where it stands; offered means that nobody is before it."""
    line = d.waiting(c.queue)
    rank = line.rank(c.id)
    if rank is None:
        d.emit(c.node, Queued(c.id, 1, len(line) + 1))
    else:
        d.emit(c.node, Queued(c.id, rank + 1, len(line), expected(d, c, rank)))


def expected(d: Desk, c: Call, rank: int) -> int:
    """How long a waiting call will wait still; see expect.py."""
    at, skill = score(d, c), d.plan.queues[c.queue].rule.skill
    before = rank + sum(d.wait[other].before(at) for other in d.plan.rivals[c.queue] if other in d.wait)
    return expect.expected_ms(flow(d, c.queue), before, d.staffed.get(skill, 0))


def flow(d: Desk, queue: str) -> expect.Flow:
    """What is known of a queue."""
    found = d.flows.get(queue)
    if found is None:
        found = d.flows[queue] = expect.Flow()
    return found


def seek_place(d: Desk, c: Call, q: QueuePlan) -> bool:
    """It waits: if it may be answered by another centre, ask for an agent there; whether it may. Who is to be called back is called
    from here."""
    if c.callback or c.rung == OWN or not (rung := q.ladder(c.vip)[c.rung]).nation:
        return False
    seek(d, c, rung.skill, rung.level, expected(d, c, d.waiting(c.queue).rank(c.id) or 0))
    return True
