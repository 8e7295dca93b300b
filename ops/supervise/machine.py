"""The life of one child process as a table.

          READY                HEALTHY
WAITING --------> STARTING -------------> UP <--.
                   |  ^  \\                |  `--' HEALTHY (puts off the sickness deadline)
            EXITED |  |   `-DUE (kill)    | DUE: no health for too long -> CONDEMNED (killed, EXITED -> BACKOFF)
                   v  | DUE               | EXITED
                  BACKOFF <---------------'
STOP leads from everywhere to STOPPING (asked; killed when DUE) and STOPPED.

No I/O here: `step` takes the time and returns the new child and what to do. A pair that is not in the table is a BadEvent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum


class State(Enum):
    """Where a child stands."""

    WAITING = "waiting"  # for what it needs
    STARTING = "starting"  # runs, not healthy yet
    UP = "healthy"
    CONDEMNED = "condemned"  # killed because it did not answer for too long
    BACKOFF = "backoff"  # dead, waits for its next try
    STOPPING = "stopping"
    STOPPED = "stopped"


class Event(Enum):
    """What happens to a child."""

    READY = "ready"  # all it needs is up
    HEALTHY = "healthy"  # a health check was answered
    EXITED = "exited"  # the process is gone, or could not be started
    DUE = "due"  # its deadline has come
    STOP = "stop"  # asked by people


class Action(Enum):
    """What the shell does."""

    SPAWN = "spawn"
    TERMINATE = "terminate"  # SIGTERM to the main process
    KILL = "kill"  # SIGKILL to the whole session
    CLEAN = "clean"  # the same for what the dead main process left


class Arm(Enum):
    """Which deadline the new state gets."""

    NONE = "none"
    KEEP = "keep"
    START = "start"
    SICK = "sick"
    BACKOFF = "backoff"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Policy:
    """Times of one kind of child, ms."""

    start_ms: int = 30_000  # from spawn to the first health
    sick_ms: int = 20_000  # without an answer so long it is killed
    first_backoff_ms: int = 250
    max_backoff_ms: int = 10_000
    calm_ms: int = 30_000  # up so long, the next death counts as the first
    stop_ms: int = 10_000  # after SIGTERM
    kill_ms: int = 5_000  # after SIGKILL, before killing again


@dataclass(frozen=True, slots=True)
class Child:
    """One child. Times are monotonic ms; 0 is none."""

    name: str
    policy: Policy = field(default_factory=Policy)
    state: State = State.WAITING
    since_ms: int = 0  # in this state
    due_ms: int = 0
    deaths: int = 0  # in a row
    restarts: int = 0  # ever


@dataclass(frozen=True, slots=True)
class Move:
    """A row of the table."""

    to: State
    actions: tuple[Action, ...] = ()
    arm: Arm = Arm.NONE


class BadEvent(Exception):
    """This event cannot come in this state: a mistake of ours."""


_DEATH = Move(State.BACKOFF, (Action.CLEAN,), Arm.BACKOFF)
_ASKED = Move(State.STOPPING, (Action.TERMINATE,), Arm.STOP)
_S, _E = State, Event

TABLE: dict[tuple[State, Event], Move] = {
    (_S.WAITING, _E.READY): Move(_S.STARTING, (Action.SPAWN,), Arm.START),
    (_S.WAITING, _E.STOP): Move(_S.STOPPED),
    (_S.STARTING, _E.HEALTHY): Move(_S.UP, (), Arm.SICK),
    (_S.STARTING, _E.EXITED): _DEATH,
    (_S.STARTING, _E.DUE): Move(_S.CONDEMNED, (Action.KILL,), Arm.KILL),
    (_S.STARTING, _E.STOP): _ASKED,
    (_S.UP, _E.HEALTHY): Move(_S.UP, (), Arm.SICK),
    (_S.UP, _E.EXITED): _DEATH,
    (_S.UP, _E.DUE): Move(_S.CONDEMNED, (Action.KILL,), Arm.KILL),
    (_S.UP, _E.STOP): _ASKED,
    (_S.CONDEMNED, _E.HEALTHY): Move(_S.CONDEMNED, (), Arm.KEEP),  # the answer was under way
    (_S.CONDEMNED, _E.EXITED): _DEATH,
    (_S.CONDEMNED, _E.DUE): Move(_S.CONDEMNED, (Action.KILL,), Arm.KILL),
    (_S.CONDEMNED, _E.STOP): Move(_S.STOPPING, (Action.KILL,), Arm.KILL),
    (_S.BACKOFF, _E.HEALTHY): Move(_S.BACKOFF, (), Arm.KEEP),
    (_S.BACKOFF, _E.DUE): Move(_S.STARTING, (Action.SPAWN,), Arm.START),
    (_S.BACKOFF, _E.STOP): Move(_S.STOPPED),
    (_S.STOPPING, _E.HEALTHY): Move(_S.STOPPING, (), Arm.KEEP),
    (_S.STOPPING, _E.EXITED): Move(_S.STOPPED, (Action.CLEAN,)),
    (_S.STOPPING, _E.DUE): Move(_S.STOPPING, (Action.KILL,), Arm.KILL),
    (_S.STOPPING, _E.STOP): Move(_S.STOPPING, (Action.TERMINATE,), Arm.KILL),  # hurry: the second SIGTERM ends a drain
    (_S.STOPPED, _E.STOP): Move(_S.STOPPED),
    (_S.STOPPED, _E.HEALTHY): Move(_S.STOPPED),
}


def step(child: Child, event: Event, now: int) -> tuple[Child, tuple[Action, ...]]:
    """The child after `event` at `now` (monotonic ms) and what to do, in order. Raises BadEvent."""
    move = TABLE.get((child.state, event))
    if move is None:
        raise BadEvent(f"{child.name}: {event.value} in {child.state.value}")
    died = move is _DEATH
    deaths = 0 if died and child.state is State.UP and now - child.since_ms >= child.policy.calm_ms else child.deaths
    after = replace(
        child,
        state=move.to,
        since_ms=child.since_ms if move.to is child.state else now,
        deaths=deaths + died,
        restarts=child.restarts + died,
    )
    return replace(after, due_ms=_due(after, move.arm, now)), move.actions


def due(child: Child, now: int) -> bool:
    """Whether its deadline has come."""
    return 0 < child.due_ms <= now


def backoff_ms(child: Child) -> int:
    """How long a child that died waits: doubled with each death in a row."""
    return min(child.policy.first_backoff_ms << min(child.deaths - 1, 20), child.policy.max_backoff_ms)


def _due(child: Child, arm: Arm, now: int) -> int:
    policy = child.policy
    if arm is Arm.KEEP:
        return child.due_ms
    if arm is Arm.BACKOFF:
        return now + backoff_ms(child)
    spans = {Arm.NONE: 0, Arm.START: policy.start_ms, Arm.SICK: policy.sick_ms, Arm.STOP: policy.stop_ms, Arm.KILL: policy.kill_ms}
    return now + spans[arm] if spans[arm] else 0
