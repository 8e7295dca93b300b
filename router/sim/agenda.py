"""What is to happen when, in virtual milliseconds. The only clock of the twin."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Agenda:
    """Events in the order of their time; those of the same millisecond in the order in which they were entered."""

    def __init__(self, now_ms: int) -> None:
        self.now = now_ms
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, at_ms: int, do: Callable[..., None], *args: Any) -> None:
        """Call `do(*args)` then. There is no way to strike out an entry: who is called looks whether it still matters."""
        self._count += 1
        heappush(self._heap, (at_ms, self._count, do, args))

    def run(self, until_ms: int) -> None:
        """All that is due until then, including what is entered on the way."""
        heap = self._heap
        while heap and heap[0][0] <= until_ms:
            self.now, _, do, args = heappop(heap)
            do(*args)
        self.now = max(self.now, until_ms)

    def next_ms(self) -> int | None:
        """When the next one is due; None: nothing is."""
        return self._heap[0][0] if self._heap else None
