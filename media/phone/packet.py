"""RTP packets and telephone events as bytes (RFC 3550 §5.1, RFC 4733 §2.3): no socket, no clock."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PCMA = 8  # static payload type of 8 kHz A-law (RFC 3551)
EVENTS = 101  # what we offer for telephone-event/8000
FRAME = 160  # samples, and A-law bytes, in 20 ms
SILENCE = 0xD5  # A-law zero
DIGITS = "0123456789*#ABCD"

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_RTCP = range(72, 77)  # payload types that are RTCP packet types 200-204 (RFC 5761 §4)
_VOLUME = 10  # -dBm0, as desk phones send


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet. `at`: RTP time stamp in samples."""

    kind: int  # payload type
    marker: bool
    seq: int
    at: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One telephone event packet: a key that is held (or, with `end`, was held) for `samples`."""

    digit: str
    end: bool
    samples: int


def pack(kind: int, marker: bool, seq: int, at: int, ssrc: int, payload: bytes) -> bytes:
    """The bytes of a packet; numbers wrap as RTP wants."""
    return _HEADER.pack(0x80, kind | marker << 7, seq & 0xFFFF, at & 0xFFFF_FFFF, ssrc) + payload


def unpack(data: bytes) -> Packet | None:
    """The packet, or None for what is no whole RTP packet of version 2 (RTCP, STUN, noise)."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, seq, at, ssrc = _HEADER.unpack_from(data)
    kind = second & 0x7F
    if kind in _RTCP:
        return None
    payload = data[12:] if first == 0x80 else _payload(data, first)
    return None if payload is None else Packet(kind, second > 0x7F, seq, at, ssrc, payload)


def _payload(data: bytes, first: int) -> bytes | None:
    """The payload behind contributing sources and an extension, without padding; None if lengths do not fit."""
    start, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    if first & 0x20:
        end -= data[-1]
    return data[start:end] if 12 <= start <= end else None


def pack_key(event: KeyEvent) -> bytes:
    """The payload of a telephone event."""
    return _EVENT.pack(DIGITS.index(event.digit), (0x80 if event.end else 0) | _VOLUME, min(event.samples, 0xFFFF))


def unpack_key(payload: bytes) -> KeyEvent | None:
    """The event in a payload; None if it is too short or no key (flash, fax tones)."""
    if len(payload) < _EVENT.size:
        return None
    number, flags, samples = _EVENT.unpack_from(payload)
    return KeyEvent(DIGITS[number], flags > 0x7F, samples) if number < len(DIGITS) else None
