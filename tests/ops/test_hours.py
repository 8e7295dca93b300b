"""Opening hours: against a plain reading of the clock, over midnight, and where clocks are moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.centre import Calendar, Holiday, Hours
from ops.hours import DAYS, Opening, days, is_open, minutes, opening, spans

HOUR, DAY = 3_600_000, 86_400_000
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "UTC")
MOVED = {  # zone -> a day whose clocks are put forward, one whose clocks are put back
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),
    "America/St_Johns": ("2026-03-08", "2026-11-01"),
}


def at(zone: str, text: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC).timestamp() * 1000)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def test_days_of_the_week() -> None:
    """Single days, lists, and spans that go over the end of the week."""
    assert days("mon-fri") == {0, 1, 2, 3, 4} and days("sat, mon") == {5, 0} and days("sat-mon") == {5, 6, 0}
    assert days("mon-sun") == set(range(7)) and days("wed") == {2}
    for wrong in ("", "monday", "-", "mon,,tue"):
        with pytest.raises(ValueError, match="no day"):
            days(wrong)


WEEK = st.lists(
    st.builds(
        lambda day, begin, end: Hours(DAYS[day], clock(begin), clock(end)),
        st.integers(0, 6),
        st.integers(0, 1439),
        st.integers(0, 1440),
    ),
    max_size=4,
)


@given(WEEK, st.integers(0, 20_000), st.lists(st.integers(0, 13), max_size=2, unique=True))
def test_against_the_clock_on_the_wall(week: list[Hours], minute: int, off: list[int]) -> None:
    """Where clocks do not move, it is open exactly when the wall clock stands in hours of this day or of the day before."""
    monday = datetime(2026, 6, 1)
    holidays = tuple(Holiday((monday + timedelta(n)).date().isoformat()) for n in off)
    calendar = Calendar("c", "Asia/Shanghai", tuple(week), holidays)
    wall = monday + timedelta(minutes=minute)
    want = False
    for back in (0, 1):
        day = wall.date() - timedelta(back)
        if day.isoformat() in {one.date for one in holidays}:
            continue
        now = wall.hour * 60 + wall.minute + back * 1440
        for one in week:
            begin, end = minutes(one.open), minutes(one.close)
            end += 1440 if end <= begin else 0
            want |= DAYS[day.weekday()] == one.days and begin <= now < end
    assert is_open(calendar, at("Asia/Shanghai", wall.isoformat())) is want


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(1, 1439), max_size=4, unique=True),
    st.integers(at("UTC", "2026-01-01") // 60_000, at("UTC", "2027-01-01") // 60_000),
)
def test_touching_spans_leave_no_gap(zone: str, cuts: list[int], minute: int) -> None:
    """A day cut into spans that touch on the clock is always open: at midnight, at each cut, where clocks move."""
    edges = [0, *sorted(cuts), 1440]
    week = tuple(Hours("mon-sun", clock(one), clock(other)) for one, other in pairwise(edges))
    calendar = Calendar("c", zone, week)
    for now in (
        minute * 60_000,
        *(begin for begin, _ in spans(calendar, datetime.fromtimestamp(minute * 60, ZoneInfo(zone)).date())),
    ):
        assert is_open(calendar, now) and is_open(calendar, now - 1)
    assert opening(calendar, minute * 60_000) == Opening(True, 0)


@pytest.mark.parametrize("zone", MOVED)
@pytest.mark.parametrize("cut", ["00:30", "01:00", "01:30", "02:00", "02:15", "02:30", "03:00"])
def test_where_clocks_move(zone: str, cut: str) -> None:
    """Whatever the cut, on days that clocks move the spans before and after it touch, and the day has its 23, 24.5 or 25 hours."""
    calendar = Calendar("c", zone, (Hours("mon-sun", "00:00", cut), Hours("mon-sun", cut, "24:00")))
    for day in MOVED[zone]:
        found = spans(calendar, datetime.fromisoformat(day).date())
        begin, end = at(zone, f"{day}T00:00"), at(zone, f"{(datetime.fromisoformat(day) + timedelta(1)).date()}T00:00")
        assert found[0][0] == begin and found[-1][1] == end and end - begin != DAY
        moments = range(begin, end, 300_000)
        assert all(is_open(calendar, now) for now in moments), day


def test_a_time_that_exists_twice_or_not_at_all() -> None:
    """Opening at the first of two, closing at the last; a time that is skipped is the moment of the change."""
    berlin = "Europe/Berlin"
    back = Calendar("c", berlin, (Hours("mon-sun", "02:30", "04:00"),))
    begin = spans(back, datetime(2026, 10, 25).date())[0][0]
    assert begin == at(berlin, "2026-10-25T02:30", fold=0)
    until = Calendar("c", berlin, (Hours("mon-sun", "00:00", "02:30"),))
    assert spans(until, datetime(2026, 10, 25).date())[0][1] == at(berlin, "2026-10-25T02:30", fold=1)
    skipped = datetime(2026, 3, 29).date()
    change = at(berlin, "2026-03-29T03:00")
    assert spans(back, skipped)[0][0] == change == spans(until, skipped)[0][1]
    inside = Calendar("c", berlin, (Hours("mon-sun", "02:10", "02:50"),))
    assert spans(inside, skipped) == (), "nothing is open in an hour that does not exist"


@given(st.sampled_from(ZONES), WEEK, st.integers(at("UTC", "2026-01-01"), at("UTC", "2026-12-31")))
def test_until_when_it_stays_so(zone: str, week: list[Hours], now: int) -> None:
    """The moment told is the first at which the state is another one."""
    calendar = Calendar("c", zone, tuple(week))
    found = opening(calendar, now)
    assert found.open is is_open(calendar, now)
    if not found.until_ms:
        assert found.open is False and not week
        return
    assert found.until_ms > now and is_open(calendar, found.until_ms) is not found.open
    for n in range(50):
        assert is_open(calendar, now + (found.until_ms - 1 - now) * n // 49) is found.open


def test_over_midnight_into_a_holiday() -> None:
    """A night that began on a working day goes on to its end; the holiday's own night does not begin, or has hours of its own."""
    night = (Hours("mon-sun", "22:00", "06:00"),)
    zone = "Asia/Shanghai"
    shut = Calendar("c", zone, night, (Holiday("2026-10-01", name="国庆节"),))
    assert is_open(shut, at(zone, "2026-10-01T05:59")) and not is_open(shut, at(zone, "2026-10-01T06:00"))
    assert not is_open(shut, at(zone, "2026-10-01T23:00")) and not is_open(shut, at(zone, "2026-10-02T03:00"))
    assert opening(shut, at(zone, "2026-10-01T08:00")) == Opening(False, at(zone, "2026-10-02T22:00"))
    short = Calendar("c", zone, night, (Holiday("2026-10-01", "09:00", "12:00"),))
    assert is_open(short, at(zone, "2026-10-01T10:00")) and not is_open(short, at(zone, "2026-10-01T23:00"))


