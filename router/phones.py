"""Which seats have a phone: the edge keeps its location table in Redis (docs/adr/0104), this reads it.

An agent without a phone who gets ready would be offered a caller whom nobody can be connected to. What cannot be told counts as
there: an edge that began without Redis keeps its table for itself, and then rows that ran out stay where they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from router.core.errors import RouterError

LEFT_BEHIND_MS = 60_000  # the edge removes a row long before that
SAMPLE = 20
_INDEX = "location:index::timer"


Ask = Callable[..., Awaitable[Any]]  # a reading command of Redis, by its words
Missing = Callable[[str, int], Awaitable[bool]]


def missing_phones(ask: Ask, realm: str) -> Missing:
    """Whether a seat surely has no phone at a time (UTC ms)."""

    async def missing(seat: str, now_ms: int) -> bool:
        try:
            return await _missing(ask, f"location:usrdom::{seat}:{realm}", now_ms)
        except RouterError:  # the verb that follows tells it
            return False

    return missing


async def _missing(ask: Ask, rows: str, now_ms: int) -> bool:
    ends = await _ends(ask, await ask("SMEMBERS", rows))
    if any(end > now_ms for end in ends):
        return False
    if not ends:
        for table in await ask("SMEMBERS", _INDEX):
            ends += await _ends(ask, await ask("SRANDMEMBER", table.decode(), SAMPLE))
    return not any(end < now_ms - LEFT_BEHIND_MS for end in ends)


async def _ends(ask: Ask, rows: list[bytes]) -> list[int]:
    """When these registrations end, UTC ms; of a row that is just going none."""
    texts = [await ask("HGET", row.decode(), "expires") for row in rows]
    return [end_ms(text.decode()) for text in texts if text]


def end_ms(text: str) -> int:
    """`2026-12-01 00:11:27` as Kamailio writes it, in the time of the machine; what cannot be read never ends."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timestamp() * 1000)
    except ValueError:
        return 2**62
