"""When a recording counts as one. What does not raises an alarm by itself [Q1], but whatever was heard is kept."""

from __future__ import annotations

from media.record.stereo import Conversation

SHORT_MS = 1500  # the last words and the wait for the first packet
SILENT_MS = 2000  # nobody sends for so long: the recorder missed it, phones that mute take turns at the least


def complaint(heard: Conversation, talk_ms: int) -> str:
    """What is wrong with a recording of a conversation of `talk_ms` (0: not known), "" if nothing."""
    for name, side in (("caller", heard.caller), ("agent", heard.agent)):
        if side.packets == 0 and (talk_ms == 0 or talk_ms > SHORT_MS):
            return f"nothing from the {name}"
    if talk_ms - heard.duration_ms > SHORT_MS:
        return f"{heard.duration_ms} ms of a conversation of {talk_ms} ms"
    if heard.silent_ms > SILENT_MS:
        return f"a gap of {heard.silent_ms} ms"
    return ""
