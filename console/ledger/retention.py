"""What is kept how long, and its deletion in small steps. `due` is pure; the rest blocks: call from a thread.

A kind is claimed once a day, by the row of `deletion` that also counts what is deleted: the count moves in the transaction that
deletes. Recordings and spool are files: they go first, then the rows that name them; a step that is cut off is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from console.ledger.database import Database
from console.ledger.models import (
    AgentStateRow,
    BadFactRow,
    CallRow,
    DeletionRow,
    FactRow,
    MenuStepRow,
    RecordingRow,
    SegmentRow,
    table,
)
from ops.centre import Retention

FACT, CALL, SEGMENT, MENU = table(FactRow), table(CallRow), table(SegmentRow), table(MenuStepRow)
RECORDING, AGENT_STATE, BAD, DELETION = table(RecordingRow), table(AgentStateRow), table(BadFactRow), table(DeletionRow)
BEGINS = time(3, 0)  # the quietest hour of a centre; after a night without power as soon as it is up
STEP = 200  # calls, rows or files of one step
DELETED = "deleted"  # a recording that was kept long enough: state on the call, reason on the recording
_SPOOL = ("pcaps", "metadata", "tmp", "jobs", "unusable")  # folders of a media node's spool


@dataclass(frozen=True, slots=True)
class Due:
    """Whatever of this kind is older than `before_ms` is to be deleted on this day."""

    day: str  # of the centre, ISO 8601
    kind: str
    before_ms: int


def due(keep: Retention, zone: ZoneInfo, now_ms: int) -> tuple[Due, ...]:
    """What the present day of the centre demands; () before its hour. Days are whole: what is kept one day is kept until the second
    midnight after it."""
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    if now.time() < BEGINS:
        return ()
    days = {
        "recordings": keep.recordings_days,  # files first: they need no space to be deleted
        "spool": keep.spool_days,
        "calls": keep.calls_days,
        "agent_states": keep.agent_states_days,
        "bad_facts": keep.bad_facts_days,
    }
    return tuple(Due(now.date().isoformat(), kind, _midnight(now, zone, count)) for kind, count in days.items() if count)


def _midnight(now: datetime, zone: ZoneInfo, days: int) -> int:
    day = now.date() - timedelta(days=days)
    return int(datetime.combine(day, time(), zone).timestamp() * 1000)


class Keeper:
    """Deletes what one tenant has kept long enough."""

    def __init__(self, database: Database, tenant: str, vault: Path, spool: Path) -> None:
        self.database, self.tenant, self.vault, self.spool = database, tenant, vault, spool
        self._steps: dict[str, Callable[[Due], int]] = {
            "recordings": self._recordings,
            "spool": self._spool,
            "calls": self._calls,
            "agent_states": self._agent_states,
            "bad_facts": self._bad_facts,
        }

    def claim(self, due: Due, now_ms: int) -> bool:
        """Whether this console is the one that deletes this kind on this day. Raises SQLAlchemyError."""
        row = {"tenant": self.tenant, "day": due.day, "kind": due.kind, "at_ms": now_ms, "before_ms": due.before_ms}
        try:
            with self.database.write() as connection:
                connection.execute(insert(DELETION), row | {"count": 0})
        except IntegrityError:
            return False
        return True

    def step(self, due: Due) -> int:
        """Delete a little; how much it was, 0 when nothing is left. Raises SQLAlchemyError, OSError."""
        return self._steps[due.kind](due)

    def deleted(self, due: Due) -> int:
        """How much was deleted of this kind on this day."""
        c = DELETION.c
        with self.database.read() as connection:
            query = select(c.count).where(c.tenant == self.tenant, c.day == due.day, c.kind == due.kind)
            return int(connection.execute(query).scalar() or 0)

    # ---- rows ----
    def _calls(self, due: Due) -> int:
        """Calls with everything of them. One that lasts is not old, whenever it began."""
        c = CALL.c
        with self.database.write() as connection:
            old = select(c.id).where(c.tenant == self.tenant, c.first_ms < due.before_ms, c.last_ms < due.before_ms)
            calls = list(connection.execute(old.order_by(c.first_ms).limit(STEP)).scalars())
            for target in (FACT, SEGMENT, MENU, RECORDING):
                connection.execute(delete(target).where(target.c.call.in_(calls), target.c.call != ""))
            connection.execute(delete(CALL).where(c.id.in_(calls)))
            self._count(connection, due, len(calls))
        return len(calls)

    def _agent_states(self, due: Due) -> int:
        """Stretches that ended, then the facts that belong to no call; that of a stretch which is kept is kept with it."""
        a, f = AGENT_STATE.c, FACT.c
        with self.database.write() as connection:
            ended = (a.tenant == self.tenant, a.end_ms > 0, a.end_ms < due.before_ms)
            done = self._some(connection, AGENT_STATE, *ended)
            if not done:
                free = ~exists().where(a.id == f.id)
                done = self._some(connection, FACT, f.tenant == self.tenant, f.call == "", f.at_ms < due.before_ms, free)
            self._count(connection, due, done)
        return done

    def _bad_facts(self, due: Due) -> int:
        with self.database.write() as connection:
            done = self._some(connection, BAD, BAD.c.tenant == self.tenant, BAD.c.at_ms < due.before_ms)
            self._count(connection, due, done)
        return done

    @staticmethod
    def _some(connection: Connection, target: Table, *old: ColumnElement[bool]) -> int:
        key = next(iter(target.primary_key))
        names = list(connection.execute(select(key).where(*old).limit(STEP)).scalars())
        return connection.execute(delete(target).where(key.in_(names), *old)).rowcount if names else 0

    def _count(self, connection: Connection, due: Due, more: int) -> None:
        c = DELETION.c
        mine = (c.tenant == self.tenant, c.day == due.day, c.kind == due.kind)
        connection.execute(update(DELETION).where(*mine).values(count=c.count + more))

    # ---- files ----
    def _recordings(self, due: Due) -> int:
        """Files of the vault by the day they began, then the rows that name such files: they say `deleted` from now on."""
        done = _unlink(self._old_days(due.before_ms))
        with self.database.write() as connection:
            self._count(connection, due, done)
            return done or self._mark(connection, due)

    def _old_days(self, before_ms: int) -> Iterator[Path]:
        """Files of days (UTC, YYYY/MM/DD) that were over before this moment."""
        for folder in sorted(self.vault.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]")):
            try:
                day = datetime.fromisoformat("-".join(folder.parts[-3:]) + "T00:00:00+00:00")
            except ValueError:
                continue
            if (day + timedelta(days=1)).timestamp() * 1000 <= before_ms:
                yield from sorted(path for path in folder.iterdir() if path.is_file())
                _remove_empty(folder, self.vault)

    def _mark(self, connection: Connection, due: Due) -> int:
        """Rows of recordings whose file was deleted. A recording that failed has no path and stays as it is."""
        r, c = RECORDING.c, CALL.c
        over_ms = due.before_ms - due.before_ms % 86_400_000  # UTC days that were over, as for the files
        begun = func.coalesce(func.nullif(r.started_ms, 0), r.at_ms)
        old = select(r.id, r.call).where(r.tenant == self.tenant, r.path != "", begun < over_ms).limit(STEP)
        rows = connection.execute(old).all()
        if rows:
            connection.execute(update(RECORDING).where(r.id.in_([row.id for row in rows])).values(path="", reason=DELETED))
            calls = {row.call for row in rows}
            connection.execute(update(CALL).where(c.id.in_(calls)).values(recording=DELETED))
        return len(rows)

    def _spool(self, due: Due) -> int:
        """What could not be filed, or was set aside, and has not been touched since."""
        folders = (folder / name for folder in sorted(self.spool.glob("*")) for name in _SPOOL)
        files = (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file())
        done = _unlink(path for path in files if path.stat().st_mtime * 1000 < due.before_ms)
        with self.database.write() as connection:
            self._count(connection, due, done)
        return done


def _unlink(files: Iterator[Path]) -> int:
    """Remove the first of these files; how many. Raises OSError."""
    done = 0
    for path in files:
        path.unlink(missing_ok=True)
        done += 1
        if done == STEP:
            break
    return done


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder of the vault and those above it that nothing is left in."""
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
