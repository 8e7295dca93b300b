"""What callers and agents say: each something of their own, spoken by espeak-ng, so that no channel can be taken for another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from ops import audio

LINES = (
    "您好,我家的宽带从昨晚就断了",
    "我想查一下上个月的话费账单",
    "请问怎么办理移机手续",
    "手机停机了,怎样恢复",
    "你们的装机师傅一直没有来",
    "我要投诉,收费不对",
    "家里的电视没有信号",
    "想换一个便宜的套餐",
)
GREETING = "您好,工号{seat},很高兴为您服务"
SECONDS = 4.0
EFFECTS = ["highpass", "200", "lowpass", "3400", "norm", "-6", "pad", "0", str(SECONDS), "trim", "0", str(SECONDS)]


class NoSound(Exception):
    """espeak-ng or sox is missing or failed; the text says which and why."""


def say(text: str, pitch: int, path: Path) -> None:
    """`path`: text spoken in Mandarin as 8 kHz mono WAV of SECONDS; `pitch` 0..99. Kept when it is there. Raises NoSound."""
    if not path.exists():
        raw = path.with_suffix(".22k")
        _run("espeak-ng", "-v", "cmn-latn-pinyin", "-s", "175", "-p", str(pitch), "-w", str(raw), text)
        half = path.with_suffix(".part.wav")
        _run("sox", "-R", "-t", "wav", str(raw), "-r", str(audio.RATE), "-c", "1", "-b", "16", str(half), *EFFECTS)
        raw.unlink()
        half.replace(path)


def _run(*words: str) -> None:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise NoSound(f"{words[0]} is not installed; run 'make setup'") from error
    if done.returncode:
        raise NoSound(f"{words[0]}: {done.stderr.strip()}")


def caller(folder: Path, calling: str) -> Path:
    """What the caller with this number says; no two end digits share line and voice."""
    own = int(calling[-2:])
    path = folder / f"caller-{calling}.wav"
    say(LINES[own % len(LINES)], 15 + own // len(LINES) * 14 % 80, path)
    return path


def agent(folder: Path, seat: str) -> Path:
    """What the agent at this seat says."""
    path = folder / f"seat-{seat}.wav"
    say(GREETING.format(seat=" ".join(seat)), int(seat) * 37 % 60 + 20, path)
    return path


def repeated(path: Path, seconds: float, target: Path) -> Path:
    """The same words over and over for so long, for a phone that plays a file only once."""
    samples, rate = audio.read_wav(path)
    audio.write_wav(target, np.tile(samples, int(seconds / SECONDS) + 1), rate)
    return target
