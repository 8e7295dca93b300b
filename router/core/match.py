"""Who gets whom.

Theory. A call waits with a score: priority first, then the time it entered, then its id (the sorted set's own tie-break).
A ready agent stands under each of its skills with a score: level first (1 is best), then the longest idle, then its id.
A call that comes takes the first agent of its queue's skill; an agent that gets free takes the first call over all queues of
its skills. Because both happen in the same step as the coming, never do a waiting call and a ready agent of its skill exist at
the same time. Scores are whole numbers below 2^53, so a double holds them exactly.
"""

from __future__ import annotations

SPAN = 10_000_000_000_000  # ms; beyond any time stamp until the year 2286
TOP_PRIORITY = 99
NO_ANSWER_REASON = {"REASON_NO_ANSWER": "no_answer", "REASON_EXPIRED": "no_answer", "REASON_BUSY": "busy"}
UNREACHABLE = "unreachable"
SEAT_REASONS = frozenset({*NO_ANSWER_REASON.values(), UNREACHABLE})  # not ready by us, not by the agent


def call_score(priority: int, entered_ms: int) -> int:
    """Lower comes first. priority 0..99, higher is more urgent."""
    return (TOP_PRIORITY - priority) * SPAN + entered_ms


def agent_score(level: int, idle_since_ms: int) -> int:
    """Lower comes first. level 1..99, 1 is best."""
    return level * SPAN + idle_since_ms


def not_ready_reason(reason: str) -> str:
    """Why an agent is set not ready after an offer failed for `reason` (name of common.v1.Reason)."""
    return NO_ANSWER_REASON.get(reason, UNREACHABLE)
