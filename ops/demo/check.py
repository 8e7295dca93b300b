"""The ledger and the recordings against the script. Pure, but for reading the sounds that were spoken."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ops.audio import Samples, read_wav
from ops.demo.script import ANSWERED, REFUSED, Call

Json = Mapping[str, Any]
WINDOW = 2000  # samples: a quarter of a second
QUIET = 0.01  # windows with less of the loudest one's power are pauses
SAME = 0.9  # correlation of a window with the stretch it was made from: 0.99 after A-law; with other words under 0.8
PROBES = 10  # windows looked at, evenly spread
LIKE, UNLIKE = 0.6, 0.2  # share of windows that must be what was spoken, and that may be something else
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
    """How a recording compares: the share of each channel that is what was spoken there, and of the best of all other sounds."""

    caller: float
    agent: float
    other_caller: float
    other_agent: float

    @property
    def good(self) -> bool:
        """Each channel holds what was spoken on its side, and nothing else."""
        return min(self.caller, self.agent) >= LIKE and max(self.other_caller, self.other_agent) <= UNLIKE


class Spoken:
    """All that was spoken in a loop, ready to be looked for. All sounds have one length."""

    def __init__(self, sounds: Mapping[str, Samples]) -> None:
        self.names = list(sounds)
        loops = np.stack([sound.astype(np.float64) for sound in sounds.values()])
        self._length = loops.shape[1]
        self._spectra = np.conj(np.fft.rfft(loops))
        power = np.cumsum(np.hstack([loops, loops[:, :WINDOW]]) ** 2, axis=1)
        self._power = np.hstack([power[:, WINDOW - 1 : WINDOW], power[:, WINDOW:] - power[:, :-WINDOW]])[:, : self._length]

    def shares(self, channel: Samples) -> dict[str, float]:
        """For each sound the share of the channel's loud windows that are a stretch of it.

        In windows, because a busy machine lets a phone slip by some packets: what comes after is still the same words.
        """
        windows = channel[: len(channel) // WINDOW * WINDOW].astype(np.float64).reshape(-1, WINDOW)
        loudness = (windows**2).sum(axis=1)
        loud = windows[loudness > loudness.max(initial=0) * QUIET]
        if not len(loud):
            return dict.fromkeys(self.names, 0.0)
        loud = loud[np.unique(np.linspace(0, len(loud) - 1, PROBES).astype(int))]
        found = np.stack([self._best(window) for window in loud]) >= SAME
        return dict(zip(self.names, found.mean(axis=0).tolist(), strict=True))

    def _best(self, window: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The highest correlation of a window with any stretch of each loop."""
        cross = np.fft.irfft(np.conj(np.fft.rfft(window, self._length) * self._spectra), self._length)
        floor = self._power.max(axis=1, keepdims=True) * QUIET
        likeness = cross / np.sqrt(np.maximum(self._power, floor) * (window @ window))
        best: npt.NDArray[np.float64] = likeness.max(axis=1)
        return best


def listen(recording: bytes, caller: str, agent: str, spoken: Spoken) -> Heard:
    """Compare a stereo recording (caller left, agent right). `caller`, `agent`: names of what they said. Raises ValueError."""
    left, right = (spoken.shares(channel) for channel in channels(recording))
    best = [max(share for name, share in side.items() if name != own) for side, own in ((left, caller), (right, agent))]
    return Heard(left[caller], right[agent], best[0], best[1])


def channels(recording: bytes) -> tuple[Samples, Samples]:
    """Left and right of a 16-bit stereo WAV at 8 kHz. Raises ValueError."""
    with wave.open(io.BytesIO(recording), "rb") as file:
        shape = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if shape != (2, 2, 8000):
            raise ValueError(f"want 2 channels, 2 bytes a sample, 8000 Hz; the recording has {shape}")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16).reshape(-1, 2)
    return samples[:, 0], samples[:, 1]


def sounds(paths: Iterable[Path]) -> Spoken:
    """What was spoken, by the file's stem."""
    return Spoken({path.stem: read_wav(path)[0] for path in paths})
