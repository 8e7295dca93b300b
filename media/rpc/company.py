"""Which frames may wait a moment for others to go along: a message costs a hundred times what a frame in it costs. No I/O.

Nobody waits for an answered offer's Settle. An End frees an agent: it goes at once as long as callers of this node are in a line.
Those of other nodes are not seen from here; where calls are spread over the nodes, callers wait at all of them or at none.
"""

from __future__ import annotations

from tierline.common.v1.common_pb2 import Reason

from media.call import events as on
from media.call.frames import Assert, End, Enqueue, Frame, Held, Settle

_OUT_OF_LINE = (Reason.REASON_CALLER_LEFT, Reason.REASON_ANSWERED_ELSEWHERE)


class Company:
    """The calls of one node that wait in a line, by what was said and heard of them."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()

    def said(self, frame: Frame) -> None:
        """A frame to the router."""
        if _waits(frame):
            self._waiting.add(frame.call)
        elif not isinstance(frame, Assert):
            self._waiting.discard(frame.call)

    def heard(self, call: str, event: on.FromRouter) -> None:
        """A frame from the router. A withdrawn offer does not count: it may be the last that is heard of a call."""
        if isinstance(event, on.Offered | on.TurnedAway | on.Released):
            self._waiting.discard(call)

    def may_wait(self, frame: Frame) -> bool:
        """Whether nobody waits for this frame: it goes along with the next one, or after a moment."""
        if isinstance(frame, End):
            return not self._waiting
        return isinstance(frame, Settle) and not frame.failed


def _waits(frame: Frame) -> bool:
    """Whether the call is in a line from this frame on."""
    if isinstance(frame, Assert):
        return frame.state is Held.WAITING
    return isinstance(frame, Enqueue) or (isinstance(frame, Settle) and bool(frame.failed) and frame.failed not in _OUT_OF_LINE)
