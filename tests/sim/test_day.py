"""A recorded day: facts in, day out, file and back, callers that can be tried anew [R8]."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest

from ops.facts import BadFact, Fact, encode
from router.sim import day as days
from router.sim import source
from router.sim.day import BadDay, Day, Duty, Seen

T = 1_767_225_600_000


def fact(kind: str, at: int, call: str = "", agent: str = "", **body: object) -> Fact:
    return Fact(f"{kind}:{at}:{call}{agent}", T + at, "main", "router:r1", kind, body, call, agent)


FACTS = [
    fact("agent_changed", 0, agent="wang", state="ready", previous="not_ready"),
    fact("agent_changed", 90, agent="li", state="offered", previous="ready"),
    fact("call_started", 90, "c1", calling="+8613800001111", home={"city": "武汉"}),
    fact("offered", 3100, "c1", "wang", queue="bill", offer="o1"),
    fact("enqueued", 100, "c1", queue="bill", entered_ms=T + 100, priority=12),
    fact("bridged", 5100, "c1", "wang", queue="bill", offer="o1", waited_ms=5000),
    fact("agent_released", 65_100, "c1", "wang", queue="bill", talk_ms=60_000),
    fact("enqueued", 200, "c2", queue="bill", entered_ms=T + 200, priority=2),
    fact("left_queue", 9200, "c2", queue="bill", waited_ms=9000, reason="REASON_HANGUP"),
    fact("call_started", 290, "c3", calling="+8613800001111"),
    fact("turned_away", 300, "c3", queue="bill", reason="REASON_QUEUE_FULL"),
    fact("call_started", 290, "c4", calling="+8613800002222"),
    fact("placed", 400, "c5", queue="bill", home="hunan"),
    fact("bridged", 410, "c5", "li", queue="bill", waited_ms=0),
    fact("agent_changed", 20_000, agent="wang", state="not_ready", previous="after_call", reason="no_answer"),
    fact("agent_changed", 70_000, agent="wang", state="not_ready", previous="ready", reason="lunch"),
    fact("agent_changed", 80_000, agent="li", state="logged_out", previous="ready"),
]


def test_facts_become_a_day() -> None:
    """Each caller of ours once, VIP by the priority; other centres' callers and those who never asked are left out."""
    day = days.day_of(FACTS, "hubei")
    assert [(c.call, c.outcome, c.wait_ms, c.talk_ms) for c in day.calls] == [
        ("c1", "answered", 5000, 60_000),
        ("c2", "abandoned", 9000, 0),
        ("c3", "turned_away", 0, 0),
    ]
    assert (day.calls[0].city, day.calls[0].vip, day.calls[0].customer) == ("武汉", 1, day.calls[2].customer)
    assert day.calls[1].customer == 0
    assert (day.answer_ms, day.missed_per_mille) == (2000, 0)


def test_agents_are_on_duty_while_they_take_calls() -> None:
    """A missed call is no pause; who was in an offer when the record began was on duty; skills are those of answered queues."""
    duties = {duty.agent: duty for duty in days.day_of(FACTS, "hubei").duties}
    assert (duties["wang"].from_ms, duties["wang"].to_ms, duties["wang"].skills) == (T, T + 70_000, {"bill": 1})
    assert (duties["li"].from_ms, duties["li"].to_ms) == (T, T + 80_000)


@pytest.mark.parametrize("name", ["day.jsonl", "day.jsonl.gz"])
def test_a_day_survives_its_file(tmp_path: Path, name: str) -> None:
    """Written and read it is equal, packed or not; no caller's number is in it."""
    day = days.day_of(FACTS, "hubei", {"wang": {"bill": 2}})
    days.write(day, tmp_path / name)
    assert days.read(tmp_path / name) == day
    days.write(day, tmp_path / "plain.jsonl")
    assert "1380000" not in (tmp_path / "plain.jsonl").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: a recorded day begins"),
        ('{"x":1}\n', ":1: a recorded day begins"),
        ('{"tierline_day":1,"from_ms":0,"to_ms":1,"sites":["a"]}\nnonsense\n', ":2: not JSON"),
        ('{"tierline_day":1,"from_ms":0,"to_ms":1,"sites":["a"]}\n{"call":"c","when":3}\n', ":2: want the keys"),
        ('{"tierline_day":1,"from_ms":0,"to_ms":1,"sites":["a"]}\n[1]\n', ":2: want one JSON object"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, says: str) -> None:
    """File and line of the mistake are told."""
    path = tmp_path / "day.jsonl"
    path.write_text(text)
    with pytest.raises(BadDay, match=says):
        days.read(path)


