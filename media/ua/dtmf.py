"""Key presses in INFO bodies: `application/dtmf-relay` (Signal=5), `application/dtmf` (5), `audio/telephone-event` (RFC 4733).

A body that we accept is used; one that cannot be used is refused, so that the phone can take another way.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DIGITS = frozenset(["application/dtmf-relay", "application/dtmf", "audio/telephone-event"])
ACCEPT = ", ".join(sorted(DIGITS))
MAX_BYTES = 512
_RELAY = re.compile(rb"^\s*signal\s*=\s*([0-9*#A-Da-d]|1[0-5])\s*$", re.I | re.M)
_EVENTS = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}  # RFC 4733 event numbers, some phones send them
_PLAIN = re.compile(rb"\s*([0-9*#A-Da-d]|1[0-5])\s*\Z")
_KEYS = "0123456789*#ABCD"
_END = 0x80


class Told(NamedTuple):
    """What an INFO body says."""

    digit: str = ""  # one of 0-9*#A-D, "" if it is no key press
    status: int = 200


def told(content_type: str, body: bytes) -> Told:
    """The key, and what to answer: 400 for a body that cannot be read, 415 for one of another kind (RFC 6086 §4.2.2)."""
    if not body:
        return Told()
    if content_type not in DIGITS:
        return Told(status=415)
    if len(body) > MAX_BYTES:
        return Told(status=400)
    if content_type == "audio/telephone-event":
        return _event(body)
    found = _RELAY.search(body) if content_type == "application/dtmf-relay" else _PLAIN.match(body)
    if found is None:
        return Told(status=400)
    text = found[1].decode("ascii").upper()
    return Told(_EVENTS.get(text, text))


def _event(body: bytes) -> Told:
    """The payload of an RTP event. Its beginning (no end bit, no duration yet) is no press: the end follows."""
    if len(body) != 4 or body[0] >= len(_KEYS):
        return Told(status=400)
    begins = not body[1] & _END and body[2:] == b"\0\0"
    return Told("" if begins else _KEYS[body[0]])
