"""The menu as data, as frozen objects; flow_reader.load reads it from a TOML file like flows/service.toml.

Every menu has three keys by itself: 0 an agent, 9 back, * once more. All mistakes of a file are told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from media.ivr.api import CLOSED, EMERGENCY, FULL, WAITED

AGENT, BACK, REPEAT = "0", "9", "*"
ITEM_KEYS = "12345678#"
KEYS = AGENT + BACK + REPEAT + ITEM_KEYS
WRONG, NOTHING, GOODBYE = "wrong_key", "no_input", "goodbye"
# Announcements that the menu and the call logic speak by themselves.
NEEDED = (WRONG, NOTHING, GOODBYE, "transfer", "busy", "closed", "position", "position_first", "position_many")
CALLBACK = ("callback_offer", "callback_noted")  # where the flow has a key for callbacks


class FlowError(ValueError):
    """The file cannot be used; `problems` has one line for each mistake."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said, and in which language's voice."""

    text: str
    voice: str


@dataclass(frozen=True, slots=True)
class ToMenu:
    """Go on at a menu; `language`: in that language from now on."""

    menu: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Ask for an agent. -1: the queue's own priority."""

    queue: str
    priority: int = -1


@dataclass(frozen=True, slots=True)
class Say:
    """Announcements, then back to the menu or (end) goodbye."""

    prompts: tuple[str, ...]
    end: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """Goodbye."""


Action = ToMenu | ToQueue | Say | Leave


@dataclass(frozen=True, slots=True)
class Item:
    """What a key of a menu does."""

    key: str
    id: str  # what reports count
    action: Action


@dataclass(frozen=True, slots=True)
class Menu:
    """One level."""

    name: str
    prompts: tuple[str, ...]  # the first time
    again: tuple[str, ...]  # after an announcement, a wrong key, silence, `*`
    items: Mapping[str, Item]  # by key
    agent: str  # queue of key 0
    wait_ms: int  # for a key after the prompts
    tries: int  # so often wrong or silent, then `then`
    then: Action


def turned_away() -> Mapping[str, Say]:
    """What callers hear whom a queue does not take, where the flow says nothing about it."""
    closed, busy = Say(("closed",), end=True), Say(("busy",), end=True)
    return {CLOSED: closed, EMERGENCY: closed, FULL: busy, WAITED: busy}


@dataclass(frozen=True, slots=True)
class Flow:
    """A whole menu."""

    version: str
    start: str
    languages: tuple[str, ...]  # the first one is the default
    menus: Mapping[str, Menu]
    prompts: Mapping[str, Mapping[str, Spoken]]  # name -> language
    turned_away: Mapping[str, Say] = field(default_factory=turned_away)  # by api.WHY
    callback_key: str = ""  # pressed by who waits and wants to be called back; "": the flow has no callbacks
    max_steps: int = 100  # key presses and time-outs of one walk: nobody stays in the menu for ever