def test_what_the_record_cannot_say_is_drawn_from_what_it_does() -> None:
    """Patience of the answered goes on beyond their wait with the mean that fits all; talks of the others are real ones."""
    answered = [Seen(f"a{n}", T + n, "q", "answered", 10_000, 60_000 + n) for n in range(3000)]
    left = [Seen(f"l{n}", T + n, "q", "abandoned", 20_000) for n in range(1000)]
    day = Day(T, T + 10_000, ("s",), tuple(answered + left), ())
    found = {a.handling_ms: a for a in days.arrivals(day)}
    rest = [a.patience_ms - 10_000 for a in days.arrivals(day) if a.patience_ms != 20_000]
    assert len(days.arrivals(day)) == 4000
    assert set(found) <= {60_000 + n for n in range(3000)}
    assert fmean(rest) == pytest.approx((3000 * 10_000 + 1000 * 20_000) / 1000, rel=0.08)
    assert days.arrivals(day) == days.arrivals(day)


def test_a_callback_is_recorded_and_asked_for_again() -> None:
    """Not as a caller who held the line for an hour: the wait ends with the wish, and the caller picks up as then."""
    asked = [
        fact("enqueued", 100, "c1", queue="bill", entered_ms=T + 100),
        fact("callback_asked", 20_100, "c1", queue="bill"),
        fact("bridged", 3_600_000, "c1", "wang", queue="bill", offer="o1", waited_ms=3_599_900),
        fact("agent_released", 3_700_000, "c1", "wang", queue="bill", talk_ms=100_000),
        fact("enqueued", 200, "c2", queue="bill", entered_ms=T + 200),
        fact("callback_asked", 9_200, "c2", queue="bill"),
    ]
    day = days.day_of(asked, "hubei")
    assert [(c.call, c.outcome, c.wait_ms) for c in day.calls] == [("c1", "callback", 20_000), ("c2", "callback", 9_000)]
    assert [(a.callback, a.picks_up) for a in days.arrivals(day)] == [(True, 1.0), (True, 0.0)]


def test_a_fact_told_twice_is_one() -> None:
    """Facts are written at least once: a repeat makes no talk longer and no second call."""
    assert days.day_of([*FACTS, *FACTS[3:9]], "hubei") == days.day_of(FACTS, "hubei")


def test_who_answered_a_queue_has_its_skill() -> None:
    """Rules may name the skill otherwise than the queue: what was learned from the queue fits them."""
    day = days.day_of(FACTS, "hubei")
    skills = {one.id: dict(one.skills) for one in days.agents(day, {"bill": "billing"})}
    assert skills["wang"] == {"billing": 1}


def test_the_ledger_is_read_as_it_lies(tmp_path: Path) -> None:
    """The console's SQLite file gives the same day as the stream's lines; of several days one is taken, by midnight here."""
    path, lines = tmp_path / "ledger.db", tmp_path / "facts.jsonl"
    columns = "id, at_ms, tenant, source, kind, body, call, agent"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"create table fact ({columns})")
        for one in FACTS:
            row = (one.id, one.at_ms, one.tenant, one.source, one.kind, json.dumps(one.body), one.call, one.agent)
            database.execute("insert into fact values (?,?,?,?,?,?,?,?)", row)
        database.commit()
    lines.write_text("".join(f"{encode(one)}\n" for one in FACTS))
    assert days.day_of(source.facts(path), "hubei") == days.day_of(source.facts(lines), "hubei") == days.day_of(FACTS, "hubei")
    day = datetime.fromtimestamp(T / 1000).date()
    assert len(list(source.facts(path, source.span_ms(day)))) == len(FACTS)
    assert list(source.facts(path, source.span_ms(day + timedelta(days=1)))) == []


def test_a_wrong_line_of_facts_is_told(tmp_path: Path) -> None:
    """File and line."""
    path = tmp_path / "facts.jsonl"
    path.write_text(f"{encode(FACTS[0])}\nnonsense\n")
    with pytest.raises(BadFact, match=r"facts.jsonl:2: not JSON"):
        list(source.facts(path))


def test_nobody_left_nobody_leaves() -> None:
    """Without anybody who gave up there is no patience to be seen: it has no end."""
    day = Day(T, T + 9, ("s",), (Seen("a", T, "q", "answered", 5, 7),), (Duty("w", T, T + 9, {"q": 1}),))
    assert days.arrivals(day)[0].patience_ms > 10**12
    assert days.agents(day, {})[0].spans == ((0, 9),)
