"""How long a call will probably wait still.

Method. With n agents staffed for the skill, a mean handling time h (from the offer to the end of after-call work) and k calls
before it, a call at the place k + 1 goes to an agent after k + 1 departures from the line. If all agents are busy (else nobody
waits), agents become free at the rate n / h; and those who wait give up at the rate theta each. While i calls are still before
it, departures come at n / h + i * theta, so the wait is the sum over i = 0..k of 1 / (n / h + i * theta), which is within a per
cent or so the integral

    ln(1 + (k + 1) * theta * h / n) / theta,        and (k + 1) * h / n for theta = 0

(the estimator QL_m of Ibrahim and Whitt, "Real-time delay estimation in overloaded multiserver queues with abandonments",
Management Science 55, 2009; for exponential patience theta is the number who gave up divided by the time that all together have
waited). Before it are the calls with a lower score in all queues of the skill. Ladders, cities and agents shared with other
skills are left out: with them it is a first guess. What it is worth is measured in the twin (docs/routing.md).

State, per queue, in whole numbers so that Lua and Python agree: h as a mean that forgets (a sixteenth of each new value);
numerator and denominator of theta as sums that forget (a 64th at each departure from the line that had waited a second or
more).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HANDLING_MS = 180_000  # before the first call was handled
H_SHARE = 16
T_SHARE = 64
UNIT = 1024  # those who gave up are counted in such parts
WORTH_MS = 1_000  # shorter waits say nothing of patience


@dataclass(slots=True)
class Flow:
    """What is known of a queue."""

    handling: int = 0  # ms; 0: not yet
    waited: int = 0  # ms, sum that forgets
    gone: int = 0  # of those who gave up, in UNIT


def handled(flow: Flow, ms: int) -> None:
    """An agent was taken by a call for so long."""
    flow.handling += (ms - flow.handling) // H_SHARE if flow.handling else ms


def waited(flow: Flow, ms: int, gave_up: bool) -> None:
    """A call left the line after so long."""
    if ms >= WORTH_MS:
        flow.waited += ms - flow.waited // T_SHARE
        flow.gone += (UNIT if gave_up else 0) - flow.gone // T_SHARE


def expected_ms(flow: Flow, before: int, staffed: int) -> int:
    """For a call with so many before it; 0 if it cannot be told, because nobody is there to answer."""
    if staffed <= 0:
        return 0
    work = (before + 1) * (flow.handling or HANDLING_MS) / staffed
    if flow.gone <= 0 or flow.waited <= 0:
        return math.floor(work)
    theta = flow.gone / UNIT / flow.waited
    return math.floor(math.log(1 + work * theta) / theta)
