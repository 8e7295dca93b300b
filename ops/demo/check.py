"""The ledger and the recordings against the script. Pure, but for reading the sounds that were spoken."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ops.audio import Samples, correlation, read_wav
from ops.demo.script import ANSWERED, REFUSED, Call

Json = Mapping[str, Any]
LIKE = 0.6  # the same words after two codecs and a jitter buffer score over 0.9, other words under 0.4
SLACK_MS = 2500


@dataclass(frozen=True, slots=True)
class Verdict:
    """One call of the script: its row in the ledger, and everything that is not as it should be."""

    call: Call
    row: Json | None
    wrong: tuple[str, ...]


def judge(calls: Sequence[Call], rows: Sequence[Json], results: Mapping[str, Json], details: Mapping[str, Json]) -> list[Verdict]:
    """`rows`: of the ledger; `results`: by name, what the callers' phones told; `details`: by call id, rows in full."""
    by_number: dict[str, list[Json]] = {}
    for row in rows:
        by_number.setdefault(row["calling"][-11:], []).append(row)
    verdicts = []
    for call in calls:
        found = by_number.get(call.calling[-11:], [])
        wrong = [f"{len(found)} rows in the ledger"] if len(found) != 1 else list(_differences(call, found[0], details))
        wrong += _phone(call, results.get(call.name))
        verdicts.append(Verdict(call, found[0] if found else None, tuple(wrong)))
    return verdicts


def _differences(call: Call, row: Json, details: Mapping[str, Json]) -> Iterable[str]:
    want = call.want
    for name in ("result", "side", "reason", "queue"):
        wanted = getattr(want, name)
        if wanted and row[name] != wanted:
            yield f"{name} is {row[name] or 'empty'}, want {wanted}"
    if want.result == ANSWERED and row["offers"] < want.offers:
        yield f"{row['offers']} offers, want at least {want.offers}"
    detail = details.get(row["id"], {})
    wrong_keys = sum(step["what"] == "wrong" for step in detail.get("menu", []))
    if wrong_keys < want.wrong_keys:
        yield f"{wrong_keys} wrong keys told, want {want.wrong_keys}"
    if want.result == ANSWERED and not (call.talk * 1000 - SLACK_MS <= row["talk_ms"] <= call.talk * 1000 + 3 * SLACK_MS):
        yield f"talk of {row['talk_ms']} ms, want about {call.talk * 1000:.0f}"
    if want.result != REFUSED and row["sip_status"] // 100 != 2:
        yield f"the edge says {row['sip_status']}"


def _phone(call: Call, result: Json | None) -> Iterable[str]:
    if result is None:
        yield "the caller's phone told no result"
    elif result["error"]:
        yield f"caller: {result['error']}"


@dataclass(frozen=True, slots=True)
class Heard:
    """How a recording compares: how alike each channel is to what was spoken there, and to the best of all other sounds."""

    caller: float
    agent: float
    other_caller: float
    other_agent: float

    @property
    def good(self) -> bool:
        """Each channel holds what was spoken on its side, and nothing else fits better."""
        return min(self.caller, self.agent) >= LIKE and self.caller > self.other_caller and self.agent > self.other_agent


def listen(recording: bytes, caller: str, agent: str, spoken: Mapping[str, Samples]) -> Heard:
    """Compare a stereo recording (caller left, agent right). `caller`, `agent`: keys of what they said in `spoken`. ValueError."""
    left, right = channels(recording)
    scores = {name: (correlation(sound, left)[0], correlation(sound, right)[0]) for name, sound in spoken.items()}
    return Heard(
        scores[caller][0],
        scores[agent][1],
        max(score[0] for name, score in scores.items() if name != caller),
        max(score[1] for name, score in scores.items() if name != agent),
    )


def channels(recording: bytes) -> tuple[Samples, Samples]:
    """Left and right of a 16-bit stereo WAV at 8 kHz. Raises ValueError."""
    with wave.open(io.BytesIO(recording), "rb") as file:
        shape = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if shape != (2, 2, 8000):
            raise ValueError(
                f"recording has {shape[0]} channels of {8 * shape[1]} bits at {shape[2]} Hz, want stereo, 16 bits, 8000 Hz"
            )
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16).reshape(-1, 2)
    return samples[:, 0], samples[:, 1]


def sounds(paths: Iterable[Path]) -> dict[str, Samples]:
    """What was spoken, by the file's stem."""
    return {path.stem: read_wav(path)[0] for path in paths}