def test_a_worked_saturday_with_a_lunch_break() -> None:
    """A date with two spans of its own is open in both and shut between, as a weekday is; any number of spans will do."""
    zone, date = "Asia/Shanghai", "2026-10-10"
    spans = (Holiday(date, "14:00", "17:30"), Holiday(date, "08:30", "12:00"), Holiday(date, "19:00", "20:00"))
    calendar = Calendar("c", zone, (Hours("mon-fri", "09:00", "18:00"),), spans)
    for time, until in (("08:30", "12:00"), ("14:00", "17:30"), ("19:30", "20:00")):
        assert opening(calendar, at(zone, f"{date}T{time}")) == Opening(True, at(zone, f"{date}T{until}"))
    for time, until in (("12:00", "14:00"), ("17:45", "19:00")):
        assert opening(calendar, at(zone, f"{date}T{time}")) == Opening(False, at(zone, f"{date}T{until}"))


def test_opening_and_closing_at_the_same_time_is_a_whole_day() -> None:
    """08:00 to 08:00 is open till the next day; every day: always."""
    calendar = Calendar("c", "UTC", (Hours("mon", "08:00", "08:00"),))
    monday = at("UTC", "2026-06-01T08:00")
    assert opening(calendar, monday) == Opening(True, monday + DAY)
    assert opening(Calendar("c", "UTC", (Hours("mon-sun", "08:00", "08:00"),)), monday).until_ms == 0
    assert opening(Calendar("c", "UTC"), monday) == Opening(False, 0)
