"""Which of the ready agents is taken first, and which of the waiting calls.

Theory. Calls wait by one score: the time they entered, less what their priority is worth (Rules.priority_worth_ms a point). So a
priority is a head start and not a wall: whoever waits long enough passes everybody who came later, and nobody starves.

Agents stand by an *order*. Each order is a number per agent that does not change while the agent stands ready, so that the head
of a sorted set is the agent to take and one match costs O(log n):

- `skill`: best level, then longest idle. `idle`: longest idle, whatever the level.
- `mean_idle`: longest average idle, the mean of the idle periods of this login that ended with a call. Who has none comes first.
- `fewest`: fewest calls answered in this login, then longest idle.
- `random`: by lot, in proportion to weights. Each agent that lines up gets the key V + E / weight, E exponential with mean 1
and V the clock of the pool: the key of the agent taken last. The smallest of such keys belongs to each agent with a probability
in proportion to its weight, and because exponentials have no memory that stays so for those who stand there already when V
moves on. So an exact weighted choice is the head of a sorted set. The draw is made of agent, pool, time and version:
repeatable, and the same in Lua.

Scores are doubles in Redis; all but those of `random` are whole numbers below 2^53, so they are exact.
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from types import MappingProxyType

SPAN = 10_000_000_000_000  # ms; beyond any time stamp until the year 2286
CYCLE = 1_000_000_000_000  # ms; idle times are compared modulo 32 years where a count stands before them
TOP_PRIORITY = 99
VIP_POINTS = 10  # priority of a level
WORST = 9  # level; who is worse counts as this


class Order(StrEnum):
    """How ready agents stand."""

    SKILL = "skill"
    IDLE = "idle"
    MEAN_IDLE = "mean_idle"
    FEWEST = "fewest"
    RANDOM = "random"


POLICIES: MappingProxyType[str, Order] = MappingProxyType(
    {
        "highest_skill": Order.SKILL,
        "longest_idle": Order.IDLE,
        "longest_average_idle": Order.MEAN_IDLE,
        "fewest_calls": Order.FEWEST,
        "weighted_random": Order.RANDOM,
    }
)


def call_score(priority: int, entered_ms: int, worth_ms: int) -> int:
    """Lower comes first; always positive. priority 0..99, higher is more urgent."""
    return SPAN + entered_ms - priority * worth_ms


def vip_priority(priority: int, vip: int) -> int:
    """Priority of a VIP caller."""
    return min(TOP_PRIORITY, priority + VIP_POINTS * vip)


def agent_score(order: str, level: int, idle_since_ms: int, took: int, idles: int, idled_ms: int) -> int:
    """Lower comes first, for all orders but `random`. level from 1, 1 is best; took: calls answered in this login; idles, idled_ms:
    number and sum of the completed idle periods."""
    if order == Order.SKILL:
        return level * SPAN + idle_since_ms
    if order == Order.FEWEST:
        return took * CYCLE + idle_since_ms % CYCLE
    if order == Order.MEAN_IDLE:
        return SPAN - idled_ms // idles if idles else idle_since_ms - SPAN
    return idle_since_ms


def draw(seed: str) -> float:
    """An exponential with mean 1 made of a text: of the first 52 bits of its sha1."""
    bits = int(hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()[:13], 16)
    return -math.log((bits + 0.5) / 4503599627370496)
