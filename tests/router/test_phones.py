"""Whether a seat has a phone, from the rows that the edge keeps in Redis."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from router.core.errors import StoreAway
from router.phones import LEFT_BEHIND_MS, end_ms, missing_phones

NOW = datetime(2026, 12, 1, 8, 0, 0)
NOW_MS = int(NOW.timestamp() * 1000)


class Table:
    """A location table of the edge: registrations by seat, each with the seconds it still has."""

    def __init__(self, **seats: list[int]) -> None:
        self.sets: dict[str, list[bytes]] = {}
        self.rows: dict[str, bytes] = {}
        for seat, left in seats.items():
            for number, seconds in enumerate(left):
                row = f"location:entry::{seat}-{number}"
                self.rows[row] = (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S").encode()
                self.sets.setdefault(f"location:usrdom::{seat}:tierline.local", []).append(row.encode())
                self.sets.setdefault("location:timer::0:0", []).append(row.encode())
        self.sets["location:index::timer"] = [b"location:timer::0:0"] if seats else []

    async def ask(self, command: str, key: str, *_: Any) -> Any:
        """What Redis answers."""
        return self.rows.get(key) if command == "HGET" else self.sets.get(key, [])


STALE = -LEFT_BEHIND_MS // 1000 - 5


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        (Table(s1001=[120]), False),
        (Table(s1001=[-5, 120]), False),
        (Table(s1002=[120]), True),
        (Table(), True),
        (Table(s1001=[-5]), True),
        (Table(s1001=[STALE]), False),
        (Table(s1002=[STALE]), False),
        (Table(s1002=[STALE], s1001=[60]), False),
    ],
)
async def test_a_seat_with_a_phone(table: Table, missing: bool) -> None:
    """One registration that lasts is a phone; none, or one that has just run out, is none. Rows that were left behind mean that the
    edge keeps its table elsewhere: then nobody is refused."""
    assert await missing_phones(table.ask, "tierline.local")("s1001", NOW_MS) is missing


async def test_a_row_that_is_just_going_is_none() -> None:
    """A registration that is deleted between two questions does not count."""
    table = Table(s1001=[120])
    table.rows.clear()
    assert await missing_phones(table.ask, "tierline.local")("s1001", NOW_MS)


async def test_an_unreadable_end_is_a_phone() -> None:
    """What cannot be read keeps nobody from work; nor does a store that is away."""
    assert end_ms("never") > NOW_MS
    table = Table(s1001=[120])
    table.rows = dict.fromkeys(table.rows, b"???")
    assert not await missing_phones(table.ask, "tierline.local")("s1001", NOW_MS)

    async def away(*_: Any) -> Any:
        raise StoreAway("not connected")

    assert not await missing_phones(away, "tierline.local")("s1001", NOW_MS)
