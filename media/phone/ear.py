"""When does a caller hear a person? When loud audio comes that is in none of the published prompts or hold music.

The media server pairs caller and agent without a word of SIP to the caller, so the audio is all there is to go by. rtpengine
plays published A-law files unchanged, byte for byte. So every 20th run of eight bytes (1 ms) of all published files is kept in a
sorted index, and of a loud packet all runs are looked up: wherever in a file it was played from, seven or eight of them are in
the index. Audio of a person is not (docs/adr/0802).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from media.phone.listener import LOUD, loudness
from ops import audio

_RUN = 8  # bytes compared: one uint64
_STEP = 20  # every so manieth run of a file is kept
_ENOUGH = 2  # runs of a packet found: it is played
_NEEDED, _WINDOW = 8, 25  # loud unknown packets wanted among so many: 160 ms of speech within half a second
_QUIET_RUN = 0x20  # a run with nothing louder is found everywhere and proves nothing

Runs: TypeAlias = npt.NDArray[np.uint64]


class Published:
    """Index of published audio, built once a process: 0.4 bytes a sample."""

    def __init__(self, files: Iterable[bytes] = ()) -> None:
        """`files`: raw A-law of each file."""
        kept = [_loud(_runs(alaw)[::_STEP]) for alaw in files if len(alaw) >= _RUN]
        self._runs = np.unique(np.concatenate(kept)) if kept else np.zeros(0, np.uint64)

    @classmethod
    def folder(cls, folder: Path) -> Published:
        """All `.au` files below a folder. Raises BadAudio for one that is no A-law .au."""
        return cls(audio.encode_alaw(audio.read_au(path)) for path in sorted(folder.rglob("*.au")))

    def has(self, payload: bytes) -> bool:
        """Runs of this packet that are not quiet are published: two of them, for one may be chance (1 % of spoken packets)."""
        if not len(self._runs) or len(payload) < _RUN:
            return False
        keys = _runs(payload)
        found = self._runs.searchsorted(keys)
        return int((self._runs.take(found, mode="clip") == keys).sum()) >= _ENOUGH


class Ear:
    """Listens to the packets of one call until a person is heard. `heard_at`: when the person began, in the caller's clock."""

    def __init__(self, published: Published) -> None:
        self.heard_at: float | None = None
        self._published = published
        self._unknown: list[tuple[int, float]] = []
        self._count = 0

    def take(self, payload: bytes, now: float) -> bool:
        """One packet; True once a person is heard."""
        self._count += 1
        if self.heard_at is not None:
            return True
        if loudness(payload) <= LOUD:
            return False
        if self._published.has(payload):
            self._unknown.clear()
            return False
        self._unknown = [one for one in self._unknown if one[0] > self._count - _WINDOW] + [(self._count, now)]
        if len(self._unknown) >= _NEEDED:
            self.heard_at = self._unknown[0][1]
        return self.heard_at is not None


def _runs(alaw: bytes) -> Runs:
    """Every run of eight neighbouring bytes as a number."""
    runs: Runs = np.ndarray((len(alaw) - _RUN + 1,), np.uint64, alaw, 0, (1,))
    return runs


def _loud(runs: Runs) -> Runs:
    """Those that are not quiet."""
    magnitude = (np.ascontiguousarray(runs).view(np.uint8).reshape(-1, _RUN) ^ 0x55) & 0x7F
    loud: Runs = runs[magnitude.max(axis=1) > _QUIET_RUN]
    return loud
