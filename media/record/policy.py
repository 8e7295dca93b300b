"""When a recording counts as one. What does not raises an alarm by itself [Q1], but whatever was heard is kept.

People are silent: phones send nothing while nobody speaks, while they hold, or muted. That is no fault of a recording, and is
noted for who listens. A fault is sound that rtpengine heard and the recording lacks.
"""

from __future__ import annotations

from media.record.api import Job
from media.record.stereo import Conversation, Side

SHORT_MS = 1500  # the last words and the wait for the first packet
SILENT_MS = 2000  # a pause that a listener should know of
LATE_MS = 3000  # rtpengine tells the last packet to the second, and the recording is stopped after the talk


def complaint(heard: Conversation, job: Job) -> str:
    """What a recording lacks that was said, "" if nothing."""
    end_ms = job.started_ms + job.talk_ms
    sides = (("caller", heard.caller, job.caller_last_ms), ("agent", heard.agent, job.agent_last_ms))
    for name, side, last_ms in sides:
        if not job.started_ms + SHORT_MS < last_ms <= end_ms + SHORT_MS:
            continue  # silent from the start, not known, or somebody who went on sending after the talk
        if side.packets == 0:
            return f"nothing from the {name}"
        missing = min(last_ms, end_ms) - side.last_us // 1000
        if missing > LATE_MS:
            return f"the last {missing} ms of the {name}"
    return ""


def note(heard: Conversation, job: Job) -> str:
    """What a listener should know, "" if nothing."""
    words = [f"no audio from either side for {heard.silent_ms} ms"] if heard.silent_ms > SILENT_MS else []
    words += [_about(name, side) for name, side in (("caller", heard.caller), ("agent", heard.agent))]
    return "; ".join(word for word in words if word)


def _about(name: str, side: Side) -> str:
    if side.packets == 0:
        return f"the {name} sent no audio"
    said = [f"the {name}'s RTP clock is wrong, placed by sequence numbers"] if side.false_clock else []
    if side.longest_gap_ms > SILENT_MS:
        said.append(f"no audio from the {name} for {side.longest_gap_ms} ms")
    if side.foreign:
        said.append(f"{side.foreign} packets of others to the {name}'s port left out")
    return "; ".join(said)
