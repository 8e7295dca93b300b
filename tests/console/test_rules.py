"""Versions of the rules at a console: made, checked, refused when somebody was quicker, brought to the routers, found there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from alembic import command
from alembic.config import Config
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select

from console.app import App
from console.ledger.database import Database
from console.ledger.models import FactRow, table
from console.ledger.rulebooks import RuleBooks
from console.metrics import Metrics
from ops import keys, menu, provision, rulebook
from ops.centre import Calendar, Hours
from ops.inner import CONSOLE, target
from tests.console.desk import CHEAP, Browser, Desk, centre
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

Json = dict[str, Any]


async def rules(browser: Browser) -> Json:
    got: Json = await browser.get("/api/rules")
    return got


async def made(browser: Browser, book: Json, base: int, why: str = "because") -> tuple[int, Json]:
    return await browser.call("POST", "/api/rules", {"base": base, "why": why, "book": book})


def with_row(book: Json, table_: str, id_: str, **fields: Any) -> Json:
    return book | {table_: [row | (fields if row["id"] == id_ else {}) for row in book[table_]]}


def test_versions_are_kept_in_both_databases(database: Database, tmp_path: Path) -> None:
    """A version is written once, read back equal, listed newest first; the second one to write the same number is told."""
    books = RuleBooks(database, "main")
    assert books.newest() is None and books.book(1) is None
    first = rulebook.seed(centre(tmp_path / "state", 1))
    second = replace(first, version=2, who="boss", why="急", at_ms=5)
    assert books.add(first, 4) and books.add(second, 5) and not books.add(replace(second, who="other"), 6)
    assert books.book(2) == second and RuleBooks(database, "other").newest() is None
    assert [(e.version, e.who, e.why, e.at_ms) for e in books.entries(5)] == [(2, "boss", "急", 5), (1, "", "centre.toml", 4)]
    assert [e.version for e in books.entries(5, before=2)] == [1]
    assert [e.sha256 for e in books.entries(1)] == [rulebook.sha256(second)]
    books.set_seats({"8001": "a", "8002": "b"})
    books.set_seats({"8002": "c"})
    assert books.seats() == {"8001": "a", "8002": "c"}


def test_a_ledger_of_the_first_version_gets_the_tables_for_rules(database_url: str) -> None:
    """A database as issue 2 left it, with rows in it, is brought up to date without losing any."""
    old = Database(database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "console" / "ledger" / "migrations"))
    fact = table(FactRow)
    with old.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(insert(fact), {"id": "f", "at_ms": 1, "tenant": "main", "source": "s", "kind": "k", "body": "{}"})
    old.migrate()
    with old.read() as connection:
        assert connection.execute(select(fact.c.id)).scalars().all() == ["f"]
    assert RuleBooks(old, "main").entries(1) == []
    old.close()


async def test_the_file_is_version_1_and_a_change_is_version_2(desk: Desk) -> None:
    """A change names who and why, is at the routers and in the history, and everything shown follows it."""
    boss, agent = await desk.browser("boss"), await desk.browser("a1")
    await until_async(lambda: desk.router.rules.version == 1, 5, "version 1 is at the router")
    now = await rules(boss)
    book = with_row(with_row(now["book"], "queue", "bills", zh="账单", priority=9), "agent", "a1", name="王小芳")
    book["not_ready"] = [*book["not_ready"], {"id": "audit", "zh": "质检", "en": "Audit"}]
    async with agent.live() as live:
        status, got = await made(boss, book, now["version"], "busy season")
        assert status == 200, got
        await live.until(lambda message: message["type"] == "rules")
    assert (got["version"], got["in_force"], got["passwords"], got["warnings"]) == (2, True, [], [])
    assert {(c["table"], c["row"], c["field"]) for c in got["changes"]} == {
        ("queue", "bills", "zh"),
        ("queue", "bills", "priority"),
        ("agent", "a1", "name"),
        ("not_ready", "audit", ""),
    }
    sent = rulebook.from_json(desk.router.rules.document)
    assert (sent.version, sent.who, sent.why, sent.queue[0].priority) == (2, "boss", "busy season", 9)
    me = await agent.get("/api/me")
    assert me["user"]["name"] == "王小芳" and me["queues"][0]["zh"] == "账单"
    assert (await agent.post("/api/agent/not-ready", {"reason": "audit"}))["agent"]["name"] == "王小芳"
    history = await boss.get("/api/rules/versions")
    assert [(v["version"], v["who"], v["why"]) for v in history["versions"]] == [(2, "boss", "busy season"), (1, "", "centre.toml")]
    assert (await boss.get("/api/rules/versions/2"))["changes"] == got["changes"]
    assert (await boss.get("/api/rules/versions/1"))["book"]["queue"][0]["priority"] == 0


async def test_who_was_slower_is_shown_what_changed(desk: Desk) -> None:
    """A change based on an old version is refused with 409 and the difference to the newest; nothing of it is taken."""
    boss = await desk.browser("boss")
    book = (await rules(boss))["book"]
    assert (await made(boss, with_row(book, "queue", "bills", priority=5), 1))[0] == 200
    status, got = await made(boss, with_row(book, "queue", "faults", priority=6), 1)
    assert status == 409 and got["error"]["code"] == "stale" and got["version"] == 2
    assert got["changes"] == [{"table": "queue", "row": "bills", "field": "priority", "old": 0, "new": 5}]
    now = await rules(boss)
    assert [row["priority"] for row in now["book"]["queue"]] == [5, 0]


async def test_all_or_nothing(desk: Desk) -> None:
    """Mistakes are all named by the path of the field; nothing is taken, also not what was right."""
    boss = await desk.browser("boss")
    book = with_row((await rules(boss))["book"], "queue", "bills", ring_s=0, calendar="none")
    book = with_row(book, "queue", "faults", priority=9)
    book["agent"][0]["skills"] = {"bills": 1, "flauts": 2}
    status, got = await made(boss, book, 1)
    assert status == 400 and got["error"]["code"] == "bad_rules"
    assert [m["field"] for m in got["mistakes"]] == ["queue[1].ring_s"]
    book["queue"][0]["ring_s"] = 20
    status, got = await boss.call("POST", "/api/rules/check", {"book": book})
    assert status == 400
    assert {m["field"]: m["text"] for m in got["mistakes"]} == {
        "agent[1].skills": 'no queue asks for the skill "flauts"; did you mean "faults"?',
        "queue[1].calendar": 'there is no calendar "none"; calendars are: none',
    }
    text = '[[queue]]\nid = "q"\nskill = "s"\nring = 3\n'
    status, got = await boss.call("POST", "/api/rules", {"base": 1, "why": "x", "text": text, "file": "new.toml"})
    assert status == 400 and got["error"]["text"].startswith("new.toml:4: queue[1].ring: unknown key; did you mean ring_s?")
    assert (await rules(boss))["version"] == 1
    status, got = await made(boss, (await rules(boss))["book"], 1)
    assert (status, got["error"]["code"]) == (400, "no_change")


@pytest.mark.parametrize("path", ["/api/rules", "/api/rules/versions", "/api/rules.toml", "/api/rules/versions/1"])
async def test_agents_may_not(desk: Desk, path: str) -> None:
    """Rules are for supervisors: an agent is refused, a stranger asked to log in."""
    agent, stranger = await desk.browser("a1"), await desk.browser()
    assert (await agent.call("GET", path))[0] == 403 and (await stranger.call("GET", path))[0] == 401
    for name in ("/api/rules", "/api/rules/check", "/api/rules/closing", "/api/people/a1/passwords"):
        assert (await agent.call("POST", name, {}))[0] == 403


async def test_warnings_before_a_change(desk: Desk) -> None:
    """A queue that loses its last agent, one removed under waiting calls, an agent taken out at work: allowed, and told."""
    boss = await desk.browser("boss")
    await desk.browser("a2")
    desk.router.queues["faults"].waiting = 3
    book = (await rules(boss))["book"]
    book["queue"] = book["queue"][:1]
    book["agent"] = [row | {"skills": {}} for row in book["agent"] if row["id"] != "a2"]
    status, got = await boss.call("POST", "/api/rules/check", {"book": book})
    assert status == 200, got
    told = [(warning["code"], warning["row"]) for warning in got["warnings"]]
    assert told == [("no_agents", "bills"), ("queue_waiting", "faults"), ("agent_at_work", "a2")]
    assert "3 waiting calls in it are still answered" in got["warnings"][1]["text"]
    assert (await made(boss, book, 1))[0] == 200
    assert "Logout a2" in desk.router.asked


async def test_a_queue_that_the_menu_leads_to_stays(desk: Desk) -> None:
    """Its removal is refused, at the check and at the change, naming queue and places of the menu, until the menu is another."""
    boss = await desk.browser("boss")
    now = await rules(boss)
    without = with_row(now["book"], "queue", "faults", id="repairs")
    index = desk.config.prompts / menu.INDEX
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps({"queues": {"faults": ["menu.main, item 2 (fault)"], "bills": ["menu.main.agent"]}}))
    for path, body in (("/api/rules/check", {}), ("/api/rules", {"base": 1, "why": "x"})):
        status, error = await boss.call("POST", path, body | {"book": without})
        assert (status, error["error"]["code"], error["mistakes"][0]["field"]) == (400, "bad_rules", "queue")
        assert '"faults" (menu.main, item 2 (fault))' in error["error"]["text"]
    assert (await rules(boss))["version"] == 1
    index.write_text(json.dumps({"queues": {"bills": ["menu.main.agent"]}}))
    status, told = await made(boss, without, 1)
    assert (status, told["version"]) == (200, 2), "nothing but the menu held it"


async def test_a_newcomer_gets_passwords_once(desk: Desk) -> None:
    """A new agent can log in and its seat register at once, by passwords that are shown once and kept nowhere in the clear."""
    boss, browser = await desk.browser("boss"), await desk.browser()
    book = (await rules(boss))["book"]
    book["agent"] = [*book["agent"], {"id": "a3", "name": "赵六", "seat": "8003", "skills": {"bills": 3}}]
    status, got = await made(boss, book, 1)
    assert status == 200, got
    first = next(one for one in got["passwords"] if one["user"] == "a3")
    assert await browser.post("/api/login", {"user": "a3", "password": first["password"]})
    assert desk.router.agents["a3"].seat == "8003"
    key, realm = keys.seat_auth("main", "8003"), desk.config.edge.realm
    want = provision.ha1("8003", realm, first["seat_password"]).encode()
    assert await desk.redis.hget(key, "ha1") == want
    kept = b"".join(path.read_bytes() for path in desk.config.state.glob("ledger.db*")).decode("latin1")
    assert first["password"] not in kept and first["seat_password"] not in kept
    await desk.redis.flushall()
    await desk.app.ctx.newcomers.provide()
    assert await desk.redis.hget(key, "ha1") == want, "an emptied Redis gets it back"
    again = (await boss.post("/api/people/a3/passwords"))["passwords"][0]
    assert again["password"] != first["password"] and await desk.redis.hget(key, "ha1") != want
    assert (await browser.call("POST", "/api/login", {"user": "a3", "password": first["password"]}))[0] == 401
    assert await browser.post("/api/login", {"user": "a3", "password": again["password"]})
    now = await rules(boss)
    now["book"]["agent"] = [row for row in now["book"]["agent"] if row["id"] != "a3"]
    assert (await made(boss, now["book"], 2))[0] == 200
    assert not await desk.redis.exists(key), "its phone cannot register any more"
    assert (await browser.call("GET", "/api/agent"))[0] == 401, "its session is over at once"


async def test_passwords_made_at_another_console(desk: Desk) -> None:
    """Two consoles, one database: a newcomer logs in at either, and other passwords put the old ones out of use at both."""
    there = App(
        replace(desk.config, ports=replace(desk.config.ports, console=free_port())),
        metrics=Metrics(CollectorRegistry()),
        passwords=CHEAP,
    )
    await there.start()
    other = Browser(f"http://127.0.0.1:{there.config.ports.console}")
    try:
        await other.login("boss")
        boss = await desk.browser("boss")
        book = (await rules(boss))["book"]
        book["agent"] = [*book["agent"], {"id": "a3", "name": "赵六", "seat": "8003", "skills": {"bills": 3}}]
        _, got = await made(boss, book, 1)
        await until_async(lambda: "a3" in there.ctx.sessions.users, 5, "the other console has the version")
        words = {"user": "a3", "password": next(one["password"] for one in got["passwords"] if one["user"] == "a3")}
        assert (await other.call("POST", "/api/login", words))[0] == 200
        (anew,) = (await boss.post("/api/people/a3/passwords"))["passwords"]
        assert (await other.call("POST", "/api/login", words))[0] == 401
        assert (await other.call("POST", "/api/login", words | {"password": anew["password"]}))[0] == 200
    finally:
        await other.close()
        await there.stop()


async def test_emergency_closing_and_opening(desk: Desk) -> None:
    """One request closes a queue with the reason shown, one opens it; what others changed meanwhile is kept."""
    boss = await desk.browser("boss")
    got = await boss.post("/api/rules/closing", {"kind": "queue", "id": "bills", "closed": "停电"})
    assert got["in_force"] and rulebook.from_json(desk.router.rules.document).queue[0].closed == "停电"
    shown = (await rules(boss))["openings"]
    assert [(o["id"], o["state"], o["closed"]) for o in shown] == [("bills", "emergency", "停电"), ("faults", "open", "")]
    await boss.post("/api/rules/closing", {"kind": "queue", "id": "bills"})
    assert (await rules(boss))["openings"][0]["state"] == "open"
    status, got = await boss.call("POST", "/api/rules/closing", {"kind": "branch", "id": "x", "closed": "y"})
    assert (status, got["error"]["code"]) == (404, "unknown_branch")


async def test_the_page_is_told_until_when_a_queue_is_open(desk: Desk) -> None:
    """A queue with a calendar shows its state and the moment that changes."""
    boss = await desk.browser("boss")
    book = with_row((await rules(boss))["book"], "queue", "bills", calendar="always")
    hours = Hours("mon-sun", "00:00", "12:00")
    book["calendar"] = [rulebook.plain(Calendar("always", "UTC", (hours,)))]
    assert (await made(boss, book, 1))[0] == 200
    now = await rules(boss)
    noon = now["now_ms"] - now["now_ms"] % 86_400_000 + 43_200_000
    opening = now["openings"][0]
    assert opening["state"] == ("open" if now["now_ms"] < noon else "closed")
    assert opening["until_ms"] == (noon if now["now_ms"] < noon else noon + 43_200_000)


async def test_files_out_and_in(desk: Desk) -> None:
    """What is exported is taken again as the same rules, as TOML and as JSON, also after changes by hand."""
    boss = await desk.browser("boss")
    for kind in ("toml", "json"):
        status, text = await boss.call("GET", f"/api/rules.{kind}")
        assert status == 200
        text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
        status, got = await boss.call("POST", "/api/rules/check", {"text": text, "file": f"x.{kind}"})
        assert status == 200 and got["changes"] == [], got
        changed = re.sub('账单[^"]*', f"账单{kind}", text)
        body = {"base": (await rules(boss))["version"], "why": "file", "text": changed, "file": f"x.{kind}"}
        assert (await boss.post("/api/rules", body))["changes"][0]["new"] == f"账单{kind}"


async def test_agents_by_a_table(desk: Desk) -> None:
    """A CSV adds agents to the newest rules and gives their first passwords; a bad row is told by its line and changes nothing."""
    boss = await desk.browser("boss")
    body = {"base": 1, "why": "shift", "file": "shift.csv", "text": "\ufeff工号,姓名,座席,技能\na8,钱七,8008,bills=2\n"}
    bad = body | {"text": f"{body['text']}a9,孙八,8009,bills=1;bills=2\n"}
    status, got = await boss.call("POST", "/api/rules", bad)
    assert status == 400 and 'line 3: "bills" stands twice' in json.dumps(got, ensure_ascii=False).replace('\\"', '"'), got
    assert (await rules(boss))["version"] == 1
    got = await boss.post("/api/rules", body)
    assert [(one["user"], one["seat"]) for one in got["passwords"]] == [("a8", "8008")]
    assert len(got["changes"]) == 1 and "a8" in str(got["changes"]), got["changes"]


async def test_a_name_twice_in_a_body(desk: Desk) -> None:
    """JSON that names a skill twice is refused whole: the last level does not win unseen."""
    boss = await desk.browser("boss")
    text = '{"book":{"agent":[{"id":"a","name":"A","skills":{"bills":1,"bills":5}}]}}'
    async with boss.http.post(f"{boss.url}/api/rules/check", data=text, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 400 and "stands twice" in await answer.text()


async def test_router_away_the_change_waits(desk: Desk) -> None:
    """Without a router a change is kept and told as not yet in force; it is brought as soon as one answers."""
    boss = await desk.browser("boss")
    await desk.router.stop()
    got = await boss.post("/api/rules/closing", {"kind": "queue", "id": "bills", "closed": "fire"})
    assert got["version"] == 2 and not got["in_force"] and got["why_not"]
    await desk.router.start(target(desk.config.routers[0], CONSOLE))
    await until_async(lambda: desk.router.rules.version == 2, 10, "version 2 is at the router")

    async def told() -> bool:
        return bool((await rules(boss))["in_force"])

    await until_async(told, 5, "the page knows")


async def test_an_emptied_redis_and_an_emptied_database_get_the_newest_again(desk: Desk, tmp_path: Path) -> None:
    """Whoever has the newest version restores it: the console to routers that forgot, the routers to a console that did."""
    boss = await desk.browser("boss")
    await boss.post("/api/rules/closing", {"kind": "queue", "id": "bills", "closed": "fire"})
    document = desk.router.rules.document
    desk.router.rules = type(desk.router.rules)()
    await until_async(lambda: desk.router.rules.document == document, 5, "the router has it again")
    other = replace(desk.config, console=replace(desk.config.console, database=f"sqlite:///{tmp_path / 'new.db'}"))
    ports = replace(other.ports, console=free_port())
    app = App(replace(other, ports=ports), metrics=Metrics(CollectorRegistry()), passwords=CHEAP)
    await app.start()
    try:
        await until_async(lambda: app.rules.book.version == 2, 5, "the new database has version 2")
        assert app.rules.books.book(2) == rulebook.from_json(document)
        assert app.ctx.config.queue[0].closed == "fire"
    finally:
        await app.stop()


async def test_other_rules_of_the_same_version_become_the_next_one(desk: Desk) -> None:
    """Rules in force at the routers that differ from ours under our own version become the next version; ours is kept."""
    boss = await desk.browser("boss")
    await until_async(lambda: desk.app.rules.told.in_force, 5, "version 1 is in force")
    other = replace(desk.app.rules.book, queue=(replace(desk.app.rules.book.queue[0], priority=7), desk.app.rules.book.queue[1]))
    document = rulebook.to_json(other)
    desk.router.rules = type(desk.router.rules)(version=1, sha256=rulebook.sha256(other), document=document)
    await until_async(lambda: desk.app.rules.book.version == 2, 10, "what is in force is version 2")
    await until_async(lambda: desk.router.rules.version == 2, 10, "the router calls it so")
    assert (await rules(boss))["book"]["queue"][0]["priority"] == 7
    first = desk.app.rules.books.book(1)
    assert first is not None and first.queue[0].priority == 0


async def test_a_changed_file_is_not_what_is_in_force(tmp_path: Path, redis_server: RedisServer) -> None:
    """After a restart with another file the newest version still holds: people and queues of the file alone are not taken."""
    redis.Redis(port=redis_server.port).flushall()
    config = centre(tmp_path / "state", redis_server.port)
    first = await Desk(config).start()
    boss = await first.browser("boss")
    await boss.post("/api/rules/closing", {"kind": "queue", "id": "faults", "closed": "fire"})
    await first.stop()
    changed = replace(config, queue=(replace(config.queue[0], priority=50), config.queue[1]))
    second = await Desk(changed).start()
    try:
        boss = await second.browser("boss")
        now = await rules(boss)
        assert now["version"] == 2 and [row["priority"] for row in now["book"]["queue"]] == [0, 0]
        assert now["book"]["queue"][1]["closed"] == "fire"
    finally:
        await second.stop()
