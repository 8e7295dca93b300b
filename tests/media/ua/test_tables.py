"""The state machines as tables: total, closed, and named when left."""

from __future__ import annotations

from typing import Any

import pytest

from media.ua import tables as t
from media.ua import usage_tables as u
from media.ua.errors import NotInTable
from media.ua.register import REGISTRATION, At
from media.ua.register import Ev as RegisterEvent
from media.ua.table import Table
from media.ua.tables import Do
from media.ua.usage_tables import Act, Say

TRANSACTIONS: list[tuple[Table[Any, Any, Any], tuple[Any, ...], tuple[Any, ...]]] = [
    (t.INVITE_CLIENT, t.INVITE_CLIENT_STATES, t.INVITE_CLIENT_EVENTS),
    (t.CLIENT, t.CLIENT_STATES, t.CLIENT_EVENTS),
    (t.INVITE_SERVER, t.INVITE_SERVER_STATES, t.INVITE_SERVER_EVENTS),
    (t.SERVER, t.SERVER_STATES, t.SERVER_EVENTS),
]
OTHERS: list[tuple[Table[Any, Any, Any], tuple[Any, ...], tuple[Any, ...]]] = [
    (u.INCOMING, u.INCOMING_STATES, u.INCOMING_WIRE),
    (u.OUTGOING, u.OUTGOING_STATES, u.OUTGOING_WIRE),
    (u.OFFERS, tuple(u.Talk), tuple(u.Turn)),
    (REGISTRATION, tuple(At), tuple(RegisterEvent)),
]


@pytest.mark.parametrize(("table", "states", "events"), TRANSACTIONS + OTHERS, ids=lambda value: getattr(value, "name", ""))
def test_tables_are_total_and_closed(table: Table[Any, Any, Any], states: tuple[Any, ...], events: tuple[Any, ...]) -> None:
    """Whatever can come from the wire or from a timer has a row in every state, and every row leads to a known state."""
    assert table.missing(states, events) == []
    assert {after for after, _ in table.rows.values()} <= set(states)
    assert {before for before, _ in table.rows} == set(states)


@pytest.mark.parametrize(("table", "states", "events"), TRANSACTIONS, ids=lambda value: getattr(value, "name", ""))
def test_transactions_end_and_stay_ended(table: Table[Any, Any, Any], states: tuple[Any, ...], events: tuple[Any, ...]) -> None:
    """From each state the end can be reached, by forgetting the transaction; at the end nothing happens any more."""
    end = t.State.TERMINATED
    reach = {end}
    for _ in states:
        reach |= {before for (before, _), (after, _) in table.rows.items() if after in reach}
    assert reach == set(states)
    for (before, _), (after, acts) in table.rows.items():
        assert (Do.END in acts) == (after is end and before is not end)
        assert before is not end or acts == ()


def test_every_action_is_used_somewhere() -> None:
    """No action without a row, so none without a test."""
    used = {act for table, _, _ in TRANSACTIONS for _, acts in table.rows.values() for act in acts}
    assert used == set(Do)
    used = {act for table in (u.INCOMING, u.OUTGOING) for _, acts in table.rows.values() for act in acts}
    assert used == set(Act)
    assert {act for _, acts in u.OFFERS.rows.values() for act in acts} == set(Say)


def test_what_is_not_in_the_table_is_named() -> None:
    """A pair without a row raises NotInTable with machine, state and event."""
    with pytest.raises(NotInTable, match="incoming INVITE: no row for command Answer in state up"):
        u.INCOMING.step(u.Is.UP, u.Ev.ANSWER)


def test_a_row_cannot_be_ignored_as_well() -> None:
    """A pair that is both a row and ignored is refused when the table is made."""
    with pytest.raises(ValueError, match="both a row and ignored"):
        Table("x", {(u.Talk.OURS, u.Turn.SEND): (u.Talk.OURS, (Say.BUSY,))}, {u.Talk.OURS: (u.Turn.SEND,)})
