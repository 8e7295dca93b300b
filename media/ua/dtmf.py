"""Key presses in INFO bodies: `application/dtmf-relay` (Signal=5) and `application/dtmf` (5)."""

from __future__ import annotations

import re

DIGITS = frozenset(["application/dtmf-relay", "application/dtmf"])
_RELAY = re.compile(rb"^\s*signal\s*=\s*([0-9*#A-Da-d]|1[0-5])\s*$", re.I | re.M)
_EVENTS = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}  # RFC 4733 event numbers, some phones send them
_PLAIN = re.compile(rb"\s*([0-9*#A-Da-d]|1[0-5])\s*\Z")


def digit_of(content_type: str, body: bytes) -> str:
    """The key, one of 0-9*#A-D; "" if this is no key press."""
    if len(body) > 512:
        return ""
    if content_type == "application/dtmf-relay":
        found = _RELAY.search(body)
    elif content_type == "application/dtmf":
        found = _PLAIN.match(body)
    else:
        return ""
    text = found[1].decode("ascii").upper() if found else ""
    return _EVENTS.get(text, text)
