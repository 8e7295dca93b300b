"""Who gets whom.

Theory. A waiting call stands in the line of its queue (for its place) and in one *class line* that says who may take it now: agents
of a skill, up to a level, of the caller's city or of the whole centre; or in the line of one agent it is meant for. Which it is
follows from the queue's ladder and the time it has waited (plan.py). A ready agent stands in *pools* by skill, level and city
(pools.py), in the order that the queue's policy asks for (policy.py).

A call that comes, or whose class is widened, takes the first agent of its class; an agent that gets free takes the call with
the lowest score among the heads of all class lines it fits, over all its queues. Because both happen in the same step as the
coming, never do a waiting call and a ready agent that may take it exist at the same time. Each match costs O(log n) in agents
and calls, times the number of configured classes.
"""

from __future__ import annotations

# Whose fault a failed offer is. Only these are the seat's: its phone alerted and nobody answered, it refused, or the edge found
# nobody at it. All else is ours (a node that did not speak in time, an edge or rtpengine that did not answer): unknown counts
# against us, and no agent becomes not ready by it.
SEAT_FAULT = {
    "REASON_NO_ANSWER": "no_answer",
    "REASON_BUSY": "busy",
    "REASON_DECLINED": "declined",
    "REASON_NOT_REGISTERED": "not_registered",
    "REASON_UNREACHABLE": "unreachable",
}
CONSOLE_REASONS = ("page_closed",)  # not ready by the console: the agent's page has been closed for a while
SEAT_REASONS = frozenset(SEAT_FAULT.values())  # not ready by us, not by the agent
LATE = "platform"  # why an agent pauses whose offer failed through our fault
