"""The call list as a spreadsheet: everything, in the user's language and the centre's time, and nothing that runs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import redis
from sqlalchemy.exc import OperationalError

from console.api import calls
from console.api.spreadsheet import COLUMNS, Sheet, safe
from console.api.words import LANGUAGES, words
from ops.config import ConfigError, loads
from tests.console.desk import Browser, Desk, centre
from tests.console.samples import CallFacts, abandoned, answered, day
from tests.console.test_calls import T0, filled
from tests.kit.redis_server import RedisServer

Lines = list[dict[str, str]]


async def exported(boss: Browser, query: str = "") -> Lines:
    async with boss.http.get(f"{boss.url}/api/calls.csv{query}") as response:
        raw = await response.read()
        assert response.status == 200 and response.content_type == "text/csv", raw
        assert "calls.csv" in response.headers["Content-Disposition"]
    assert raw.startswith(b"\xef\xbb\xbf") and raw.endswith(b"\r\n")
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


async def test_heads_words_and_times_are_the_users(desk: Desk) -> None:
    """Chinese by default, English on request; times are those of the centre, whose zone stands in the head."""
    boss = await filled(desk, [answered(T0 + 50, 1), abandoned(T0, 2)])
    line = (await exported(boss))[0]
    assert line["呼入时间 (Asia/Shanghai)"] == "2025-10-09 16:53:20" and line["主叫号码"] == "13800000001"
    assert (line["技能组"], line["座席姓名"], line["结果"], line["挂断方"]) == ("账单查询", "王芳", "已接通", "主叫")
    assert line["通话时长（秒）"] == "30.0" and line["省份"] == "四川"
    line = (await exported(boss, "?language=en&outcome=abandoned"))[0]
    assert line["Arrived (Asia/Shanghai)"] == "2025-10-09 16:53:20" and line["Result"] == "Abandoned"
    assert (line["Queue"], line["Agent"], line["Answered by an agent (Asia/Shanghai)"]) == ("Bills", "", "")
    status, error = await boss.call("GET", "/api/calls.csv?language=fr")
    assert status == 400 and error["error"]["field"] == "language"


async def test_a_centre_elsewhere_has_its_own_time(tmp_path: Path, redis_server: RedisServer) -> None:
    """The zone of the configuration counts, not that of the machine or of the browser."""
    redis.Redis(port=redis_server.port).flushall()
    config = centre(tmp_path / "state", redis_server.port)
    desk = await Desk(replace(config, centre=replace(config.centre, zone="Asia/Urumqi", languages=("en", "zh")))).start()
    try:
        boss = await filled(desk, [answered(T0)])
        assert (await exported(boss))[0]["Arrived (Asia/Urumqi)"] == "2025-10-09 14:53:20"
    finally:
        await desk.stop()


def test_a_wrong_zone_is_told() -> None:
    """A zone that does not exist is refused with the nearest that does."""
    with pytest.raises(ConfigError) as told:
        loads('[centre]\nname = "hubei"\nzone = "Asia/Shanghia"\n', Path("centre.toml"))
    assert 'centre.zone: "Asia/Shanghia" is no time zone; write an IANA name like "Asia/Shanghai"' in str(told.value)


async def test_an_export_has_every_call(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Portion after portion is read until the end, also where portions divide calls of one millisecond; nothing is cut."""
    monkeypatch.setattr(calls, "PORTION", 3)
    made = [*day(T0, 10), *(answered(T0 + 5_000_000, 100 + n) for n in range(8))]
    boss = await filled(desk, made)
    lines = await exported(boss)
    assert len(lines) == 18 and {line["呼叫标识"] for line in lines} == {call.call for call in made}
    assert len(await exported(boss, "?outcome=abandoned")) == 2
    assert await exported(boss, "?number=0000000000") == []


@pytest.mark.parametrize("first", [True, False])
async def test_a_database_that_goes_away_is_no_short_file(desk: Desk, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """Before the first line the request fails with 503; later the download breaks off and does not look complete."""
    monkeypatch.setattr(calls, "PORTION", 2)
    boss = await filled(desk, list(day(T0, 5)))
    read, asked = desk.app.ctx.queries.calls, iter([first, True])

    def broken(*words: Any) -> Any:
        if next(asked):
            raise OperationalError("select", {}, Exception("disk I/O error"))
        return read(*words)

    monkeypatch.setattr(desk.app.ctx.queries, "calls", broken)
    if first:
        assert (await boss.call("GET", "/api/calls.csv"))[0] == 503
        return
    with pytest.raises(aiohttp.ClientPayloadError):
        async with boss.http.get(desk.url + "/api/calls.csv") as response:
            await response.read()


RISKY = ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1+1", "＋1+1", "－1", "＠SUM", "\t=1", "\r=1", "\n=1", " =1"]
RISKY += ["\u3000=1", "\u200b=1", "\ufeff＝1", "\x01=1", "\x01x", "|calc", "%0a", "−1", "﹢1", "﹣1", "﹦1", "﹫x"]


@pytest.mark.parametrize("text", RISKY)
def test_no_cell_runs(text: str) -> None:
    """What a spreadsheet may take for a formula, in any width and after anything unseen, gets an apostrophe before it."""
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "+8613800000007", "95500", "bill/pay", "四川", "anonymous", "a=b", "x+y", " x", "'=1"])
def test_plain_cells_stay(text: str) -> None:
    """Numbers with a plus and plain words are written as they are."""
    assert safe(text) == text


async def test_a_callers_text_is_made_safe(desk: Desk) -> None:
    """Names that a caller or carrier chose reach the file with the apostrophe."""
    evil = CallFacts(T0).edge("edge_invite", "invite", calling="＝HYPERLINK(1)", called="+8695500", trunk="@t")
    line = (await exported(await filled(desk, [evil])))[0]
    assert (line["主叫号码"], line["被叫号码"], line["中继"]) == ("'＝HYPERLINK(1)", "+8695500", "'@t")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_column_has_a_head(language: str) -> None:
    """Each column has a head of its own in each language."""
    sheet = Sheet(language, ZoneInfo("UTC"), {}, {})
    heads = [sheet.head(name) for name, _ in COLUMNS]
    assert len(set(heads)) == len(COLUMNS) and all(heads)
    assert {key for key in words(language) if key.startswith("csv.")} == {f"csv.{name}" for name, _ in COLUMNS}
