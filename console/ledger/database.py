"""The ledger's database: SQLite in WAL by default, PostgreSQL by URL. Opens, migrates under a lock, hands out transactions.

The driver blocks: call from a thread of your own. Errors are SQLAlchemy's; `away(error)` tells "not now" from "never".
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, TimeoutError

_MIGRATION_LOCK = 0x7469_6572  # any number that is ours, for pg_advisory_lock


class Database:
    """One database. Threads may share it."""

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._engine()

    def _engine(self) -> Engine:
        options: dict[str, Any] = {"json_serializer": _as_is, "json_deserializer": json.loads}
        if self.sqlite:
            engine = create_engine(self.url, connect_args={"timeout": 10, "check_same_thread": False}, **options)
            event.listen(engine, "connect", _prepare_sqlite)
            return engine
        return create_engine(self.url, pool_pre_ping=True, pool_size=4, connect_args={"connect_timeout": 3}, **options)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes. On SQLite it takes the writer's place at once, so that it never fails half-way for a lock."""
        with self.engine.connect() as connection, connection.begin():
            if self.sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one moment's picture."""
        with self.engine.connect() as connection, connection.begin():
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    def migrate(self) -> None:
        """Bring the tables up to date. Several consoles may start at once: one does it, the others wait."""
        if not self.sqlite:
            with self.engine.connect() as lock:
                lock.execute(text("SELECT pg_advisory_lock(:n)"), {"n": _MIGRATION_LOCK})
                self._upgrade()  # closing the connection frees the lock
            return
        path = Path(self.url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            self._upgrade()

    def _upgrade(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def settle(self) -> bool:
        """Make sure that what is committed survives a loss of power. False: not now, try later."""
        if not self.sqlite:
            return True  # synchronous_commit does it
        with self.engine.connect() as connection:
            busy, frames, done = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
        return not busy and frames == done

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def away(error: SQLAlchemyError) -> bool:
    """Whether the database may take the same statement later (down, locked, disk full), as against bad data."""
    if isinstance(error, OperationalError | InterfaceError | TimeoutError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _url(text_url: str) -> URL:
    url = make_url(text_url)
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url


def _as_is(value: Any) -> str:
    """JSON columns are given as text that is JSON already."""
    return str(value)


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "cache_size=-16000", "wal_autocheckpoint=4000"):
        connection.execute(f"PRAGMA {pragma}")
