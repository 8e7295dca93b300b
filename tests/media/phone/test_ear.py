"""Telling a person from prompts and music."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from media.phone.ear import Ear, Published
from media.phone.packet import FRAME, SILENCE
from ops.audio import BadAudio

PROMPT = random.Random(1).randbytes(8000)
MUSIC = random.Random(2).randbytes(8123)
PERSON = random.Random(3).randbytes(8000)
QUIET = bytes([SILENCE]) * FRAME


def listen(ear: Ear, audio: bytes, start: float = 0.0) -> float | None:
    for at in range(0, len(audio) - FRAME, FRAME):
        ear.take(audio[at : at + FRAME], start + at / 8000)
    return ear.heard_at


def test_prompts_and_music_are_nobody() -> None:
    """Published audio from any point on, music round its end included, is not taken for a person."""
    ear = Ear(Published([PROMPT, MUSIC]))
    assert listen(ear, PROMPT[77:] + (MUSIC * 3)[1234:]) is None


def test_a_person_is_heard_at_the_first_word() -> None:
    """After prompts and silence, the time a person began is told, not the time it was certain."""
    ear = Ear(Published([PROMPT, MUSIC]))
    assert listen(ear, PROMPT) is None
    assert listen(ear, QUIET * 50, 1.0) is None
    assert listen(ear, PERSON, 2.0) == 2.0


def test_a_click_is_nobody() -> None:
    """A few odd packets between music (a late one, a cut) are not a person."""
    ear = Ear(Published([MUSIC]))
    for _ in range(20):
        listen(ear, PERSON[: FRAME * 6])
        listen(ear, MUSIC[: FRAME * 10])
    assert ear.heard_at is None


def test_nothing_published_means_any_voice_counts() -> None:
    """Without published audio every loud sound is a person."""
    assert listen(Ear(Published()), PERSON, 5.0) == 5.0


def au(body: bytes, encoding: int = 27, rate: int = 8000) -> bytes:
    words = [28, len(body), encoding, rate, 1]
    return b".snd" + b"".join(word.to_bytes(4, "big") for word in words) + b"note" + body


def test_published_folder_is_read(tmp_path: Path) -> None:
    """All .au files below the folder count, with headers of any length."""
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "hello.au").write_bytes(au(PROMPT))
    (tmp_path / "music.au").write_bytes(au(MUSIC))
    ear = Ear(Published.folder(tmp_path))
    assert listen(ear, PROMPT + MUSIC) is None
    assert listen(ear, PERSON) is not None


@pytest.mark.parametrize("data", [b"", b"RIFF" + bytes(40), au(b"x", encoding=1), au(b"x", rate=16000)])
def test_other_files_are_refused_by_name(tmp_path: Path, data: bytes) -> None:
    """A file that is no A-law .au is an error with its name."""
    (tmp_path / "odd.au").write_bytes(data)
    with pytest.raises(BadAudio, match=r"odd\.au"):
        Published.folder(tmp_path)
