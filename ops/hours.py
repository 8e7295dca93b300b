"""Opening hours: when a calendar is open, and until when that stays so. Pure: takes `now_ms`, returns data.

A week's hours are wall-clock times in the calendar's zone. A span belongs to the day it begins on: one that closes at or before
its opening time ends on the next day, also if that is a holiday. A holiday replaces the hours of its date, by one span or
several. Where clocks are put back, an opening time is its first occurrence and a closing time its last; where they are put
forward, a time that does not exist is the moment of the change: so two spans that touch on the clock touch in time, and nothing
opens or shuts for the missing hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ops.centre import Calendar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AHEAD = 370  # days looked ahead for the next change
_DAY = timedelta(days=1)
Span = tuple[int, int]  # from, to (not included), UTC ms


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a calendar is open, and the moment that changes (UTC ms; 0: not within a year)."""

    open: bool
    until_ms: int


@lru_cache(maxsize=512)
def days(text: str) -> frozenset[int]:
    """ "mon-fri" or "sat,sun" or "sat-mon" as weekdays, 0 is Monday. Raises ValueError with what is wrong."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        for name in (first, last or first):
            if name not in DAYS:
                raise ValueError(f'"{name}" is no day of the week')
        start, end = DAYS.index(first), DAYS.index(last or first)
        found.update((start + n) % 7 for n in range((end - start) % 7 + 1))
    return frozenset(found)


def opening(calendar: Calendar, now_ms: int) -> Opening:
    """The state now and when it changes. Spans that touch or overlap are one."""
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(calendar.zone)).date()
    end = 0
    for begin, close in _from(calendar, today - 2 * _DAY):
        if begin <= (end or now_ms) < close:
            end = close
        elif begin > (end or now_ms):
            return Opening(bool(end), end or begin)
    return Opening(bool(end), 0)


def is_open(calendar: Calendar, now_ms: int) -> bool:
    """Whether it is open: three days are looked at."""
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(calendar.zone)).date()
    return any(begin <= now_ms < close for n in (0, 1, 2) for begin, close in spans(calendar, today - n * _DAY))


def _from(calendar: Calendar, day: date) -> Iterator[Span]:
    """Spans in the order of their beginning. A day's spans may begin after midnight of the next (never earlier than its own)."""
    for n in range(AHEAD):
        yield from spans(calendar, day + n * _DAY)


@lru_cache(maxsize=8192)
def spans(calendar: Calendar, day: date) -> tuple[Span, ...]:
    """The spans that begin on this local date, in order."""
    holiday = [one for one in calendar.holidays if one.date == day.isoformat()]
    if holiday:
        walls = [(one.open, one.close) for one in holiday if one.open]
    else:
        walls = [(one.open, one.close) for one in calendar.hours if day.weekday() in days(one.days)]
    zone = ZoneInfo(calendar.zone)
    return tuple(sorted(span for wall in walls if (span := _span(zone, day, *wall))[0] < span[1]))


def _span(zone: ZoneInfo, day: date, begin: str, end: str) -> Span:
    later = day if minutes(end) > minutes(begin) else day + _DAY
    return _instant(zone, day, minutes(begin), fold=0), _instant(zone, later, minutes(end), fold=1)


def minutes(text: str) -> int:
    """ "08:30" as minutes since midnight; "24:00" is 1440. Raises ValueError."""
    found = re.fullmatch(r"(\d\d):(\d\d)", text)
    if found is None:
        raise ValueError(f'"{text}" is no time')
    return int(found[1]) * 60 + int(found[2])


def _instant(zone: ZoneInfo, day: date, minute: int, fold: int) -> int:
    """A wall-clock time as UTC ms."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    first, second = (_utc(wall.replace(tzinfo=zone, fold=n)) for n in (0, 1))
    if second >= first:  # it exists; both are the same unless it exists twice
        return (second if fold else first) * 1000
    return _change(zone, second, first) * 1000


def _utc(wall: datetime) -> int:
    return int(wall.astimezone(UTC).timestamp())


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The second at which the zone's offset changes, between two moments around it."""
    old = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
