"""When the timers are looked at next: when the earliest one is due, sooner when a verb of any router sets one that is due before
that, and now and then in any case, should that word be lost. Never more often than every PAUSE_S: many timers share a look."""

from __future__ import annotations

import asyncio
import contextlib
import math

from ops.clock import Clock

PAUSE_S = 0.1


class Alarm:
    """`look_ms`: the longest time between two looks (Times.look_ms). Who looks calls `began` and `over`, anybody `soon`."""

    def __init__(self, clock: Clock, look_ms: int) -> None:
        self._clock, self._look_s = clock, look_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._due = math.inf  # by the loop's time

    def soon(self, due_ms: int) -> None:
        """There is a timer that is due then (UTC ms, the past: at once)."""
        due = self._loop.time() + (due_ms - self._clock.now_ms()) / 1000
        if due < self._due:
            self._due = due
            self._woken.set()

    def began(self) -> None:
        """A look begins: what is told from now on it may not have seen."""
        self._due = math.inf

    async def over(self, next_ms: int) -> None:
        """The look found the earliest timer at `next_ms` (0: none). Returns when it is time for another one."""
        if next_ms:
            self.soon(next_ms)
        ended = self._loop.time()
        while (at := max(ended + PAUSE_S, min(ended + self._look_s, self._due))) > self._loop.time():
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await self._woken.wait()
