"""The writing side on both databases: batches, repeats, order, migrations."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from console.ledger import position
from console.ledger.database import Database
from console.ledger.fold import fold
from console.ledger.models import CallRow, FactRow
from console.ledger.position import LostLease
from console.ledger.store import Batch, Store
from ops.facts import Fact
from tests.console.samples import day
from tests.console.tables import FOLDED, picture, rows
from tests.kit import chance

T0 = 1_760_000_000_000
_streams = itertools.count()


def store_all(database: Database, facts: list[Fact], size: int, restart: bool = False) -> None:
    """Commit `facts` in batches of `size`, with a new process for each batch if `restart`."""
    stream = f"s{next(_streams)}"
    with database.write() as connection:
        entry = position.hold(connection, stream, "me", 1, 1000)
    assert entry is not None
    store = Store(database, stream, "me")
    for n in range(0, len(facts), size):
        if restart:
            store = Store(database, stream, "me")
        store.commit(entry, Batch(f"{n + 1}-0", facts[n : n + size]))
        entry = f"{n + 1}-0"


def sample(calls: int = 20) -> list[Fact]:
    return sorted((fact for made in day(T0, calls) for fact in made.facts), key=lambda fact: fact.at_ms)


def test_rows_are_the_fold_of_the_facts(database: Database) -> None:
    """What stands in `call` is the fold of what stands in `fact`."""
    facts = sample()
    store_all(database, facts, 17)
    stored = {row["id"]: row for row in rows(database, CallRow)}
    assert len(stored) == 20 and len(rows(database, FactRow)) == len(facts)
    for call, row in stored.items():
        assert row == fold(fact for fact in facts if fact.call == call and fact.kind != "agent_changed").call


@pytest.mark.parametrize("restart", [False, True])
def test_any_order_any_batches(database: Database, tmp_path: Path, restart: bool) -> None:
    """Shuffled, doubled, cut into other batches, with a cold cache each time: the folded tables come out the same."""
    facts = sample()
    plain = Database(f"sqlite:///{tmp_path / 'plain.db'}")
    plain.migrate()
    store_all(plain, facts, len(facts))
    mixer = chance.generator(7)
    mixed = facts + mixer.choices(facts, k=60)
    mixer.shuffle(mixed)
    store_all(database, mixed, 13, restart)
    assert picture(database, FOLDED) == picture(plain, FOLDED)
    plain.close()


def test_small_cache_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that fell out of the cache are read again from the facts."""
    monkeypatch.setattr("console.ledger.store.CACHED_CALLS", 1)
    facts = sample()
    store_all(database, facts, 5)
    want = [fold(f for f in facts if f.call == row["id"] and f.kind != "agent_changed").call for row in rows(database, CallRow)]
    assert rows(database, CallRow) == want


def test_lost_lease_stores_nothing(database: Database) -> None:
    """A holder whose lease went to another, or whose position is not the stored one, cannot write."""
    with database.write() as connection:
        assert position.hold(connection, "s", "a", 1000, 100) == "0-0"
        assert position.hold(connection, "s", "b", 1050, 100) is None
        assert position.hold(connection, "s", "b", 1100, 100) == "0-0"
    for holder, entry in (("a", "0-0"), ("b", "5-0")):
        with pytest.raises(LostLease):
            Store(database, "s", holder).commit(entry, Batch("9-0", sample(1)))
    assert rows(database, FactRow) == []


def test_migrations_make_the_models(database: Database) -> None:
    """The migrated database is what the models say, to the last column and index."""
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    assert differences == []


def test_many_start_at_once(database_url: str) -> None:
    """Consoles that start together migrate once and none fails; a second run changes nothing."""

    def start(_: int) -> int:
        database = Database(database_url)
        database.migrate()
        count = len(rows(database, CallRow))
        database.close()
        return count

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [0, 0, 0, 0]
