"""Versions of the rule book in SQL, and the seats made with them. The driver blocks: call from a thread."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from console.ledger.database import Database
from console.ledger.models import RuleVersionRow, SeatRow, table
from ops import rulebook
from ops.rulebook import RuleBook

VERSION, SEAT = table(RuleVersionRow), table(SeatRow)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the history."""

    version: int
    at_ms: int  # when it was taken
    who: str
    why: str
    sha256: str


class RuleBooks:
    """All versions of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self.database, self.tenant = database, tenant

    def newest(self) -> Entry | None:
        """The highest version; None: there is none yet."""
        found = self.entries(1)
        return found[0] if found else None

    def entries(self, limit: int, before: int = 0) -> list[Entry]:
        """The history, newest first; `before`: only lower versions."""
        c = VERSION.c
        chosen = select(c.version, c.at_ms, c.who, c.why, c.sha256).where(c.tenant == self.tenant)
        chosen = chosen.where(c.version < before) if before else chosen
        with self.database.read() as connection:
            rows = connection.execute(chosen.order_by(c.version.desc()).limit(limit)).all()
        return [Entry(row.version, row.at_ms, row.who, row.why, row.sha256) for row in rows]

    def book(self, version: int) -> RuleBook | None:
        """One version. Raises ConfigError if newer software wrote it."""
        c = VERSION.c
        with self.database.read() as connection:
            text = connection.execute(select(c.document).where(c.tenant == self.tenant, c.version == version)).scalar()
        return rulebook.kept(text) if text is not None else None

    def add(self, book: RuleBook, at_ms: int) -> bool:
        """Keep a new version. False: that version is there already, somebody was quicker."""
        document = rulebook.to_json(book)
        head = {"tenant": self.tenant, "version": book.version, "at_ms": at_ms, "who": book.who, "why": book.why}
        try:
            with self.database.write() as connection:
                connection.execute(insert(VERSION), {**head, "document": document, "sha256": rulebook.sha256(book)})
        except IntegrityError:
            return False
        return True

    # ---- seats
    def seats(self) -> dict[str, str]:
        """Seat -> digest secrets, as text (ops.provision.DigestSecrets), of those made while running."""
        with self.database.read() as connection:
            rows = connection.execute(select(SEAT).where(SEAT.c.tenant == self.tenant)).all()
        return {row.seat: row.ha1 for row in rows}

    def set_seats(self, made: dict[str, str]) -> None:
        """Keep digest secrets, in the place of older ones."""
        with self.database.write() as connection:
            mine = SEAT.c.tenant == self.tenant
            connection.execute(delete(SEAT).where(mine, SEAT.c.seat.in_(made)))
            if made:
                rows = [{"tenant": self.tenant, "seat": seat, "ha1": secrets} for seat, secrets in made.items()]
                connection.execute(insert(SEAT), rows)
