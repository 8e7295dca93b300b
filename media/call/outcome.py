"""How a call ended: one Outcome, with the blame in it. Result, reason and side are those of tierline/common/v1.

Unknown counts against us: what is not told here is RESULT_FAILED.
"""

from __future__ import annotations

from typing import Any

from tierline.common.v1.common_pb2 import Reason, Result, Side

from ops.values import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a call. Every call has exactly one."""

    result: Result.ValueType
    reason: Reason.ValueType
    side: Side.ValueType
    sip_status: int = 200  # the final status we sent or got

    def body(self) -> dict[str, Any]:
        """As the proto's JSON, defaults left out."""
        words = {"result": Result.Name(self.result), "reason": Reason.Name(self.reason), "side": Side.Name(self.side)}
        return {k: v for k, v in words.items() if not v.endswith("_UNSPECIFIED")} | {"sip_status": self.sip_status}


def system(result: Result.ValueType, reason: Reason.ValueType, sip_status: int = 200) -> Outcome:
    """We ended it."""
    return Outcome(result, reason, Side.SIDE_SYSTEM, sip_status)


def caller_left(waited: bool, talked: bool, lost: bool) -> Outcome:
    """The caller hung up, or (`lost`) the network lost the caller, in a call that we had answered."""
    side = Side.SIDE_CARRIER if lost else Side.SIDE_CALLER
    reason = Reason.REASON_UNREACHABLE if lost else Reason.REASON_HANGUP
    if talked:
        return Outcome(Result.RESULT_ANSWERED, reason, side)
    if waited:
        return Outcome(Result.RESULT_ABANDONED, reason, side)
    return Outcome(Result.RESULT_FAILED if lost else Result.RESULT_SELF_SERVED, reason, side)


def agent_left(lost: bool) -> Outcome:
    """The agent hung up, or (`lost`) vanished while talking."""
    return Outcome(Result.RESULT_ANSWERED, Reason.REASON_AGENT_GONE if lost else Reason.REASON_HANGUP, Side.SIDE_AGENT)


CANCELLED = Outcome(Result.RESULT_ABANDONED, Reason.REASON_CANCELLED, Side.SIDE_CALLER, 487)
BAD_SDP = Outcome(Result.RESULT_REFUSED, Reason.REASON_BAD_MESSAGE, Side.SIDE_CARRIER, 488)
NO_AUDIO = system(Result.RESULT_FAILED, Reason.REASON_MEDIA_FAILED, 503)
MENU_END = system(Result.RESULT_SELF_SERVED, Reason.REASON_MENU_END)
NO_INPUT = system(Result.RESULT_SELF_SERVED, Reason.REASON_NO_INPUT)

_BUSY = frozenset((486, 600, 603))
_RANG_OUT = frozenset((408, 487))


def seat_failure(status: int, rang: bool) -> Reason.ValueType:
    """Why a seat's INVITE failed, for the router, from its final status; `rang`: it had answered 1xx."""
    if status in _BUSY:
        return Reason.REASON_BUSY
    return Reason.REASON_NO_ANSWER if rang and status in _RANG_OUT else Reason.REASON_UNREACHABLE
