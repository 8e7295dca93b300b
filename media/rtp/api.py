"""What the call logic sees of audio. `media/rtp/client.py` is the one implementation (rtpengine, see docs/adr)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from media.ua.api import Leg


class RtpError(Exception):
    """rtpengine refused or did not answer; the text has its reason and the command, no SDP."""


class BadSdp(RtpError):
    """The other side's SDP cannot be used: answer 488."""


@dataclass(frozen=True, slots=True)
class Digit:
    """A key press on a leg, on release. `digit`: 0-9*#A-D."""

    leg: Leg
    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class LegAudio:
    """What rtpengine knows of a leg."""

    port: int  # local port the leg's phone sends to: tells the parties of a recording apart
    packets: int  # received from the phone
    last_packet_ms: int  # UTC ms of the last packet, 0 if none


@dataclass(frozen=True, slots=True)
class Sender:
    """Who spoke on a leg."""

    places: frozenset[str] = frozenset()  # where the audio came from that was taken, as address:port
    last_ms: int = 0  # UTC ms of the last packet, to the second; 0: not known


Senders = dict[int, Sender]  # by the local port that they spoke to


class Audio(Protocol):
    """One rtpengine as one media node uses it. All verbs raise RtpError; a repeat of any is harmless."""

    def located(self, leg: Leg, source: str) -> None:
        """The address that the leg's last SDP came from; told before the SDP. Without it audio is refused: BadSdp."""

    async def open_inbound(self, leg: Leg, sdp: bytes) -> bytes:
        """Open a leg for the offer of a phone; the SDP for our 200."""

    async def open_outbound(self, leg: Leg) -> bytes:
        """Open a leg that we call; the SDP for our INVITE."""

    async def answered(self, leg: Leg, sdp: bytes) -> None:
        """The phone's answer to an outbound leg (or to a re-offer of ours)."""

    async def offer(self, leg: Leg) -> bytes:
        """Our offer for a phone that asks for one within the dialog: sendrecv, whatever was held. `answered` follows."""

    async def reoffer(self, leg: Leg, sdp: bytes, music: Path | None = None) -> bytes:
        """The phone's new offer within the dialog; the SDP for our 200. The pairing stays, but for music while it holds."""

    async def pair(self, one: Leg, other: Leg) -> None:
        """Let two legs of one call hear each other; both are parted from whoever they heard. No re-INVITE is needed."""

    async def connect(self, one: Leg, other: Leg, sdp: bytes, recorded: bool = False) -> None:
        """`answered` for `other` and `pair` in one; `recorded`: `record` follows at once. Cheaper than one after the other."""

    async def park(self, leg: Leg) -> None:
        """The leg hears nobody (or what is played to it)."""

    async def play(self, leg: Leg, file: Path, repeat: int = 1) -> int:
        """Play a published A-law .au to a parked leg, stopping what plays; its length in ms (of one round)."""

    async def stop(self, leg: Leg) -> None:
        """Stop playing."""

    async def record(self, leg: Leg, name: str) -> None:
        """Start recording the leg's call; `name` comes back in the spool's file names."""

    async def stop_record(self, leg: Leg) -> None:
        """Stop recording the leg's call; the pcap is complete after this."""

    async def look(self, leg: Leg) -> LegAudio:
        """Ports and last packet of a leg."""

    async def close(self, leg: Leg) -> None:
        """Free a leg; closing the last one frees the call."""

    async def close_call(self, leg: Leg) -> Senders:
        """Free all legs of the leg's call; whose audio was taken, which tells a recording from what strangers sent."""

    def on_digit(self, listener: Callable[[Digit], None]) -> None:
        """Where key presses go."""
