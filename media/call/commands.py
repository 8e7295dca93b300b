"""What a call wants done. The engine carries commands out in order; rtpengine's answers come back as the events named."""

from __future__ import annotations

from pathlib import Path

from media.call.events import Timer
from media.call.frames import Frame
from media.call.leg import CALLER
from media.record.api import Job
from media.ua import api as ua
from ops.facts import Fact
from ops.ids import LegId
from ops.values import dataclass


# ---- rtpengine --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OpenCaller:
    """Open the caller's audio for this offer (b"": make one) -> CallerOpened, CallerOpenFailed."""

    sdp: bytes


@dataclass(frozen=True, slots=True)
class OpenSeat:
    """Open a seat's audio -> SeatOpened, SeatOpenFailed."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    """A phone's answer to our offer -> AnswerTaken, AnswerRefused."""

    leg: LegId
    sdp: bytes


@dataclass(frozen=True, slots=True)
class TakeOffer:
    """A phone's new offer -> OfferTaken, OfferRefused. `music`: for the other side, should it hold."""

    leg: LegId
    sdp: bytes
    music: Path | None = None


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """A phone within its dialog asks for our offer -> OfferTaken, OfferRefused; its answer comes as TakeAnswer."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class Connect:
    """A phone's answer: it (a seat) and `to` (the caller) hear each other -> Paired, AnswerRefused. `recorded`: Record follows."""

    leg: LegId
    sdp: bytes
    recorded: bool
    to: LegId = CALLER


@dataclass(frozen=True, slots=True)
class Park:
    """The caller hears nobody."""


@dataclass(frozen=True, slots=True)
class Play:
    """Play to the caller, or the phone of `leg` -> PlayStarted, PlayFailed with the same `op`."""

    file: Path
    repeat: int
    op: int
    leg: LegId = CALLER


@dataclass(frozen=True, slots=True)
class StopPlay:
    """Silence for the caller, or the phone of `leg`."""

    leg: LegId = CALLER


@dataclass(frozen=True, slots=True)
class Record:
    """Start recording -> RecordFailed or nothing."""

    name: str


@dataclass(frozen=True, slots=True)
class StopRecord:
    """The recording is complete."""


@dataclass(frozen=True, slots=True)
class CloseSeat:
    """Free a seat's audio."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class CloseCall:
    """Free all audio of the call -> AudioClosed, always."""


Verb = (
    OpenCaller | OpenSeat | TakeAnswer | TakeOffer | MakeOffer | Connect | Park | Play | StopPlay | Record | StopRecord | CloseSeat
    | CloseCall
)  # fmt: skip


# ---- everything else --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Phone:
    """A command to the user agent."""

    command: ua.Command


@dataclass(frozen=True, slots=True)
class Tell:
    """A frame for the router."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Write:
    """A fact for the ledger."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Arm:
    """Give `timer` back after so long; arming it again moves it."""

    timer: Timer
    after_ms: int


@dataclass(frozen=True, slots=True)
class Disarm:
    """Forget a timer."""

    timer: type[Timer]


@dataclass(frozen=True, slots=True)
class File:
    """Hand a recording to the vault -> RecordingDone."""

    job: Job


@dataclass(frozen=True, slots=True)
class Strange:
    """To be logged and counted: the table has no row for this."""

    state: str
    event: str


Command = Verb | Phone | Tell | Write | Arm | Disarm | File | Strange
