"""When does a caller hear a person? When loud audio comes that is in none of the published prompts or hold music.

The media server pairs caller and agent without a word of SIP to the caller, so the audio is all there is to go by. rtpengine
plays published A-law files unchanged, byte for byte, so eight bytes (1 ms) of a played packet are found in a sorted index of all
such runs in all published files; audio of a person is not (docs/adr/0802). Costs 12 us a loud packet, nothing for silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from media.phone.listener import LOUD, loudness
from ops import audio

_RUN = 8  # bytes compared: one uint64
_PROBES = (0, 37, 74, 111, 148)  # where in a packet runs are taken from
_NEEDED, _WINDOW = 8, 25  # loud unknown packets wanted among so many: 160 ms of speech within half a second
_QUIET_RUN = 0x20  # a run with nothing louder is found everywhere and proves nothing


class Published:
    """Index of published audio. Built once a process; 8 bytes a sample."""

    def __init__(self, files: Iterable[bytes] = ()) -> None:
        """`files`: raw A-law of each file."""
        runs = [_runs(alaw) for alaw in files if len(alaw) >= _RUN]
        self._runs = np.unique(np.concatenate(runs)) if runs else np.zeros(0, np.uint64)

    @classmethod
    def folder(cls, folder: Path) -> Published:
        """All `.au` files below a folder. Raises BadAudio for one that is no A-law .au."""
        return cls(audio.encode_alaw(audio.read_au(path)) for path in sorted(folder.rglob("*.au")))

    def has(self, payload: bytes) -> bool:
        """Some run of this packet that is not quiet is published."""
        if not len(self._runs):
            return False
        runs = [payload[at : at + _RUN] for at in _PROBES if at + _RUN <= len(payload)]
        loud = b"".join(run for run in runs if loudness(run) > _QUIET_RUN)
        keys = np.frombuffer(loud, np.uint64)
        found = np.minimum(np.searchsorted(self._runs, keys), len(self._runs) - 1)
        return bool((self._runs[found] == keys).any())


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


def _runs(alaw: bytes) -> npt.NDArray[np.uint64]:
    """Every run of eight neighbouring bytes as a number."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(alaw, np.uint8), _RUN)
    return np.ascontiguousarray(windows).view(np.uint64).reshape(-1)
