"""The circuit breaker before one router. Theory:

closed --(a window's failures reach the ratio)--> open --(open_ms over)--> probing --success--> closed
                                                    ^------------failure------------|

In a window of `window_ms`, at least `least` answers and a share of failures of `ratio` open it: a count of failures in a row
was too twitchy at hundreds of calls a second. While open or while the one probe is out, nobody is let through.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """When to open and for how long, ms."""

    window_ms: int = 1000
    least: int = 4
    ratio: float = 0.5
    open_ms: int = 700


class Breaker:
    """Decides on `now` alone; knows no clock."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._since = 0
        self._good = 0
        self._bad = 0
        self._open_until = 0  # 0: closed
        self._probing = False

    @property
    def closed(self) -> bool:
        """True while questions go through freely."""
        return self._open_until == 0

    def admit(self, now: int) -> bool:
        """May a question go out now? True once for the probe after the open time."""
        if self.closed:
            return True
        if self._probing or now < self._open_until:
            return False
        self._probing = True
        return True

    def success(self, now: int) -> None:
        """A question was answered in time. Closes an open breaker if it was the probe."""
        if self._probing or self.closed:
            self._roll(now)
            self._open_until, self._probing = 0, False
            self._good += 1

    def failure(self, now: int) -> bool:
        """A question failed; True if that opened the breaker (again)."""
        if self._probing:
            return self._trip(now)
        if not self.closed:
            return False  # asked before it opened
        self._roll(now)
        self._bad += 1
        asked = self._good + self._bad
        return asked >= self._limits.least and self._bad >= self._limits.ratio * asked and self._trip(now)

    def _roll(self, now: int) -> None:
        if now - self._since >= self._limits.window_ms:
            self._since, self._good, self._bad = now, 0, 0

    def _trip(self, now: int) -> bool:
        self._open_until = now + self._limits.open_ms
        self._probing = False
        self._good = self._bad = 0
        return True
