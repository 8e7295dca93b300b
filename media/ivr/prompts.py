"""Published prompts and menu, as `tierline publish` left them in STATE/prompts: index.json names every file.

    {"version": 1, "flow": "flow-<hash>.toml", "prompts": {name: {language: {"file": "<hash>.au", "ms": 1234}}}}

Sounds that are the same in every language (music, tones) stand under the language "".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.ivr.flow import Flow
from media.ivr.flow_reader import load

INDEX = "index.json"
VERSION = 1
MUSIC, RING_BACK = "hold_music", "ring_back"
LAST_POSITION = 99
LAST_MINUTE = 15


class NotPublished(Exception):
    """Nothing (usable) is published; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A published file and its length."""

    path: Path
    ms: int


@dataclass(frozen=True, slots=True)
class Prompts:
    """The sounds of one publishing."""

    sounds: Mapping[str, Mapping[str, Sound]]
    default: str  # language that is taken where another is missing

    def sound(self, name: str, language: str) -> Sound:
        """The prompt in a language, else in the default one. Raises KeyError for an unknown name."""
        texts = self.sounds[name]
        return texts.get(language) or texts.get("") or texts[self.default]

    def path(self, name: str, language: str) -> Path:
        """The file to be played."""
        return self.sound(name, language).path

    def ms(self, name: str, language: str) -> int:
        """How long it is."""
        return self.sound(name, language).ms


def position(place: int) -> str:
    """Name of the prompt that tells a caller the place in the line, 1 for the next one."""
    if place <= 1:
        return "position_first"
    return f"position_{place}" if place <= LAST_POSITION else "position_many"


def expected(minutes: int) -> str:
    """Name of the prompt that tells a caller the expected wait, 1 for up to a minute."""
    if minutes <= 1:
        return "expected_first"
    return f"expected_{minutes}" if minutes <= LAST_MINUTE else "expected_many"


@dataclass(frozen=True, slots=True)
class Published:
    """What callers hear: the menu and its prompts, switched over together."""

    flow: Flow
    prompts: Prompts


def read(folder: Path, queues: Collection[str] | None = None) -> Published:
    """What is published in a folder. Raises NotPublished, FlowError."""
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if index["version"] != VERSION:
            raise NotPublished(f"{folder / INDEX} is of another version: run 'tierline publish'")
        flow = load(folder / index["flow"], queues)
        sounds = {name: _sounds(folder, texts) for name, texts in index["prompts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not isinstance(error, OSError | KeyError | TypeError | AttributeError | json.JSONDecodeError | UnicodeDecodeError):
            raise  # FlowError tells by itself
        raise NotPublished(f"{folder} has no usable {INDEX} ({error!r}): run 'tierline publish'") from error
    return Published(flow, Prompts(sounds, flow.languages[0]))


def _sounds(folder: Path, texts: dict[str, dict[str, Any]]) -> dict[str, Sound]:
    return {language: Sound(folder / str(entry["file"]), int(entry["ms"])) for language, entry in texts.items()}
