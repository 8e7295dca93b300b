"""How far the stream is read, kept in SQL. One console holds the lease and writes; the others only look on.

The move is a compare-and-set in the transaction of the rows: a slow holder that lost its lease cannot write over its successor.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, or_, select, update

from console.ledger.models import PositionRow, table

POSITION = table(PositionRow)
START = "0-0"


def stream_id(entry: str) -> tuple[int, int]:
    """An id on a stream as its two numbers: ids compare as these, never as text ("5-10" comes after "5-9")."""
    milliseconds, _, count = entry.partition("-")
    return int(milliseconds), int(count or 0)


class LostLease(RuntimeError):
    """Another console reads this stream now, or the position is not where we left it."""


def hold(connection: Connection, stream: str, holder: str, now_ms: int, lease_ms: int) -> str | None:
    """Take or renew the lease. The position to read on from; None: another one holds it."""
    c = POSITION.c
    if connection.execute(select(c.entry).where(c.stream == stream)).first() is None:
        connection.execute(insert(POSITION), {"stream": stream, "entry": START, "holder": "", "until_ms": 0})
    free = or_(c.holder == holder, c.holder == "", c.until_ms <= now_ms)
    taken = update(POSITION).where(c.stream == stream, free).values(holder=holder, until_ms=now_ms + lease_ms)
    if connection.execute(taken).rowcount != 1:
        return None
    return str(connection.execute(select(c.entry).where(c.stream == stream)).scalar_one())


def move(connection: Connection, stream: str, holder: str, old: str, new: str) -> None:
    """Move on from `old` to `new`. Raises LostLease."""
    c = POSITION.c
    step = update(POSITION).where(c.stream == stream, c.holder == holder, c.entry == old).values(entry=new)
    if connection.execute(step).rowcount != 1:
        raise LostLease(stream)


def release(connection: Connection, stream: str, holder: str) -> None:
    """Give the lease up at once (at the end of the process)."""
    connection.execute(update(POSITION).where(POSITION.c.stream == stream, POSITION.c.holder == holder).values(until_ms=0))
