"""Times of another centre's clock as times of ours: pure.

Theory. Centres keep their clocks right (NTP), but nothing may hang on it: with a home thirty seconds behind, an absolute deadline
would have passed before it came, and nobody would ever be reserved; with one ahead, agents would stay reserved for so long. So a
frame with times tells when it was sent (`at_ms`, same clock), and what counts is the distance to that. Clocks that differ by no
more than NOISE_MS (the way of the frame is in the difference too) are taken for the same: then both ledgers name the same moment
by the same number.
"""

from __future__ import annotations

NOISE_MS = 2_000
LONGEST_MS = 300_000  # a seat rings no longer (ops/config_checks.py), so nobody is reserved for longer


def deadline(until_ms: int, at_ms: int, now_ms: int) -> int:
    """A moment to come, of a frame sent at `at_ms`, by our clock; 0: not told, the clocks are taken for the same."""
    return now_ms + max(0, min(until_ms - (at_ms or now_ms), LONGEST_MS))


def past(ms: int, at_ms: int, now_ms: int) -> int:
    """A moment that is over, by our clock: now, if it was not told or makes no sense."""
    apart = now_ms - at_ms if at_ms else 0
    here = ms + apart if abs(apart) > NOISE_MS else ms
    return here if 0 < here <= now_ms + NOISE_MS else now_ms
