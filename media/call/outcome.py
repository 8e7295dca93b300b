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
    reason = Reason.REASON_VANISHED if lost else Reason.REASON_HANGUP
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

_RANG_OUT = frozenset((408, 487))
_SEAT = {
    404: Reason.REASON_NOT_REGISTERED,  # by the edge: no contact
    410: Reason.REASON_NOT_REGISTERED,
    486: Reason.REASON_BUSY,
    600: Reason.REASON_BUSY,
    433: Reason.REASON_DECLINED,  # takes no anonymous calls (RFC 5079)
    480: Reason.REASON_DECLINED,  # do not disturb at most makes of phone; the edge never says it of a seat
    603: Reason.REASON_DECLINED,
    607: Reason.REASON_DECLINED,  # RFC 8197
    608: Reason.REASON_DECLINED,  # RFC 8688
}
_OURS = frozenset((500, 503, 504))  # the edge's own trouble or its overload; of a phone that rang, the phone's
_CUSTOMER = dict.fromkeys((486, 600, 603), Reason.REASON_BUSY)


def seat_failure(status: int, rang: bool) -> Reason.ValueType:
    """Why a seat's INVITE failed, for the router, from its final status; `rang`: it had answered 1xx. A phone that sends its calls
    elsewhere (3xx) takes none here. The agent is blamed for all but what the edge could not do (router/core/match.py)."""
    if status < 400:
        return Reason.REASON_DECLINED
    if status in _OURS and not rang:
        return Reason.REASON_OVERLOAD
    return _SEAT.get(status) or _unanswered(status, rang)


def customer_failure(status: int, rang: bool) -> Reason.ValueType:
    """Why a customer's phone did not take a callback."""
    return _CUSTOMER.get(status) or _unanswered(status, rang)


def _unanswered(status: int, rang: bool) -> Reason.ValueType:
    return Reason.REASON_NO_ANSWER if rang and status in _RANG_OUT else Reason.REASON_UNREACHABLE


def not_answered(alerted_ms: int, ring_ms: int) -> Reason.ValueType:
    """Why nobody answered in time. A phone that never alerted, or for less than half of the ring time, was rung too late by us: a
    seat that is away or silent is refused by the edge long before."""
    return Reason.REASON_NO_ANSWER if alerted_ms >= 0 and alerted_ms * 2 >= ring_ms else Reason.REASON_OVERLOAD
