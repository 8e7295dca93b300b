"""The trail: what people did, who, to whom, from where, before and after."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from console.ledger.database import Database
from console.ledger.trail import Act, ActSearch, Trail
from ops import rulebook
from tests.console.desk import Browser, Desk
from tests.console.samples import answered
from tests.kit.wait import until_async

T0 = 1_760_000_000_000


async def acts(boss: Browser, verb: str) -> list[dict[str, Any]]:
    """Who did what to whom, newest first."""
    return [{name: act[name] for name in ("who", "subject", "before", "after")} for act in await rows(boss, verb)]


async def rows(boss: Browser, verb: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await boss.get(f"/api/trail?verb={verb}"))["acts"]
    return found


async def test_logins(desk: Desk) -> None:
    """Log-in, log-out and a wrong password stand there with the address; what was typed as an unknown name does not."""
    boss, agent, stranger = await desk.browser("boss"), await desk.browser("a1"), await desk.browser()
    await agent.post("/api/logout")
    for name in ("a1", "my-password"):
        assert (await stranger.call("POST", "/api/login", {"user": name, "password": "x"}))[0] == 401
    everything = {"subject": "a1", "before": {}, "after": {}}
    assert (await acts(boss, "login"))[0] == {"who": "a1", **everything} == (await acts(boss, "logout"))[0]
    ctx = desk.app.ctx
    failed = ctx.acts.trail.find(ActSearch(verb="login_failed"), 9)
    assert [(act.who, act.address) for act in failed] == [("", "127.0.0.1"), ("a1", "127.0.0.1")]
    assert "my-password" not in json.dumps(await boss.get("/api/trail"))


async def test_forced(desk: Desk) -> None:
    """Forced not-ready and log-out name the supervisor and the agent's state before and after; what was refused leaves no act."""
    agent, boss = await desk.browser("a1"), await desk.browser("boss")
    await agent.post("/api/agent/ready")
    await boss.post("/api/agents/a1/not-ready", {"reason": "meal"})
    ready, meal, out = {"state": "ready"}, {"state": "not_ready", "reason": "meal"}, {"state": "logged_out"}
    assert await acts(boss, "force_not_ready") == [{"who": "boss", "subject": "a1", "before": ready, "after": meal}]
    desk.router.talks("a1")
    await boss.post("/api/agents/a1/logout")
    desk.router.put("a1", 2, reason="meal")
    await boss.post("/api/agents/a1/logout")
    first, second = await acts(boss, "force_logout")
    assert second["after"] == {"state": "talking", "next": "logged_out"}
    assert first == {"who": "boss", "subject": "a1", "before": meal, "after": out}
    assert (await boss.call("POST", "/api/agents/a1/not-ready", {"reason": "meal"}))[0] == 409
    assert len(await rows(boss, "force_not_ready")) == 1
    assert {act["address"] for act in (await boss.get("/api/trail"))["acts"]} == {"127.0.0.1"}


