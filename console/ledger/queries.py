"""What the console reads from the ledger. The driver blocks: call from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, func, or_, select

from console.ledger.course import course, numbered
from console.ledger.database import Database
from console.ledger.fold import SEEN, Row
from console.ledger.models import BadFactRow, CallRow, FactRow, MenuStepRow, RecordingRow, SegmentRow, table
from console.ledger.store import fact_of

CALL, FACT, SEGMENT, MENU = table(CallRow), table(FactRow), table(SegmentRow), table(MenuStepRow)
RECORDING, BAD = table(RecordingRow), table(BadFactRow)
CALLBACKS = ("", "waiting", "reached", "given_up")
_PARTS: tuple[tuple[str, Table, Callable[[Row], Any]], ...] = (
    ("segments", SEGMENT, lambda row: (row["start_ms"], row["kind"] != "queue", len(row["key"]), row["key"])),
    ("menu", MENU, numbered),
    ("recordings", RECORDING, numbered),
)


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; "" and 0 do not matter. Times are UTC ms; `to_ms` is not included."""

    from_ms: int = 0
    to_ms: int = 0
    numbers: tuple[str, ...] = ()  # one of these is part of the caller's or called number
    agent: str = ""  # the last one that talked
    queue: str = ""
    outcome: str = ""  # a result, or "open"
    before: tuple[int, str] | None = None  # older than this call: (first_ms, id) of the last one of the page before


class Queries:
    """The reading side of the ledger."""

    def __init__(self, database: Database, tenant: str) -> None:
        self.database, self.tenant = database, tenant

    def calls(self, search: Search, limit: int) -> list[Row]:
        """Calls, newest first."""
        with self.database.read() as connection:
            found = connection.execute(self._select(search).limit(limit)).mappings()
            return [_told(row) for row in found]

    def _select(self, search: Search) -> Select[Any]:
        c = CALL.c
        query = select(CALL).where(c.tenant == self.tenant, *_conditions(search))
        if search.before is not None:
            at, call = search.before
            query = query.where(or_(c.first_ms < at, and_(c.first_ms == at, c.id < call)))
        return query.order_by(c.first_ms.desc(), c.id.desc())

    def call(self, call: str) -> Row | None:
        """One call with its segments, menu steps, recordings and facts in order; None: unknown."""
        with self.database.read() as connection:
            row = connection.execute(select(CALL).where(CALL.c.id == call, CALL.c.tenant == self.tenant)).mappings().first()
            if row is None:
                return None
            parts = {}
            for name, target, place in _PARTS:
                found = connection.execute(select(target).where(target.c.call == call)).mappings()
                parts[name] = sorted((dict(part) for part in found), key=place)
            facts = connection.execute(select(FACT).where(FACT.c.call == call, FACT.c.call != "")).all()
        told = [
            {"id": fact.id, "at_ms": fact.at_ms, "source": fact.source, "kind": fact.kind, "agent": fact.agent, "body": fact.body}
            for fact in course(map(fact_of, facts))
        ]
        return {**_told(row), **parts, "facts": told}

    def recording(self, call: str, number: int) -> str | None:
        """Path in the vault of the n-th filed recording of a call, counted from 1."""
        c = RECORDING.c
        query = select(c.id, c.at_ms, c.path).where(c.call == call, c.tenant == self.tenant, c.path != "")
        with self.database.read() as connection:
            found = sorted((dict(row) for row in connection.execute(query).mappings()), key=numbered)
        return str(found[number - 1]["path"]) if number <= len(found) else None

    def bad_facts(self) -> int:
        """How many stream entries were put aside."""
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(BAD)).scalar_one()


def _told(row: Mapping[Any, Any]) -> Row:
    """A row of the table, with what became of a wish to be called back: one of CALLBACKS."""
    asked, reached = (row["seen"] & SEEN[kind] for kind in ("callback_asked", "bridged"))
    back = ("reached" if reached else "given_up" if row["result"] else "waiting") if asked else ""
    return {**row, "callback": back}


def _conditions(search: Search) -> Iterator[ColumnElement[bool]]:
    c = CALL.c
    if search.from_ms:
        yield c.first_ms >= search.from_ms
    if search.to_ms:
        yield c.first_ms < search.to_ms
    if search.numbers:
        yield or_(*(column.contains(part, autoescape=True) for part in search.numbers for column in (c.calling, c.called)))
    if search.agent:
        yield c.agent == search.agent
    if search.queue:
        yield c.queue == search.queue
    if search.outcome:
        yield c.result == ("" if search.outcome == "open" else search.outcome)
