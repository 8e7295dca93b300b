"""Erlang's formulas: what queueing theory says of one line with equal agents, to hold the twin against. Pure.

Arrivals are Poisson with rate `calls` (a second), handling is exponential with mean `handling_s`, patience exponential with mean
`patience_s`, all callers may go to all agents, first come first served. `load` is calls x handling in erlang.

Sources: A. K. Erlang 1917 (B and C); C. Palm 1946, 1957 (A); the recursions are those of A. Mandelbaum and S. Zeltyn, "The
Palm/Erlang-A queue, with applications to call centers" (2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """What happens to callers of one line in the long run."""

    wait_share: float  # 0..1, share of callers who do not get an agent at once
    abandoned: float  # 0..1
    wait_s: float  # mean over all callers, those who leave included
    waiting: float  # mean number of callers in line


def erlang_b(load: float, agents: int) -> float:
    """Share of calls that find all agents busy where nobody may wait. Raises ValueError unless load > 0 and agents >= 0."""
    if load <= 0 or agents < 0:
        raise ValueError("a load above 0 and no negative number of agents are needed")
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(load: float, agents: int, handling_s: float) -> Line:
    """Nobody ever gives up. Raises ValueError unless load < agents: the line would grow for ever."""
    if load >= agents:
        raise ValueError("with nobody giving up there must be more agents than load")
    blocked = erlang_b(load, agents)
    share = agents * blocked / (agents - load * (1 - blocked))
    wait = share * handling_s / (agents - load)
    return Line(share, 0.0, wait, wait * load / handling_s)


def erlang_c_within(load: float, agents: int, handling_s: float, within_s: float) -> float:
    """Share of calls that are answered within so many seconds where nobody gives up."""
    share = erlang_c(load, agents, handling_s).wait_share
    return 1 - share * math.exp(-(agents - load) * within_s / handling_s)


def erlang_a(load: float, agents: int, handling_s: float, patience_s: float) -> Line:
    """Callers give up after an exponential time. Birth and death in the number of calls present, summed until nothing is added."""
    if patience_s <= 0:
        raise ValueError("patience must be above 0 s")
    blocked = erlang_b(load, agents)
    service, give_up, arrival = 1 / handling_s, 1 / patience_s, load / handling_s
    weight, total, queue, n = 1.0, 1.0, 0.0, 0  # weights relative to the state in which all agents are busy and nobody waits
    while weight > 1e-15 * total or n < 1:
        n += 1
        weight *= arrival / (agents * service + n * give_up)
        total += weight
        queue += n * weight
    # erlang_b is the weight of "all busy" among the states 0..agents; so those below weigh 1/blocked - 1 of it
    everything = total + 1 / blocked - 1
    waiting = queue / everything
    return Line(total / everything, waiting * give_up / arrival, waiting / arrival, waiting)
