"""Sounds that nobody speaks, made by formula: hold music that can be repeated without a seam, and the ring-back tone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ops.audio import RATE, Samples

Wave = npt.NDArray[np.float64]
LOUD = 9000  # peak of the music: below speech, so that announcements stand out
BEAT_S = 0.4
# Eight bars of six plucked notes each, as semitones above A3 (220 Hz): a slow turn through four chords, twice.
BARS = (
    (0, 7, 12, 16, 12, 7),
    (-4, 3, 8, 12, 8, 3),
    (-7, 0, 5, 9, 5, 0),
    (-5, 2, 7, 11, 7, 2),
    (0, 7, 12, 16, 19, 16),
    (-4, 3, 8, 15, 12, 8),
    (-7, 0, 5, 12, 9, 5),
    (-5, 2, 7, 14, 11, 7),
)


def hold_music() -> Samples:
    """19.2 s at 8 kHz. Notes that ring over the end are laid over the beginning: that is why it loops."""
    notes = [note for bar in BARS for note in bar]
    step = round(BEAT_S * RATE)
    out = np.zeros(step * len(notes))
    for number, note in enumerate(notes):
        _add(out, number * step, _pluck(220.0 * 2 ** (note / 12), 1.6, 1.0))
        if number % 6 == 0:
            _add(out, number * step, _pluck(110.0 * 2 ** (note / 12), 2.4, 0.8))
    return np.asarray(out / np.abs(out).max() * LOUD, dtype=np.int16)


def ring_back() -> Samples:
    """What a Chinese exchange lets the caller hear while it rings: 450 Hz, 1 s on and 4 s off (GB/T 3380)."""
    time = np.arange(RATE) / RATE
    ramp = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
    tone = np.sin(2 * np.pi * 450 * time) * ramp * 8000
    return np.concatenate([tone, np.zeros(4 * RATE)]).astype(np.int16)


def _pluck(hertz: float, seconds: float, gain: float) -> Wave:
    """A soft string: the overtones die away sooner than the ground tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [
        np.sin(2 * np.pi * hertz * part * time) * np.exp(-time * (2.2 + 1.4 * part)) / part**1.6
        for part in range(1, 6)
        if hertz * part < 3400
    ]
    attack = np.minimum(1, time / 0.008)
    fade = np.minimum(1, (seconds - time) / 0.05)
    return np.asarray(sum(tones) * attack * fade * gain, dtype=np.float64)


def _add(out: Wave, start: int, note: Wave) -> None:
    out[np.arange(start, start + len(note)) % len(out)] += note
