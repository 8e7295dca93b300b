"""How fast log-ins may be tried. Pure: takes `now`, remembers failures a while.

A pair of user and address gets five free tries, then waits 2, 4, 8.. s up to 5 minutes; an address gets fifty. Keyed by the
pair so that a stranger cannot lock a person out from elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

FREE_PAIR = 5
FREE_ADDRESS = 50
LONGEST_MS = 300_000
FORGET_MS = 900_000
KEPT = 20_000  # entries; the oldest go first


@dataclass(slots=True)
class _Tries:
    failed: int = 0
    last_ms: int = 0


class Throttle:
    """Counts failed log-ins."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_ms(self, user: str, address: str, now_ms: int) -> int:
        """How long this pair must wait before it may try; 0: it may."""
        waits = [self._wait(key, free, now_ms) for key, free in _keys(user, address)]
        return max(waits)

    def _wait(self, key: str, free: int, now_ms: int) -> int:
        tries = self._tries.get(key)
        if tries is None or now_ms - tries.last_ms > FORGET_MS or tries.failed < free:
            return 0
        pause = min(LONGEST_MS, 2000 << min(tries.failed - free, 20))
        return max(0, tries.last_ms + pause - now_ms)

    def failed(self, user: str, address: str, now_ms: int) -> None:
        """A wrong password or user."""
        for key, _ in _keys(user, address):
            tries = self._tries.pop(key, _Tries())
            if now_ms - tries.last_ms > FORGET_MS:
                tries = _Tries()
            self._tries[key] = _Tries(tries.failed + 1, now_ms)
        while len(self._tries) > KEPT:
            self._tries.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """The right password: the pair starts anew, the address does not."""
        self._tries.pop(_keys(user, address)[0][0], None)


def _keys(user: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (f"{address} {user}", FREE_PAIR), (address, FREE_ADDRESS)
