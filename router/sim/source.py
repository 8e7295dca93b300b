"""Facts of a real centre for a recorded day: from a file with one JSON object a line, as on the stream, or from the ledger.

The stream is trimmed behind the ledger, so a day that is over is only in the ledger. Of that the SQLite file is read as it is,
also while the console writes to it; facts of another database go into a file first (docs/routing.md tells how).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path

from ops import facts as ledger
from ops.facts import BadFact, Fact

SQLITE = b"SQLite format 3\x00"
FACTS = "select id, at_ms, tenant, source, kind, body, call, agent from fact where at_ms >= ? and at_ms < ? order by at_ms, rowid"
EVER = (0, 1 << 62)


def span_ms(day: date) -> tuple[int, int]:
    """From midnight to midnight in this machine's time zone, as UTC ms."""
    at = datetime.combine(day, time())
    first, last = (int(one.astimezone().timestamp() * 1000) for one in (at, at + timedelta(days=1)))
    return first, last


def facts(path: Path, span: tuple[int, int] = EVER) -> Iterator[Fact]:
    """Those of a span of time. Raises BadFact with the line, OSError, sqlite3.Error."""
    with path.open("rb") as file:
        kept = file.read(len(SQLITE)) == SQLITE
    found: Iterable[Fact] = _ledger(path, span) if kept else _lines(path)
    return (fact for fact in found if span[0] <= fact.at_ms < span[1])


def _ledger(path: Path, span: tuple[int, int]) -> Iterator[Fact]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        for id_, at_ms, tenant, source, kind, body, call, agent in database.execute(FACTS, span):
            yield Fact(id_, at_ms, tenant, source, kind, json.loads(body), call or "", agent or "")


def _lines(path: Path) -> Iterator[Fact]:
    with path.open(encoding="utf-8") as lines:
        for number, text in enumerate(lines, 1):
            try:
                if text.strip():
                    yield ledger.decode(text)
            except BadFact as error:
                raise BadFact(f"{path}:{number}: {error}") from error
