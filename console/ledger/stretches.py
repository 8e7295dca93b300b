"""agent_changed facts -> the line of an agent's states. Pure, and free of order: a stretch ends where the next one begins."""

from __future__ import annotations

from collections.abc import Iterable

from console.ledger.fold import Row, number
from ops.facts import Fact


def stretch(fact: Fact) -> Row:
    """The row of one agent_changed fact, open at its end."""
    body = fact.body
    head = {"id": fact.id, "tenant": fact.tenant, "agent": fact.agent, "start_ms": fact.at_ms, "seq": number(fact.id), "end_ms": 0}
    state = {"state": body.get("state", ""), "reason": body.get("reason", ""), "seat": body.get("seat", ""), "call": fact.call}
    return head | state


def place(row: Row) -> tuple[int, int, str]:
    """Sort key of a stretch on its agent's line."""
    return row["start_ms"], row["seq"], row["id"]


def relink(line: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Rows that must be written so that the line of one agent holds `new` too.

    `line`: the stored rows from the last one before the earliest of `new` on. Rows of `new` that are stored already change nothing.
    """
    known = {row["id"]: row for row in line}
    rows = sorted(({row["id"]: row for row in new} | known).values(), key=place)
    ends = [row["start_ms"] for row in rows[1:]] + [0]
    linked = [row | {"end_ms": end} for row, end in zip(rows, ends, strict=True)]
    return [row for row in linked if known.get(row["id"]) != row]
