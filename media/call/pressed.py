"""Key presses that come twice, as RTP and as INFO, count once."""

from __future__ import annotations

from collections import deque

TWICE_MS = 1000  # what comes the other way within this time is the same press
MOST = 64  # presses remembered a call


class Pressed:
    """The latest presses of a caller whose twin may still come."""

    __slots__ = ("_alone",)

    def __init__(self) -> None:
        self._alone: deque[tuple[str, str, int]] = deque(maxlen=MOST)  # key, way, when

    def counts(self, digit: str, way: str, now_ms: int) -> bool:
        """Whether a press is a new one. `way`: how it came; `now_ms`: of any steady clock."""
        while self._alone and now_ms - self._alone[0][2] > TWICE_MS:
            self._alone.popleft()
        twin = next((one for one in self._alone if one[0] == digit and one[1] != way), None)
        if twin is not None:
            self._alone.remove(twin)
            return False
        self._alone.append((digit, way, now_ms))
        return True
