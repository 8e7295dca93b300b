"""Sounds are compared by shape, whatever their loudness, and files that are no audio of ours are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops import audio
from ops.audio import BadAudio, Samples, correlation


def noise(seed: int, count: int = 800) -> Samples:
    made: Samples = (np.random.default_rng(seed).standard_normal(count) * 5000).astype(np.int16)
    return made


def test_the_same_sound_is_found_where_it_begins() -> None:
    """A sound is found in a longer one at its place, softer too, and as its own opposite it is not alike."""
    sound = noise(1)
    longer = np.concatenate([np.zeros(123, np.int16), sound // 4, np.zeros(50, np.int16)])
    peak, lag = correlation(sound, longer)
    assert peak > 0.99 and lag == 123
    assert correlation(sound[200:], sound)[1] == 200
    assert abs(correlation(sound, noise(2))[0]) < 0.3


def test_a_sound_that_began_earlier_is_found_before() -> None:
    """What is heard only from its middle on has a negative lag."""
    peak, lag = correlation(noise(1), noise(1)[300:])
    assert peak > 0.99 and lag == -300


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 1), (1, 0)])
def test_silence_is_like_nothing(one: int, other: int) -> None:
    """Silence on one side or on both has nothing in common with anything, and divides by nothing."""
    assert correlation(noise(1) * np.int16(one), noise(1) * np.int16(other)) == (0.0, 0)


@pytest.mark.parametrize("data", [b"", b".snd", b"RIFF" + bytes(40), b".snd" + bytes(40)])
def test_what_is_no_audio_is_told_with_its_path(tmp_path: Path, data: bytes) -> None:
    """A file that is too short, of another kind, or of another rate names itself."""
    path = tmp_path / "x.au"
    path.write_bytes(data)
    with pytest.raises(BadAudio, match=r"x\.au"):
        audio.read_au(path)
