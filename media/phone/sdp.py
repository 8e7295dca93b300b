"""The SDP of a phone: one A-law stream with telephone events (RFC 3264, RFC 4733 §2.4). Reading is media/ua/sdp.py."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from media.phone.packet import EVENTS, PCMA
from media.ua import errors
from media.ua import sdp as ua_sdp

_ANSWER = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}  # RFC 3264 §6.1
_EVENT_MAP = re.compile(rb"^a=rtpmap:(\d{1,3}) +telephone-event/8000", re.M | re.I)


class BadSdp(ValueError):
    """The other side's SDP cannot be used; the text says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the other side wants audio, and how."""

    address: str
    port: int  # 0: the stream is refused
    event_type: int  # payload type of its telephone events, 0: none
    direction: str = "sendrecv"  # as the other side sees it

    @property
    def listens(self) -> bool:
        """It wants to hear us."""
        return self.direction in ("sendrecv", "recvonly") and self.address != "0.0.0.0"


def describe(address: str, port: int, version: int = 1, direction: str = "sendrecv", event_type: int = EVENTS) -> bytes:
    """An offer or answer with A-law and telephone events. `version` counts up with each change within a dialog."""
    lines = [
        "v=0",
        f"o=- {port} {version} IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {PCMA}" + (f" {event_type}" if event_type else ""),
        f"a=rtpmap:{PCMA} PCMA/8000",
        *([f"a=rtpmap:{event_type} telephone-event/8000", f"a=fmtp:{event_type} 0-15"] if event_type else []),
        "a=ptime:20",
        f"a={direction}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def answer_direction(offered: str) -> str:
    """The direction that answers an offered one."""
    return _ANSWER[offered]


def read(sdp: bytes) -> Remote:
    """The first audio stream. Raises BadSdp if it cannot be read, is no plain RTP or has no A-law."""
    try:
        audio = ua_sdp.audio(sdp)
    except errors.BadSdp as error:
        raise BadSdp(str(error)) from error
    if audio.protocol not in ("RTP/AVP", "RTP/AVPF"):
        raise BadSdp(f"{audio.protocol[:20]} is not supported, only RTP/AVP")
    if audio.port and str(PCMA) not in audio.formats:
        raise BadSdp("no A-law (payload type 8) among its codecs")
    try:
        address = str(ipaddress.IPv4Address(audio.host))
    except ValueError as error:
        raise BadSdp(f"{audio.host[:40]} is no IPv4 address") from error
    return Remote(address, audio.port, _event_type(sdp, audio.formats), audio.direction)


def _event_type(sdp: bytes, formats: tuple[str, ...]) -> int:
    kinds = [found.decode() for found in _EVENT_MAP.findall(sdp)]
    return next((int(kind) for kind in kinds if kind in formats and int(kind) < 128), 0)
