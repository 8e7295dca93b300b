"""State machines as data: (state, event) -> (next state, actions). A pair that is no row is a named error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from media.ua.errors import NotInTable

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)
A = TypeVar("A", bound=StrEnum)
Rows = Mapping[tuple[S, E], tuple[S, tuple[A, ...]]]


class Table(Generic[S, E, A]):
    """A named machine. `rows` do something, `ignored` lists by state the events that are known and change nothing."""

    def __init__(self, name: str, rows: Rows[S, E, A], ignored: Mapping[S, Iterable[E]]) -> None:
        self.name = name
        self.rows: dict[tuple[S, E], tuple[S, tuple[A, ...]]] = dict(rows)
        for state, events in ignored.items():
            for event in events:
                if (state, event) in self.rows:
                    raise ValueError(f"{name}: {event} in {state} is both a row and ignored")
                self.rows[state, event] = (state, ())

    def step(self, state: S, event: E) -> tuple[S, tuple[A, ...]]:
        """Where `event` leads and what to do on the way. Raises NotInTable."""
        try:
            return self.rows[state, event]
        except KeyError:
            raise NotInTable(self.name, state, event) from None

    def missing(self, states: Iterable[S], events: Iterable[E]) -> list[tuple[S, E]]:
        """The pairs without a row: a total table has none."""
        wanted = list(events)
        return [(state, event) for state in states for event in wanted if (state, event) not in self.rows]
