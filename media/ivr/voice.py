"""Speech for prompts: espeak-ng says it, sox makes 8 kHz A-law of it, the kind of file that rtpengine plays evenly."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.audio import AU_HEADER, RATE

# Part of every file's name: a change here makes all prompts anew.
PIPELINE = "1"
# "cmn" reads the pinyin that it makes of characters as if it were English.
VOICES = {"zh": ("cmn-latn-pinyin", 165), "en": ("en-gb", 155)}  # voice, words a minute
# Into the telephone band, even loudness with room above, silence at both ends so that prompts in a row do not run together.
EFFECTS = ["highpass", "180", "lowpass", "3500", "norm", "-4", "pad", "0.05", "0.2"]
TIMEOUT_S = 30


class VoiceError(Exception):
    """espeak-ng or sox is missing or failed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What is to be said, in which language's voice."""

    text: str
    language: str

    @property
    def file(self) -> str:
        """The file's name: the same words always have the same."""
        voice = VOICES.get(self.language, (self.language, 160))
        key = f"{PIPELINE}\0{voice}\0{EFFECTS}\0{self.text}".encode()
        return f"{hashlib.sha256(key).hexdigest()[:24]}.au"


def speak(speech: Speech, folder: Path) -> None:
    """Make the file; it stands there whole or not at all. Raises VoiceError, OSError."""
    voice, speed = VOICES.get(speech.language, (speech.language, 160))
    said = _run(["espeak-ng", "-v", voice, "-s", str(speed), "--stdin", "--stdout"], speech.text.encode())
    half = folder / f".{speech.file}"
    target = ["-t", "au", "-r", str(RATE), "-c", "1", "-e", "a-law", str(half)]
    # -R: the same noise in the dither each time, so that the same words give the same file.
    _run(["sox", "-R", "-t", "wav", "--ignore-length", "-", *target, *EFFECTS], said)
    half.replace(folder / speech.file)


def length_ms(path: Path) -> int:
    """Length of a published .au file. Raises OSError, VoiceError."""
    with path.open("rb") as file:
        head = file.read(AU_HEADER.size)
        size = file.seek(0, 2)
    if len(head) < AU_HEADER.size or head[:4] != b".snd":
        raise VoiceError(f"{path} is no .au file; delete it and publish again")
    return (size - int.from_bytes(head[4:8], "big")) * 1000 // RATE


def _run(words: list[str], data: bytes) -> bytes:
    try:
        done = subprocess.run(words, input=data, capture_output=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise VoiceError(f"{words[0]} is not installed: run 'make setup'") from error
    except subprocess.TimeoutExpired as error:
        raise VoiceError(f"{words[0]} took longer than {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise VoiceError(f"{words[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}")
    return done.stdout
