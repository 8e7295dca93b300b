"""Files of a phone: a wav to be said as A-law, what was heard as a wav. G.711 itself is ops/audio.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from media.phone.listener import Listener
from ops import audio


class BadSound(ValueError):
    """A sound file cannot be used; the text says which, why and what to do."""


def load(path: Path) -> bytes:
    """The A-law bytes of an 8 kHz mono 16-bit wav, ready to be said. Raises BadSound."""
    try:
        samples, rate = audio.read_wav(path)
    except FileNotFoundError as error:
        raise BadSound(f"{path} is not there") from error
    except (OSError, audio.BadAudio) as error:
        raise BadSound(f"{path} cannot be read: {error}") from error
    if rate != audio.RATE or samples.ndim != 1:
        raise BadSound(f"{path} is not 8 kHz mono; make it so: sox {path.name} -r 8000 -c 1 -b 16 phone-{path.name}")
    if not len(samples):
        raise BadSound(f"{path} has no sound in it")
    return audio.encode_alaw(samples)


def heard(listener: Listener, last: int | None = None) -> audio.Samples:
    """All that was heard, every track at its place on the time line of the call; only the `last` samples if told."""
    end = listener.length
    start = max(0, end - last) if last is not None else 0
    mixed = np.zeros(end - start, np.int32)
    for track in listener.tracks:
        cut = max(0, start - track.start)
        samples = audio.decode_alaw(bytes(track.data[cut:]))
        if len(samples):
            at = track.start + cut - start
            mixed[at : at + len(samples)] += samples
    # Silence is +8 in A-law; tracks that overlap at full scale are clipped, as an ear would.
    return np.clip(mixed, -32768, 32767).astype(np.int16)


def save(listener: Listener, path: Path) -> None:
    """Write what was heard. Raises BadSound."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        audio.write_wav(path, heard(listener))
    except OSError as error:
        raise BadSound(f"{path} cannot be written: {error.strerror}") from error
