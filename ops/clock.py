"""The only place that reads the clock; everything else is given a `Clock` or `now` (tests/arch checks it)."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Both in milliseconds."""

    def now_ms(self) -> int:
        """UTC since 1970-01-01, ms: for facts and anything that leaves the process."""

    def mono_ms(self) -> int:
        """Monotonic, ms: for timers."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """UTC since 1970-01-01, ms."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """Monotonic, ms."""
        return time.monotonic_ns() // 1_000_000


class ManualClock:
    """A clock that a test moves by hand."""

    def __init__(self, now_ms: int = 1_760_000_000_000) -> None:
        self.at = now_ms

    def now_ms(self) -> int:
        """What the test set, as UTC ms."""
        return self.at

    def mono_ms(self) -> int:
        """The same, as monotonic ms."""
        return self.at

    def advance(self, ms: int) -> int:
        """Move on by `ms`; the new time."""
        self.at += ms
        return self.at


def stopwatch_s() -> float:
    """Seconds on the machine's monotonic clock, finer than a ms: to measure how long something took, for metrics alone."""
    return time.perf_counter()
