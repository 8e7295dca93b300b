"""What is kept how long: the right things go, at the right hour, in small steps, with a count; nothing else does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import redis
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from console import app as wiring
from console.ledger import retention
from console.ledger.audit import Policy, audit
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
from console.ledger.retention import Due, Keeper, due
from ops.centre import Retention
from ops.clock import ManualClock
from ops.config import ConfigError, loads
from tests.console.desk import Desk, centre
from tests.console.samples import CallFacts, answered
from tests.console.tables import rows
from tests.console.test_store import store_all
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

ZONE = ZoneInfo("Asia/Shanghai")
KEEP = Retention(calls_days=30, recordings_days=10, agent_states_days=30, bad_facts_days=5, spool_days=3)
DAY_MS = 86_400_000


def at(text: str, zone: ZoneInfo = ZONE) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


NOW = at("2026-06-15 03:00")


@pytest.fixture
def keeper(database: Database, tmp_path: Path) -> Iterator[Keeper]:
    yield Keeper(database, "main", tmp_path / "recordings", tmp_path / "spool")


def the(kind: str, keep: Retention = KEEP, now_ms: int = NOW) -> Due:
    return next(one for one in due(keep, ZONE, now_ms) if one.kind == kind)


def all_of(keeper: Keeper, kind: str, now_ms: int = NOW) -> int:
    """Claim and delete everything of a kind; the count that the ledger keeps."""
    one = the(kind, now_ms=now_ms)
    assert keeper.claim(one, now_ms)
    for _ in range(1000):
        if not keeper.step(one):
            return keeper.deleted(one)
    raise AssertionError("it never ends")


def filed(keeper: Keeper, made: CallFacts) -> Path:
    """The recording of a call in the vault, with its sidecar, in the folder of the UTC day it began."""
    body = next(fact.body for fact in made.facts if fact.kind == "recorded")
    day = datetime.fromtimestamp(body["started_ms"] / 1000, ZoneInfo("UTC"))
    name = f"{day:%Y/%m/%d}/{made.call}-{body['started_ms']}.wav"
    made.facts = [replace(f, body=f.body | {"path": name}) if f.kind == "recorded" else f for f in made.facts]
    path = keeper.vault / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, body["bytes"])
    Path(f"{path}.json").write_text("{}")
    return path


def test_nothing_is_due_before_three_in_the_morning() -> None:
    """The day begins at 03:00 of the centre's zone; days are counted back from its midnight; 0 keeps for ever."""
    assert due(KEEP, ZONE, at("2026-06-15 02:59")) == ()
    found = {one.kind: one for one in due(KEEP, ZONE, NOW)}
    assert {kind: one.before_ms for kind, one in found.items()} == {
        "recordings": at("2026-06-05"),
        "spool": at("2026-06-12"),
        "calls": at("2026-05-16"),
        "agent_states": at("2026-05-16"),
        "bad_facts": at("2026-06-10"),
    }
    assert {one.day for one in found.values()} == {"2026-06-15"}
    assert due(Retention(0, 0, 0, 0, 0), ZONE, NOW) == ()
    assert next(iter(found)) == "recordings", "files first: to delete them needs no space"


def test_a_day_of_23_hours_is_a_day() -> None:
    """Midnights are those of the wall, also where clocks change."""
    zone = ZoneInfo("Europe/Berlin")
    found = due(replace(KEEP, calls_days=1), zone, at("2026-03-29 12:00", zone))
    assert next(one.before_ms for one in found if one.kind == "calls") == at("2026-03-28 00:00", zone)


