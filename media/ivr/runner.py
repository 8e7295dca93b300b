"""Walks a caller through a menu: events in, commands out (ivr/api.py). Knows no socket, no clock, no file.

    idle     nothing started yet
    telling  the menu's prompts play; keys count already
    waiting  for a key, the timer runs
    saying   an announcement plays; a key counts for the menu it came from
    parting  the goodbye plays
    done     EnterQueue or Goodbye was given; Start begins anew, TurnedAway says what the flow has for it

What is not in TABLE is OutOfTurn. A walk ends: each key and each time-out is a step, and after `Flow.max_steps` of them it is
goodbye; silence ends by the menus' tries (flow_checks sees to it that they do not go round).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from media.ivr.api import (
    BadInput,
    Chosen,
    Command,
    Digit,
    EnterQueue,
    Event,
    Goodbye,
    Play,
    Played,
    Start,
    StopPlay,
    TimedOut,
    TurnedAway,
    Wait,
)
from media.ivr.flow import AGENT, BACK, GOODBYE, NOTHING, REPEAT, WRONG, Action, Flow, Menu, Say, ToMenu, ToQueue


class State(Enum):
    """Where the walk is."""

    IDLE = "idle"
    TELLING = "telling"
    WAITING = "waiting"
    SAYING = "saying"
    PARTING = "parting"
    DONE = "done"


class OutOfTurn(Exception):
    """An event that the state does not take; nothing has changed."""


class Runner:
    """One caller's walk. `language`: what the prompts of the commands given last are to be spoken in."""

    def __init__(self, flow: Flow, language: str = "") -> None:
        self.flow = flow
        self.language = language if language in flow.languages else flow.languages[0]
        self.state = State.IDLE
        self._path: list[str] = []  # menus from the first one; the last is where the caller is
        self._tries = 0
        self._steps = 0
        self._end_after_say = False
        self._no_input = False

    @property
    def menu(self) -> str:
        """The menu the caller is at: where to Start again after the queue. "" before the first Start."""
        return self._path[-1] if self._path else ""

    @property
    def callback_key(self) -> str:
        """The key of a waiting caller who wants to be called back; "" the flow has none."""
        return self.flow.callback_key

    def handle(self, event: Event, now_ms: int) -> list[Command]:
        """What is to be done now, in order. Raises OutOfTurn."""
        step = TABLE.get((self.state, type(event)))
        if step is None:
            raise OutOfTurn(f"{self.state.value} does not take {type(event).__name__}")
        return step(self, event)

    # ---- steps of the table -----------------------------------------------------------------------------------
    def _start(self, event: Event) -> list[Command]:
        menu = event.menu if isinstance(event, Start) else ""
        if menu in self.flow.menus and menu not in self._path:
            self._path = [self.flow.start, menu] if menu != self.flow.start else [menu]
        elif menu in self._path:
            del self._path[self._path.index(menu) + 1 :]
        else:
            self._path = [self.flow.start]
        self._tries = self._steps = 0
        return self._tell(self._here.again if menu else self._here.prompts)

    def _turned_away(self, event: Event) -> list[Command]:
        """Said, then as the flow wants it: goodbye, or the menu that the caller chose the queue in."""
        self._tries = 0
        return self._act(self.flow.turned_away[event.why if isinstance(event, TurnedAway) else ""])

    def _told(self, _: Event) -> list[Command]:
        self.state = State.WAITING
        return [Wait(self._here.wait_ms)]

    def _said(self, _: Event) -> list[Command]:
        return self._part(no_input=False) if self._end_after_say else self._tell(self._here.again)

    def _parted(self, _: Event) -> list[Command]:
        self.state = State.DONE
        return [Goodbye(self._no_input)]

    def _silent(self, _: Event) -> list[Command]:
        return self._steps_used() or self._bad("none", NOTHING)

    def _pressed(self, event: Event) -> list[Command]:
        """A key: leave the waiting or the prompt, then what the key does."""
        before: list[Command] = [Wait(0)] if self.state is State.WAITING else []
        self._end_after_say = False
        key = event.digit if isinstance(event, Digit) else ""
        after = self._steps_used() or self._key(key)
        if self.state is State.DONE and not before:
            before = [StopPlay()]
        return [*before, *after]

    def _ignored(self, _: Event) -> list[Command]:
        """It crossed what we did last: a timer that was running, a prompt that ended, a key during goodbye."""
        return []

    # ---- what they do -----------------------------------------------------------------------------------------
    @property
    def _here(self) -> Menu:
        return self.flow.menus[self._path[-1]]

    def _key(self, key: str) -> list[Command]:
        here = self._here
        if key == AGENT:
            return [self._chosen("agent"), *self._act(ToQueue(here.agent))]
        if key == BACK:
            return [self._chosen("back"), *self._back()]
        if key == REPEAT:
            return self._tell(here.again)
        item = here.items.get(key)
        if item is None:
            return self._bad("wrong", WRONG)
        return [self._chosen(item.id), *self._act(item.action)]

    def _chosen(self, item: str) -> Chosen:
        self._tries = 0
        return Chosen(self._here.name, item, self.language)

    def _act(self, action: Action, no_input: bool = False) -> list[Command]:
        if isinstance(action, ToMenu):
            self.language = action.language or self.language
            return self._enter(action.menu)
        if isinstance(action, ToQueue):
            self.state = State.DONE
            return [EnterQueue(action.queue or self._here.agent, action.priority)]
        if isinstance(action, Say):
            self.state, self._end_after_say = State.SAYING, action.end
            return [Play(action.prompts)]
        return self._part(no_input)

    def _enter(self, menu: str) -> list[Command]:
        """A menu that is on the way already is gone back to, so that `9` never goes round."""
        self._tries = 0
        if menu in self._path:
            del self._path[self._path.index(menu) + 1 :]
            return self._tell(self._here.again)
        self._path.append(menu)
        return self._tell(self._here.prompts)

    def _back(self) -> list[Command]:
        return self._enter(self._path[-2] if len(self._path) > 1 else self._path[0])

    def _tell(self, prompts: tuple[str, ...]) -> list[Command]:
        self.state = State.TELLING
        return [Play(prompts)]

    def _bad(self, what: str, prompt: str) -> list[Command]:
        self._tries += 1
        fact = BadInput(self._here.name, what, self._tries)
        if self._tries < self._here.tries:
            return [fact, *self._tell((prompt, *self._here.again))]
        return [fact, *self._act(self._here.then, no_input=True)]

    def _part(self, no_input: bool) -> list[Command]:
        self.state, self._no_input = State.PARTING, no_input
        return [Play((GOODBYE,))]

    def _steps_used(self) -> list[Command]:
        """Goodbye when the caller has been in the menu for too many steps."""
        self._steps += 1
        return [] if self._steps <= self.flow.max_steps else self._part(no_input=True)


Step: TypeAlias = Callable[[Runner, Event], list[Command]]
TABLE: Mapping[tuple[State, type], Step] = MappingProxyType(
    {
        (State.IDLE, Start): Runner._start,
        (State.TELLING, Digit): Runner._pressed,
        (State.TELLING, Played): Runner._told,
        (State.TELLING, TimedOut): Runner._ignored,
        (State.WAITING, Digit): Runner._pressed,
        (State.WAITING, Played): Runner._ignored,
        (State.WAITING, TimedOut): Runner._silent,
        (State.SAYING, Digit): Runner._pressed,
        (State.SAYING, Played): Runner._said,
        (State.SAYING, TimedOut): Runner._ignored,
        (State.PARTING, Digit): Runner._ignored,
        (State.PARTING, Played): Runner._parted,
        (State.PARTING, TimedOut): Runner._ignored,
        (State.DONE, Start): Runner._start,
        (State.DONE, TurnedAway): Runner._turned_away,
        (State.DONE, Digit): Runner._ignored,
        (State.DONE, Played): Runner._ignored,
        (State.DONE, TimedOut): Runner._ignored,
    }
)
