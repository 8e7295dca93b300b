"""One wheel for all timers: time in slots of 10 ms, a cancelled timer is gone from memory at once.

Transactions last 32 s after they are over, and most of their timers never fire: a heap would carry them all to the end. Here each
slot is a dict, so arming and cancelling cost the same however many there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

SLOT_MS = 10
COARSE_MS = 100  # slots for what is 5 s away or more: fewer wake-ups, and nobody can tell
_FAR_MS = 5_000


class Timer:
    """An armed timer. Only the wheel touches it."""

    __slots__ = ("arg", "fire", "slot")

    def __init__(self, slot: int, fire: Callable[[int, Any], None], arg: Any) -> None:
        self.slot, self.fire, self.arg = slot, fire, arg


class Wheel:
    """Timers by slot. Never fires early; late by at most a slot."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[Timer, None]] = {}
        self._order: list[int] = []
        self.live = 0  # timers armed and not cancelled

    def arm(self, now: int, delay_ms: int, fire: Callable[[int, Any], None], arg: Any = None) -> Timer:
        """Call `fire(now, arg)` in `delay_ms` or a little later."""
        grain = SLOT_MS if delay_ms < _FAR_MS else COARSE_MS
        slot = -(-(now + delay_ms) // grain) * grain
        timer = Timer(slot, fire, arg)
        inside = self._slots.get(slot)
        if inside is None:
            inside = self._slots[slot] = {}
            heapq.heappush(self._order, slot)
        inside[timer] = None
        self.live += 1
        return timer

    def cancel(self, timer: Timer) -> None:
        """Forget it; harmless when it has fired or was cancelled."""
        inside = self._slots.get(timer.slot)
        if inside is not None and timer in inside:
            del inside[timer]
            self.live -= 1

    def next(self) -> int | None:
        """When the next timer is due, ms; None without any."""
        while self._order:
            slot = self._order[0]
            if self._slots[slot]:
                return slot
            del self._slots[heapq.heappop(self._order)]
        return None

    def run(self, now: int) -> None:
        """Fire all that are due, in order of their slots; those armed meanwhile and due already, too."""
        while (slot := self.next()) is not None and slot <= now:
            inside = self._slots[slot]
            while inside:
                timer = next(iter(inside))
                del inside[timer]
                self.live -= 1
                timer.fire(now, timer.arg)
