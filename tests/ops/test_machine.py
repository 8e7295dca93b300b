"""The life of a child in virtual time."""

from __future__ import annotations

import itertools

import pytest

from ops.supervise.machine import TABLE, Action, BadEvent, Child, Event, Policy, State, backoff_ms, due, step

POLICY = Policy(start_ms=1000, sick_ms=500, first_backoff_ms=100, max_backoff_ms=800, calm_ms=5000, stop_ms=300, kill_ms=50)


def walk(*moves: tuple[int, Event]) -> tuple[Child, list[Action]]:
    """A child taken through (time, event); all it asked for."""
    child = Child("x", POLICY)
    asked: list[Action] = []
    for now, event in moves:
        child, actions = step(child, event, now)
        asked += actions
    return child, asked


def test_from_waiting_to_up_and_health_puts_the_deadline_off() -> None:
    """A healthy child stays up, its deadline always one sick_ms after the last answer."""
    child, asked = walk((0, Event.READY), (40, Event.HEALTHY), (400, Event.HEALTHY))
    assert (child.state, child.due_ms, child.since_ms, asked) == (State.UP, 900, 40, [Action.SPAWN])
    assert not due(child, 899) and due(child, 900)


def test_silence_is_killed_and_comes_again() -> None:
    """No answer for sick_ms: killed, its leavings cleaned, started again after the back-off."""
    child, asked = walk((0, Event.READY), (1, Event.HEALTHY), (501, Event.DUE), (510, Event.EXITED), (610, Event.DUE))
    assert (child.state, child.restarts, asked) == (State.STARTING, 1, [Action.SPAWN, Action.KILL, Action.CLEAN, Action.SPAWN])


def test_a_slow_start_is_killed() -> None:
    """A child that never gets healthy is killed at start_ms, again every kill_ms until it is gone."""
    child, asked = walk((0, Event.READY), (1000, Event.DUE), (1050, Event.DUE))
    assert (child.state, child.due_ms, asked) == (State.CONDEMNED, 1100, [Action.SPAWN, Action.KILL, Action.KILL])


def test_back_off_doubles_to_its_limit_and_calm_forgives() -> None:
    """Deaths in a row wait 100, 200, 400, 800, 800 ms; after calm_ms of being up the next death counts as the first."""
    child, now, waits = Child("x", POLICY), 0, []
    child, _ = step(child, Event.READY, now)
    for _ in range(5):
        child, _ = step(child, Event.EXITED, now)
        waits.append(child.due_ms - now)
        now = child.due_ms
        child, _ = step(child, Event.DUE, now)
    assert waits == [100, 200, 400, 800, 800]
    child, _ = step(child, Event.HEALTHY, now)
    child, _ = step(child, Event.EXITED, now + 5000)
    assert (child.deaths, backoff_ms(child), child.restarts) == (1, 100, 6)


def test_a_stop_is_asked_first_and_forced_later() -> None:
    """SIGTERM, then SIGKILL at stop_ms; leavings are cleaned when it is gone."""
    child, asked = walk((0, Event.READY), (1, Event.HEALTHY), (10, Event.STOP), (310, Event.DUE), (320, Event.EXITED))
    assert (child.state, child.due_ms) == (State.STOPPED, 0)
    assert asked == [Action.SPAWN, Action.TERMINATE, Action.KILL, Action.CLEAN]


def test_a_second_stop_hurries() -> None:
    """Asked again while it drains: a second SIGTERM, and SIGKILL after kill_ms instead of stop_ms."""
    child, asked = walk((0, Event.READY), (1, Event.HEALTHY), (10, Event.STOP), (20, Event.STOP))
    assert (child.due_ms, asked[-1]) == (70, Action.TERMINATE)


@pytest.mark.parametrize("state", list(State))
def test_a_stop_leads_to_stopped_from_everywhere(state: State) -> None:
    """Whatever state a child is in, a stop and at most one exit end it, and nothing starts it again."""
    child, actions = step(Child("x", POLICY, state), Event.STOP, 5)
    if child.state is State.STOPPING:
        child, more = step(child, Event.EXITED, 6)
        actions += more
    assert child.state is State.STOPPED and Action.SPAWN not in actions


def test_what_is_not_in_the_table_is_an_error_with_names() -> None:
    """An exit of a child that was never started is a mistake of the supervisor, told with child, event and state."""
    with pytest.raises(BadEvent, match="x: exited in waiting"):
        step(Child("x", POLICY), Event.EXITED, 0)


def test_states_with_a_process_know_its_exit_and_the_others_their_deadline() -> None:
    """The table is whole: every state with a process takes EXITED, STOP and HEALTHY; every state with a deadline takes DUE."""
    running = (State.STARTING, State.UP, State.CONDEMNED, State.STOPPING)
    for state, event in itertools.product(running, (Event.EXITED, Event.STOP, Event.HEALTHY, Event.DUE)):
        assert (state, event) in TABLE
    assert (State.BACKOFF, Event.DUE) in TABLE
