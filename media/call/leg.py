"""One phone of a call, as a table. A leg is known from before its INVITE until its dialog is surely over.

    opening --invite--> calling --progress--> early --answered--> up --over--> gone       (a seat)
    asked --answer--> up, --refuse--> gone                                                (the caller)
    any --hangup--> hanging --over--> gone; without an INVITE yet: gone at once

A 200 that crosses our CANCEL leaves the leg hanging: it is hung up once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from media.ua.errors import BadSdp
from media.ua.sdp import audio
from ops.ids import LegId

CALLER = LegId("a")


class Phase(StrEnum):
    """Where a leg is."""

    OPENING = "opening"  # its audio is being opened, no INVITE sent
    ASKED = "asked"  # the caller's INVITE is not answered
    CALLING = "calling"
    EARLY = "early"
    UP = "up"
    HANGING = "hanging"  # we ended it, the other side has not said so yet
    GONE = "gone"


MOVES: dict[tuple[Phase, str], Phase] = {
    (Phase.OPENING, "invite"): Phase.CALLING,
    (Phase.OPENING, "hangup"): Phase.GONE,
    (Phase.ASKED, "answer"): Phase.UP,
    (Phase.ASKED, "refuse"): Phase.GONE,
    (Phase.ASKED, "hangup"): Phase.HANGING,
    (Phase.ASKED, "over"): Phase.GONE,
    (Phase.CALLING, "progress"): Phase.EARLY,
    (Phase.CALLING, "answered"): Phase.UP,
    (Phase.CALLING, "hangup"): Phase.HANGING,
    (Phase.CALLING, "over"): Phase.GONE,
    (Phase.EARLY, "progress"): Phase.EARLY,
    (Phase.EARLY, "answered"): Phase.UP,
    (Phase.EARLY, "hangup"): Phase.HANGING,
    (Phase.EARLY, "over"): Phase.GONE,
    (Phase.UP, "hangup"): Phase.HANGING,
    (Phase.UP, "over"): Phase.GONE,
    (Phase.HANGING, "progress"): Phase.HANGING,
    (Phase.HANGING, "answered"): Phase.HANGING,
    (Phase.HANGING, "over"): Phase.GONE,
}


@dataclass(slots=True)
class LegState:
    """What the call knows of a leg."""

    id: LegId
    phase: Phase
    sdp: bytes = b""  # ours, as last sent to the phone
    rang: bool = False  # answered 1xx
    held: bool = False  # its phone does not want to hear us
    holds: bool = False  # so says its last offer or answer, which may not be in place yet

    @property
    def quiet(self) -> bool:
        """Nothing is to be sent to its phone."""
        return self.held or self.holds

    def begin(self, sdp: bytes) -> None:
        """Its phone's first SDP is in place: phones may hold from the start."""
        self.held = self.holds = holds(sdp)

    def move(self, what: str) -> bool:
        """Go on by one word of MOVES; False (and no move) if the leg is past that."""
        to = MOVES.get((self.phase, what))
        if to is None:
            return False
        self.phase = to
        self.rang = self.rang or what == "progress"
        return True


def holds(sdp: bytes) -> bool:
    """Whether a phone that says this does not want to hear us: sendonly, inactive, or the old 0.0.0.0 (RFC 3264 §8.4)."""
    try:
        return audio(sdp).held
    except BadSdp:  # rtpengine's client says what is wrong with it
        return False


def audio_port(sdp: bytes) -> int:
    """The port of the first audio line of an SDP of ours (RFC 8866 §5.14): where the phone sends to. 0 if there is none.

    rtpengine tells the parties of a recording apart by it; reading it here saves a `query` a leg.
    """
    for line in sdp.split(b"\n"):
        if line.startswith(b"m=audio "):
            word = line.split(b" ", 2)[1].split(b"/")[0]
            return int(word) if word.isdigit() else 0
    return 0
