"""The trail: what people did at the console, who, to whom, from where, and how it was before and after. Only ever added to.

The driver blocks: call from a thread.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import and_, insert, or_, select

from console.ledger.database import Database
from console.ledger.models import ActRow, table

ACT = table(ActRow)
VERBS = (
    *("login", "login_failed", "logout", "session_expired", "password_changed", "password_reset"),
    *("force_not_ready", "force_logout", "listened", "calls_exported", "rules_changed", "rules_exported"),
)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that somebody did. `subject`: agent, login, call or version of the rules; `before`, `after`: what it changed."""

    id: str
    at_ms: int
    who: str
    role: str
    address: str
    verb: str
    subject: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActSearch:
    """What to look for; "" and 0 do not matter. `seen_by`: only what this login did, or what was done to one of `subjects`."""

    from_ms: int = 0
    to_ms: int = 0
    who: str = ""
    verb: str = ""
    subject: str = ""
    seen_by: str = ""
    subjects: Collection[str] = ()
    before: tuple[int, str] | None = None  # older than this act: (at_ms, id) of the last one of the page before


class Trail:
    """The acts of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self.database, self.tenant = database, tenant

    def add(self, act: Act) -> None:
        """Keep one. Raises SQLAlchemyError."""
        row = asdict(act) | {"tenant": self.tenant, "before": _text(act.before), "after": _text(act.after)}
        with self.database.write() as connection:
            connection.execute(insert(ACT), row)

    def find(self, search: ActSearch, limit: int) -> list[Act]:
        """Acts, newest first."""
        c = ACT.c
        query = select(ACT).where(c.tenant == self.tenant)
        for column, value in ((c.who, search.who), (c.verb, search.verb), (c.subject, search.subject)):
            query = query.where(column == value) if value else query
        query = query.where(c.at_ms >= search.from_ms) if search.from_ms else query
        query = query.where(c.at_ms < search.to_ms) if search.to_ms else query
        if search.seen_by:
            query = query.where(or_(c.who == search.seen_by, c.subject.in_(search.subjects)))
        if search.before is not None:
            at, one = search.before
            query = query.where(or_(c.at_ms < at, and_(c.at_ms == at, c.id < one)))
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(c.at_ms.desc(), c.id.desc()).limit(limit)).mappings().all()
        return [Act(**{name: row[name] for name in Act.__dataclass_fields__}) for row in rows]


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