async def test_listening_and_export(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listening is one act however many parts the player asks for; an export has its filters; no trail, neither."""
    boss = await desk.browser("boss")
    made = answered(T0)
    await desk.fact(*made.facts)

    await until_async(lambda: desk.app.ctx.queries.recording(made.call, 1) is not None, 10, "the recording is stored")
    path = str(desk.app.ctx.queries.recording(made.call, 1))
    wav = desk.config.vault / path
    wav.parent.mkdir(parents=True)
    wav.write_bytes(b"RIFF" + bytes(1000))
    url = f"/api/calls/{made.call}/recordings/1"
    for part in ("bytes=100-199", "bytes=0-99", "bytes=200-"):
        assert (await boss.call("GET", url, headers={"Range": part}))[0] == 206
    assert await acts(boss, "listened") == [{"who": "boss", "subject": made.call, "before": {}, "after": {"recording": 1}}]
    other = await desk.browser("boss")
    assert (await other.call("GET", url, headers={"Range": "bytes=5-9"}))[0] == 206
    assert len(await rows(boss, "listened")) == 2
    assert (await boss.call("GET", "/api/calls.csv?queue=bills&number=13812345678"))[0] == 200
    assert (await acts(boss, "calls_exported"))[0]["after"] == {"queue": "bills", "number": "…5678"}

    def away(act: Act) -> None:
        raise OperationalError("insert", {}, Exception("away"))

    monkeypatch.setattr(desk.app.ctx.acts.trail, "add", away)
    third = desk.app.ctx.acts
    third._heard.clear()
    assert (await boss.call("GET", url))[0] == 503 and (await boss.call("GET", url))[0] == 503
    assert (await boss.call("GET", "/api/calls.csv"))[0] == 503


async def test_rules_and_passwords(desk: Desk) -> None:
    """A change and an export of the rules have their version, a reset and an own change of a password their person."""
    boss, agent = await desk.browser("boss"), await desk.browser("a1")
    book = rulebook.plain(desk.app.rules.book)
    changed = book | {"queue": [row | {"priority": 7} for row in book["queue"]]}
    await boss.post("/api/rules", {"base": 1, "why": "try", "book": changed})
    after = {"version": 2, "why": "try"}
    assert await acts(boss, "rules_changed") == [{"who": "boss", "subject": "2", "before": {"version": 1}, "after": after}]
    await boss.call("GET", "/api/rules.toml")
    assert (await acts(boss, "rules_exported"))[0]["subject"] == "2"
    await agent.post("/api/password", {"old": "secret-a1", "password": "another password"})
    assert await acts(boss, "password_changed") == [{"who": "a1", "subject": "a1", "before": {}, "after": {}}]
    await boss.post("/api/people/a1/passwords")
    assert await acts(boss, "password_reset") == [{"who": "boss", "subject": "a1", "before": {}, "after": {}}]


async def test_acts_wait_for_the_database(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor works on while SQL is away; the act is written when it is back."""
    await desk.browser("a1")
    boss = await desk.browser("boss")
    ctx = desk.app.ctx

    def away(act: Act) -> None:
        raise OperationalError("insert", {}, Exception("away"))

    with monkeypatch.context() as patched:
        patched.setattr(ctx.acts.trail, "add", away)
        await boss.post("/api/agents/a1/logout")
    assert await rows(boss, "force_logout") == [] and len(ctx.acts.waiting) == 1
    await ctx.acts.retry()
    assert (await acts(boss, "force_logout"))[0]["subject"] == "a1" and not ctx.acts.waiting


def test_search_and_pages(database: Database) -> None:
    """Acts are found by who, verb, subject and time, newest first, a page after the other; another tenant's are not."""
    trail = Trail(database, "main")
    for n in range(5):
        trail.add(Act(f"id{n}", 1000 + n // 2, "boss", "supervisor", "::1", "listened", f"c{n}", after={"recording": n}))
    trail.add(Act("other", 5000, "root", "administrator", "::1", "login", "root"))
    Trail(database, "second").add(Act("foreign", 5000, "boss", "supervisor", "::1", "login", "boss"))
    found = trail.find(ActSearch(who="boss"), 3)
    assert [act.id for act in found] == ["id4", "id3", "id2"] and found[0].after == {"recording": 4}
    rest = trail.find(ActSearch(who="boss", before=(found[-1].at_ms, found[-1].id)), 3)
    assert [act.id for act in rest] == ["id1", "id0"]
    assert [act.id for act in trail.find(ActSearch(from_ms=1001, to_ms=1002), 9)] == ["id3", "id2"]
    assert [act.id for act in trail.find(ActSearch(seen_by="root", subjects=["c1"]), 9)] == ["other", "id1"]
    assert [act.id for act in trail.find(ActSearch(verb="login", subject="root"), 9)] == ["other"]
    with pytest.raises(IntegrityError):
        trail.add(replace(found[0], who="somebody else"))