def test_old_calls_go_with_everything_of_them(keeper: Keeper, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, segments, menu steps, recordings and facts of calls before the limit go, step by step; a later call stays whole."""
    monkeypatch.setattr(retention, "STEP", 2)
    limit = the("calls").before_ms
    old = [answered(limit - 300_000 - n, n) for n in range(5)]
    kept = [answered(limit, 100), answered(limit - 1000, 101)]  # the second one began before midnight and ended after it
    store_all(database, [fact for made in (*old, *kept) for fact in made.facts], 50)
    assert all_of(keeper, "calls") == 5
    ids = {made.call for made in kept}
    assert {row["id"] for row in rows(database, CallRow)} == ids
    for model in (SegmentRow, MenuStepRow, RecordingRow):
        assert {row["call"] for row in rows(database, model)} == ids
    assert {row["call"] for row in rows(database, FactRow) if row["call"]} == ids
    assert len([row for row in rows(database, FactRow) if not row["call"]]) == 3 * 7, "states of agents are a kind of their own"


def test_old_states_of_agents_go(keeper: Keeper, database: Database) -> None:
    """Stretches that ended before the limit go with their facts; one that lasts stays, however old."""
    limit = the("agent_states").before_ms
    old = answered(limit - 10 * DAY_MS, 1, "a1")
    lasts = CallFacts(limit - 9 * DAY_MS).state("a2", "not_ready", "ready")
    new = answered(limit + DAY_MS, 2, "a1")
    store_all(database, [fact for made in (old, lasts, new) for fact in made.facts], 50)
    assert all_of(keeper, "agent_states") > 0
    left = rows(database, AgentStateRow)
    assert {row["agent"] for row in left if not row["end_ms"]} == {"a1", "a2"}, "what lasts"
    assert all(row["end_ms"] >= limit for row in left if row["end_ms"])
    assert [row["state"] for row in left if row["start_ms"] < limit and row["agent"] == "a1"] == ["after_call"], "ended later"
    facts = {row["id"] for row in rows(database, FactRow) if not row["call"]}
    assert facts == {row["id"] for row in left}
    assert len(rows(database, CallRow)) == 2, "calls are a kind of their own"


def test_old_recordings_go_and_their_calls_say_so(keeper: Keeper, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and sidecars of old days go, their rows say deleted, the audit misses nothing; younger and failed ones stay."""
    monkeypatch.setattr(retention, "STEP", 3)
    limit = the("recordings").before_ms
    old = [answered(limit - 5 * DAY_MS - n * DAY_MS, n) for n in range(4)]
    young = answered(limit + DAY_MS, 50)
    failed = (
        CallFacts(limit - 5 * DAY_MS, 60)
        .arrive()
        .enqueue()
        .offer()
        .bridge()
        .end(record=False)
        .media("recording_failed", reason="X")
    )
    gone, stays = [filed(keeper, made) for made in old], filed(keeper, young)
    store_all(database, [fact for made in (*old, young, failed) for fact in made.facts], 50)
    assert all_of(keeper, "recordings") == 8
    assert not any(path.exists() or path.parent.exists() for path in gone) and stays.exists() and Path(f"{stays}.json").exists()
    told = {row["id"]: row["recording"] for row in rows(database, CallRow)}
    assert told == {**{made.call: "deleted" for made in old}, young.call: "filed", failed.call: "failed"}
    assert {row["reason"] for row in rows(database, RecordingRow) if row["call"] in {made.call for made in old}} == {"deleted"}
    report = audit(database, "main", (0, NOW), Policy(), NOW, keeper.vault)
    assert report.by_code == {"recording_failed": 1}


def test_a_recording_stays_until_its_day_was_over(keeper: Keeper, database: Database) -> None:
    """The vault has folders of UTC days: what began on the day of the limit stays, file and row, until the next night."""
    utc = ZoneInfo("UTC")  # the limit, midnight of the fifth in Shanghai, is 16:00 of the fourth
    before, on = answered(at("2026-06-03 23:00", utc), 1), answered(at("2026-06-04 01:00", utc), 2)
    gone, stays = filed(keeper, before), filed(keeper, on)
    store_all(database, [*before.facts, *on.facts], 50)
    all_of(keeper, "recordings")
    assert (gone.exists(), stays.exists()) == (False, True)
    assert {row["id"]: row["recording"] for row in rows(database, CallRow)} == {before.call: "deleted", on.call: "filed"}
    all_of(keeper, "recordings", NOW + DAY_MS)
    assert not stays.exists() and {row["recording"] for row in rows(database, CallRow)} == {"deleted"}


def test_a_recording_without_a_row_goes_too(keeper: Keeper) -> None:
    """A file that a lost database knew goes by the day of its folder; what is no day, and the vault itself, stay."""
    strange = keeper.vault / "2026" / "13" / "99" / "x.wav"
    lost = keeper.vault / "2020" / "02" / "29" / "x.wav"
    for path in (strange, lost):
        path.parent.mkdir(parents=True)
        path.touch()
    assert all_of(keeper, "recordings") == 1
    assert strange.exists() and not (keeper.vault / "2020").exists()


def test_what_was_cut_off_is_done_the_next_day(keeper: Keeper, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that dies between file and row leaves a row without a file; the next day marks it."""
    made = answered(the("recordings").before_ms - 5 * DAY_MS)
    filed(keeper, made)
    store_all(database, made.facts, 50)
    with monkeypatch.context() as patch:
        patch.setattr(keeper, "_count", lambda *_: (_ for _ in ()).throw(OperationalError("update", {}, Exception("disk full"))))
        with pytest.raises(OperationalError):
            keeper.step(the("recordings"))
    assert rows(database, CallRow)[0]["recording"] == "filed"
    all_of(keeper, "recordings", NOW + DAY_MS)
    assert rows(database, CallRow)[0]["recording"] == "deleted"


def test_spool_and_bad_facts(keeper: Keeper, database: Database) -> None:
    """Audio that lay untouched goes from every folder of every node; what is being written, and foreign folders, stay."""
    for node in ("m1", "m2"):
        for name in ("pcaps", "metadata", "tmp", "jobs", "unusable", "other"):
            for age, word in ((4, "old"), (0, "new")):
                path = keeper.spool / node / name / word
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                os.utime(path, times=((NOW - age * DAY_MS) / 1000,) * 2)
    assert all_of(keeper, "spool") == 10
    assert (
        sorted({path.name for path in keeper.spool.rglob("*/old")})
        == ["old"]
        == [p.name for p in (keeper.spool / "m1" / "other").glob("old")]
    )
    with database.write() as connection:
        bad = [{"entry": f"{n}-0", "tenant": "main", "at_ms": NOW - n * DAY_MS, "why": "", "raw": ""} for n in range(1, 11)]
        connection.execute(insert(table(BadFactRow)), bad)
    assert all_of(keeper, "bad_facts") == 5 and len(rows(database, BadFactRow)) == 5


def test_one_console_a_day_deletes(keeper: Keeper, database: Database) -> None:
    """Of several consoles one claims a kind on a day; on the next day it is to be claimed again. Other tenants are left alone."""
    other = Keeper(database, "main", keeper.vault, keeper.spool)
    one = the("calls")
    assert keeper.claim(one, NOW) and not other.claim(one, NOW) and other.claim(the("calls", now_ms=NOW + DAY_MS), NOW + DAY_MS)
    foreign = CallFacts(one.before_ms - DAY_MS, 1, "other").edge("edge_invite", "invite")
    store_all(database, foreign.facts, 50)
    assert keeper.step(one) == 0 and len(rows(database, CallRow)) == 1


async def test_the_console_deletes_once_a_day(tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running console whose clock passes three in the morning deletes, counts what it deleted, and does so again the next day."""
    redis.Redis(port=redis_server.port).flushall()
    monkeypatch.setattr(wiring, "RETENTION_S", 0.02)
    clock = ManualClock(at("2026-06-15 02:58"))
    config = replace(centre(tmp_path / "state", redis_server.port), retention=KEEP)
    desk = await Desk(config, clock).start()
    try:
        first, second = answered(clock.at - 40 * DAY_MS, 1), answered(the("calls").before_ms + DAY_MS // 2, 2)
        await desk.fact(*first.facts, *second.facts)
        database = desk.app.ctx.database
        clock.advance(60_000)
        await until_async(lambda: len(rows(database, CallRow)) == 2, 10, "calls stored")
        assert rows(database, DeletionRow) == []
        clock.advance(60_000)
        await until_async(lambda: [row["id"] for row in rows(database, CallRow)] == [second.call], 5, "the old call is gone")
        clock.advance(DAY_MS)
        await until_async(lambda: rows(database, CallRow) == [], 5, "the other one is gone a day later")
        await until_async(lambda: len(rows(database, DeletionRow)) == 10, 5, "all kinds of both days")
        counts = {(row["day"], row["kind"]): row["count"] for row in rows(database, DeletionRow)}
        assert counts["2026-06-15", "calls"] == counts["2026-06-16", "calls"] == 1
        shown = desk.app.metrics.registry.get_sample_value("tierline_deleted_total", {"kind": "calls"})
        assert shown == 2
    finally:
        await desk.stop()


@pytest.mark.parametrize("text", ["calls_days = 30", "recordings_days = 0", "calls_days = 30\nrecordings_days = 31"])
def test_recordings_do_not_outlive_their_calls(text: str) -> None:
    """Nobody finds a recording whose call is gone: such a setting is refused with what to write."""
    with pytest.raises(ConfigError) as told:
        loads(f'[centre]\nname = "x"\n[retention]\n{text}\n', Path("c.toml"))
    assert "retention.recordings_days: recordings would be kept longer than their calls; write 1 to" in str(told.value)


def test_calls_for_ever_allow_everything() -> None:
    """With calls_days = 0 recordings may be kept for any time."""
    for days in (0, 1, 9999):
        loads(f'[centre]\nname = "x"\n[retention]\ncalls_days = 0\nrecordings_days = {days}\n', Path("c.toml"))
