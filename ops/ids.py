"""Identities: plain text on the wire, distinct types in code, so that one cannot be given for another."""

from __future__ import annotations

import os
from typing import NewType

CallId = NewType("CallId", str)  # UUIDv7 in text, made by the edge
LegId = NewType("LegId", str)  # one SIP dialog of a media node: "a" the caller, "b1", "b2".. seats, in order of dialling
AgentId = NewType("AgentId", str)
SeatId = NewType("SeatId", str)  # the extension a phone registers as
QueueId = NewType("QueueId", str)
SkillId = NewType("SkillId", str)
OfferId = NewType("OfferId", str)
NodeId = NewType("NodeId", str)  # a media node
TenantId = NewType("TenantId", str)

MAIN = TenantId("main")


def uuid7(now_ms: int, random: bytes | None = None) -> str:
    """A UUID version 7 (RFC 9562 §5.7) in text: sorts by time. `random`: 10 bytes, from the system unless told."""
    tail = int.from_bytes(random if random is not None else os.urandom(10), "big")
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (tail >> 68 & 0xFFF) << 64 | 0b10 << 62 | tail & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
