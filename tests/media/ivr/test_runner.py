"""The walk through a menu: what is spoken, asked and given at the end, key by key."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from media.ivr.flow import KEYS
from media.ivr.flow_reader import load
from media.ivr.runner import TABLE, OutOfTurn, Runner, State

FLOW = load(Path(__file__).parents[3] / "flows" / "service.toml")


def walk(*events: Event, language: str = "") -> tuple[Runner, list[Command]]:
    """A fresh walk through the events; the runner and the commands of the last one."""
    runner, commands = Runner(FLOW, language), list[Command]()
    for event in (Start(), *events):
        commands = runner.handle(event, 0)
    return runner, commands


def keys(text: str) -> list[Event]:
    return [Digit(key) for key in text]


def test_the_greeting_then_a_wait_then_once_more() -> None:
    """Start speaks the menu, its end arms the timer, silence says so and speaks the menu without the welcome."""
    assert walk()[1] == [Play(("welcome", "main", "other_language"))]
    assert walk(Played())[1] == [Wait(6000)]
    assert walk(Played(), TimedOut())[1] == [BadInput("main", "none", 1), Play(("no_input", "main", "other_language"))]


def test_a_choice_in_time() -> None:
    """A key after the prompts disarms the timer, is a fact, and leads on."""
    assert walk(Played(), Digit("2"))[1] == [Wait(0), Chosen("main", "bill", "zh"), Play(("bill",))]


def test_type_ahead_into_the_depth() -> None:
    """Two keys during the welcome reach an item of the second level at once."""
    runner, commands = walk(*keys("31"))
    assert commands == [StopPlay(), Chosen("complaint", "fault", "zh"), EnterQueue("faults")]
    assert runner.state is State.DONE
    assert walk(*keys("24"))[1][-1] == EnterQueue("billing", 20)


@pytest.mark.parametrize(
    ("way", "queue"), [("", "billing"), ("1", "billing"), ("2", "billing"), ("3", "complaints"), ("4", "billing"), ("8", "billing")]
)
def test_zero_is_an_agent_everywhere(way: str, queue: str) -> None:
    """Key 0 asks for an agent on every level, with the queue of the level."""
    assert walk(*keys(way + "0"))[1][-2:] == [
        Chosen({"": "main", "1": "enquiry", "2": "bill", "3": "complaint", "4": "handling", "8": "language"}[way], "agent", "zh"),
        EnterQueue(queue),
    ]


def test_nine_goes_back_and_star_repeats() -> None:
    """Key 9 goes up one level, at the top it stays there; * speaks the level again."""
    assert walk(*keys("29"))[1][-1] == Play(("main", "other_language"))
    assert walk(*keys("9"))[1][-1] == Play(("main", "other_language"))
    assert walk(*keys("2*"))[1] == [Play(("bill",))]


def test_the_language_changes_for_what_follows() -> None:
    """Language chosen in the call: the item leads back to the first menu, and prompts are English from then on."""
    runner, commands = walk(*keys("82"))
    assert commands == [Chosen("language", "english", "zh"), Play(("main", "other_language"))]
    assert runner.language == "en"
    assert Runner(FLOW, "en").language == "en"
    assert Runner(FLOW, "fr").language == "zh"


def test_an_announcement_then_the_menu_again_or_goodbye() -> None:
    """`say` plays and comes back to its menu; with `end` it is goodbye; a key during it counts for the menu."""
    assert walk(*keys("11"))[1] == [Chosen("enquiry", "tariffs", "zh"), Play(("tariffs",))]
    assert walk(*keys("11"), Played())[1] == [Play(("enquiry",))]
    assert walk(*keys("11"), Digit("2"))[1] == [Chosen("enquiry", "hours", "zh"), Play(("hours",))]
    runner, commands = walk(*keys("33"), Played())
    assert (runner.state, commands) == (State.PARTING, [Play(("goodbye",))])
    assert runner.handle(Digit("1"), 0) == []
    assert runner.handle(Played(), 0) == [Goodbye(no_input=False)]
    assert walk(*keys("339"))[1][-1] == Play(("main", "other_language")), "back, not goodbye"


def test_three_tries_then_what_the_menu_says() -> None:
    """Wrong keys and silence count together; the third is goodbye or an agent; a good choice starts the count anew."""
    wrong: list[Event] = [Digit("7"), Played(), TimedOut(), Digit("7")]
    assert walk(*wrong)[1] == [StopPlay(), BadInput("main", "wrong", 3), EnterQueue("billing")]
    runner, commands = walk(Digit("1"), *wrong)
    assert commands == [BadInput("enquiry", "wrong", 3), Play(("goodbye",))]
    assert runner.handle(Played(), 0) == [Goodbye(no_input=True)]
    assert walk(Digit("7"), Digit("7"), Digit("2"), Digit("7"))[1][0] == BadInput("bill", "wrong", 1)


def test_silence_in_the_language_menu_goes_on_in_the_default() -> None:
    """A menu may lead on after the tries: no choice of language is a choice too."""
    silence: list[Event] = [Played(), TimedOut()]
    runner, commands = walk(Digit("8"), *silence * 3)
    assert commands[-1] == Play(("main", "other_language"))
    assert (runner.menu, runner.language) == ("main", "zh")


def test_back_from_the_queue() -> None:
    """After EnterQueue the walk starts again at the menu the caller came from, and back leads up from there."""
    runner, _ = walk(*keys("31"))
    assert runner.handle(Start(runner.menu), 0) == [Play(("complaint",))]
    assert runner.handle(Digit("9"), 0)[-1] == Play(("main", "other_language"))
    fresh = Runner(FLOW)
    assert fresh.handle(Start("bill"), 0) == [Play(("bill",))]
    assert fresh.handle(Digit("9"), 0)[-1] == Play(("main", "other_language"))


def test_a_caller_back_from_the_queue_has_all_steps_again() -> None:
    """However many keys were pressed before the queue: the menu after it takes as many as that of a new call, and no more."""
    runner = Runner(replace(FLOW, max_steps=4))
    for event in (Start(), *keys("***0")):
        runner.handle(event, 0)
    assert runner.state.value == "done", "in the queue with all steps used"
    runner.handle(Start(runner.menu), 0)
    for key in keys("****"):
        runner.handle(key, 0)
        assert runner.state.value == "telling"
    runner.handle(Digit("*"), 0)
    assert runner.state.value == "parting"


def test_a_full_line_leads_back_to_the_menu() -> None:
    """What the flow has for a full line is said, then the menu that the caller chose the queue in goes on; 0 asks once more."""
    runner, _ = walk(*keys("31"))
    assert runner.handle(TurnedAway("full"), 0) == [Play(("line_full",))]
    assert runner.handle(Played(), 0) == [Play(("complaint",))]
    assert runner.handle(Digit("0"), 0)[-1] == EnterQueue("complaints")


def test_a_closed_queue_says_goodbye() -> None:
    """Outside of opening hours that is said, then goodbye; a key meanwhile still chooses."""
    runner, _ = walk(*keys("0"))
    assert runner.handle(TurnedAway("closed"), 0) == [Play(("closed",))]
    assert runner.handle(Played(), 0) == [Play(("goodbye",))]
    assert runner.handle(Played(), 0) == [Goodbye()]
    runner, _ = walk(*keys("0"))
    runner.handle(TurnedAway("emergency"), 0)
    assert runner.handle(Digit("2"), 0)[-1] == Play(("bill",))


def test_every_state_and_event_is_decided() -> None:
    """The table holds every pair but those that are out of turn, and those raise without changing anything."""
    out: set[tuple[State, type]] = {(State.IDLE, event) for event in (Digit, Played, TimedOut)} | {(State.PARTING, Start)}
    out |= {(state, Start) for state in (State.TELLING, State.WAITING, State.SAYING)}
    out |= {(state, TurnedAway) for state in State if state is not State.DONE}
    assert set(TABLE) | out == set(itertools.product(State, (Start, Digit, Played, TimedOut, TurnedAway)))
    assert not set(TABLE) & out
    runner = Runner(FLOW)
    with pytest.raises(OutOfTurn):
        runner.handle(Digit("1"), 0)
    assert runner.state is State.IDLE


events = st.sampled_from([Played(), TimedOut(), *(Digit(key) for key in KEYS + "AD"), Digit("")])


@settings(max_examples=300)
@given(st.lists(events, max_size=60))
def test_any_walk_ends(sequence: list[Event]) -> None:
    """Whatever is pressed, the runner stays in a known state, speaks only prompts that are there, and silence brings one end."""
    runner = Runner(FLOW)
    commands = runner.handle(Start(), 0)
    for event in sequence:
        commands += runner.handle(event, 0)
    for _ in range(40):
        event = TimedOut() if runner.state is State.WAITING else Played()
        commands += runner.handle(event, 0)
    assert runner.state is State.DONE
    ends = [one for one in commands if isinstance(one, EnterQueue | Goodbye)]
    assert len(ends) == 1 and commands[-1] == ends[0]
    assert all(prompt in FLOW.prompts for one in commands if isinstance(one, Play) for prompt in one.prompts)
    assert runner.menu in FLOW.menus and runner.language in FLOW.languages


@given(st.lists(st.sampled_from(["1", "9", "*", "2", "8"]), min_size=60, max_size=60))
def test_nobody_stays_for_ever(pressed: list[str]) -> None:
    """A caller (or a machine) that keeps pressing keys is led out after max_steps of them."""
    runner = Runner(replace(FLOW, max_steps=30))
    runner.handle(Start(), 0)
    for key in pressed:
        runner.handle(Digit(key), 0)
    runner.handle(Played(), 0)
    assert runner.state is State.DONE
