"""What the call logic sees of the menu. `media/ivr/runner.py`: `Runner(flow, language).handle(event, now_ms) -> list[Command]`.

The runner knows no socket and no clock. It is fed Start once, then events; it answers with commands, to be carried out in
order. It ends with exactly one of EnterQueue, Goodbye. After EnterQueue it may be started again at a menu (`back` from a queue),
or be told that the queue turned the caller away.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOSED, EMERGENCY, FULL, WAITED = WHY = ("closed", "emergency", "full", "waited")  # why a queue turns a caller away


# ---- events -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Start:
    """Walk from the first menu, or from `menu` (back from the queue)."""

    menu: str = ""


@dataclass(frozen=True, slots=True)
class Digit:
    """A key press."""

    digit: str


@dataclass(frozen=True, slots=True)
class Played:
    """The prompts of the last Play are over."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The timer of the last Wait ran out."""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """After EnterQueue: the queue does not take the caller. `why`: one of WHY."""

    why: str


Event = Start | Digit | Played | TimedOut | TurnedAway


# ---- commands ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Play:
    """Play these published prompts in order (names of Flow.prompts), then send Played. Stops what plays."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopPlay:
    """The caller pressed a key: silence."""


@dataclass(frozen=True, slots=True)
class Wait:
    """(Re)arm the one timer of the runner: TimedOut after so long; 0 disarms it."""

    ms: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A fact: the caller chose this item."""

    menu: str
    item: str
    language: str


@dataclass(frozen=True, slots=True)
class BadInput:
    """A fact: wrong or missing input. Never the digits."""

    menu: str
    what: str  # "wrong", "none"
    tries: int


@dataclass(frozen=True, slots=True)
class EnterQueue:
    """The caller wants an agent. -1: the queue's own priority."""

    queue: str
    priority: int = -1


@dataclass(frozen=True, slots=True)
class Goodbye:
    """End the call: `no_input` when the tries are used up, else the menu's end."""

    no_input: bool = False


Command = Play | StopPlay | Wait | Chosen | BadInput | EnterQueue | Goodbye
