"""What can happen to a call. Times are given beside an event, never in it. `leg` is the seat's leg unless told otherwise.

`translate.py` makes these of the user agent's events, `verbs.py` of rtpengine's answers, `media/rpc` of router frames; timers
are armed with the event that they become.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from tierline.common.v1.common_pb2 import Reason

from media.call.frames import Profile
from media.record.api import Filed, NotFiled
from media.rtp.api import Senders
from ops.ids import LegId
from ops.values import dataclass


# ---- the caller's phone -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Invited:
    """The INVITE that starts the call."""

    called: str
    calling: str  # "" if withheld
    sdp: bytes  # b"": the caller wants our offer
    headers: Mapping[str, str]  # X-Tierline-* by lower-case name
    asserted: bool = False  # the carrier asserts `calling`


@dataclass(frozen=True, slots=True)
class CallerConfirmed:
    """The ACK to our 200."""

    sdp: bytes  # the answer, if the offer was ours


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller's leg is over, not by us."""

    cancelled: bool = False
    lost: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallerDigit:
    """A key press of the caller."""

    digit: str


# ---- a seat's phone ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SeatProgress:
    """The seat rings, or at least answers something."""

    leg: LegId
    status: int


@dataclass(frozen=True, slots=True)
class SeatAnswered:
    """The agent picked up."""

    leg: LegId
    sdp: bytes


@dataclass(frozen=True, slots=True)
class SeatFailed:
    """The seat did not take the INVITE."""

    leg: LegId
    status: int


@dataclass(frozen=True, slots=True)
class SeatGone:
    """The seat's leg is over, not by us."""

    leg: LegId
    lost: bool = False
    reason: str = ""


# ---- either phone (leg: any) ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Reoffered:
    """A new offer within the dialog (hold, refresh); b"": it asks for ours."""

    leg: LegId
    sdp: bytes


@dataclass(frozen=True, slots=True)
class Reanswered:
    """The answer to an offer of ours within the dialog; b"": a bare ACK."""

    leg: LegId
    sdp: bytes


# ---- rtpengine --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class CallerOpened:
    """The caller's audio is open; `sdp` is for our 200."""

    sdp: bytes


@dataclass(frozen=True, slots=True)
class CallerOpenFailed:
    """It is not. bad_sdp: by their fault."""

    bad_sdp: bool


@dataclass(frozen=True, slots=True)
class SeatOpened:
    """A seat's audio is open; `sdp` is for our INVITE."""

    leg: LegId
    sdp: bytes


@dataclass(frozen=True, slots=True)
class SeatOpenFailed:
    """It is not."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class AnswerTaken:
    """A phone's answer to an offer that it asked us for is in place (leg: any)."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class AnswerRefused:
    """It is not (leg: any). bad_sdp: by the phone's fault."""

    leg: LegId
    bad_sdp: bool


@dataclass(frozen=True, slots=True)
class OfferTaken:
    """A phone's new offer is in place (leg: any) and `sdp` answers it, or `sdp` is the offer that it asked for."""

    leg: LegId
    sdp: bytes


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """It is not (leg: any). bad_sdp: by the phone's fault."""

    leg: LegId
    bad_sdp: bool


@dataclass(frozen=True, slots=True)
class Paired:
    """Caller and seat hear each other."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class PlayStarted:
    """What was asked for with `op` plays; one round takes `ms`."""

    op: int
    ms: int


@dataclass(frozen=True, slots=True)
class PlayFailed:
    """It does not play."""

    op: int


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """The recording did not start."""

    name: str


@dataclass(frozen=True, slots=True)
class AudioClosed:
    """All audio of the call is freed, or rtpengine is not there to free it: then nobody knows who sent it."""

    senders: Senders = field(default_factory=dict)


# ---- the router -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Queued:
    """The call waits at this place of the line, from 1; 0 ms: nobody knows how long."""

    position: int
    expected_ms: int = 0


@dataclass(frozen=True, slots=True)
class CallBack:
    """A customer to be called back, whose call this node does not have."""

    number: str
    version: int  # the router's of the call
    queue: str
    priority: int
    entered_ms: int
    profile: Profile
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Offered:
    """This agent is reserved for the call until `expires_ms` (UTC by our clock)."""

    offer: str
    agent: str
    seat: str
    expires_ms: int
    centre: str = ""  # whose seat; "": ours
    uri: str = ""  # what to dial for another centre's
    callback: CallBack | None = None


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The queue takes the call not, or not any more."""

    queue: str
    reason: Reason.ValueType


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The offer is taken back; the call waits on."""

    offer: str
    reason: Reason.ValueType


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame of ours had no effect."""

    frame: str  # "enqueue", "assert", "settle", "cancel", "end"
    reason: Reason.ValueType
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """End this call: it is not ours any more."""

    reason: Reason.ValueType


# ---- timers -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class MenuTimeout:
    """The caller pressed nothing in the time the menu gave."""


@dataclass(frozen=True, slots=True)
class PromptOver:
    """The file that plays has come to its end."""


@dataclass(frozen=True, slots=True)
class MusicDue:
    """A caller who is not connected yet gets music now."""


@dataclass(frozen=True, slots=True)
class PositionDue:
    """Time to tell the caller the place in the line."""


@dataclass(frozen=True, slots=True)
class RingOver:
    """The seat has rung long enough."""


@dataclass(frozen=True, slots=True)
class AwayRingOver:
    """The seat of another centre has rung long enough."""


@dataclass(frozen=True, slots=True)
class RetryDue:
    """Ask for an agent again after trouble with the audio."""


@dataclass(frozen=True, slots=True)
class ReapDue:
    """A closing call did not come to its end by itself."""


# ---- the house --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class EndNow:
    """We end the call: the time to drain is over, or the call met what its table does not know."""

    reason: Reason.ValueType


@dataclass(frozen=True, slots=True)
class RecordingDone:
    """What became of the recording."""

    result: Filed | NotFiled


Timer = MenuTimeout | PromptOver | MusicDue | PositionDue | RingOver | AwayRingOver | RetryDue | ReapDue
FromCaller = Invited | CallerConfirmed | CallerGone | CallerDigit
FromSeat = SeatProgress | SeatAnswered | SeatFailed | SeatGone
FromPhone = FromCaller | FromSeat | Reoffered | Reanswered
FromAudio = (
    CallerOpened | CallerOpenFailed | SeatOpened | SeatOpenFailed | AnswerTaken | AnswerRefused | OfferTaken | OfferRefused
    | Paired | PlayStarted | PlayFailed | RecordFailed | AudioClosed
)  # fmt: skip
FromRouter = Queued | Offered | Withdrawn | Refused | Released | TurnedAway
Event = FromPhone | FromAudio | FromRouter | Timer | EndNow | RecordingDone
