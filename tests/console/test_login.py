"""Log-in, sessions, roles, cross-site protection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tierline.agents.v1 import agents_pb2 as pb

from ops.clock import ManualClock
from tests.console.desk import Desk, centre
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async


async def test_login_starts_work(desk: Desk) -> None:
    """An agent's log-in opens a session with a safe cookie and starts work at the seat and with the skills of the configuration."""
    browser = await desk.browser()
    got = await browser.login("a1")
    assert (
        got["user"] == {"id": "a1", "name": "王芳", "role": "agent", "seat": "8001", "must_change": False} and got["router"] is True
    )
    view = desk.router.agents["a1"]
    assert view.seat == "8001" and {s.skill: s.level for s in view.skills} == {"bills": 1, "faults": 2}
    cookie = next(iter(browser.http.cookie_jar))
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    me = await browser.get("/api/me")
    assert me["user"]["id"] == "a1" and [reason["id"] for reason in me["reasons"]] == ["break", "meal"] and me["seats"] == []


async def test_second_browser_disturbs_nothing(desk: Desk) -> None:
    """The same agent in a second browser: both work, the state at the router stays."""
    first = await desk.browser("a1")
    await first.post("/api/agent/ready")
    second = await desk.browser("a1")
    assert (await second.get("/api/agent"))["agent"]["state"] == "ready"
    assert desk.router.asked.count("Login a1") == 1
    await second.post("/api/agent/not-ready", {"reason": "meal"})
    assert (await first.get("/api/agent"))["agent"]["reason"] == "meal"


async def test_logout_logs_out_at_the_router(desk: Desk) -> None:
    """Log-out ends the session and the work."""
    browser = await desk.browser("a1")
    await browser.post("/api/logout")
    assert desk.router.agents["a1"].state == pb.AGENT_STATE_LOGGED_OUT
    status, got = await browser.call("GET", "/api/me")
    assert status == 401 and got["error"]["code"] == "not_logged_in"


@pytest.mark.parametrize(("user", "password"), [("a1", "wrong"), ("nobody", "secret-a1"), ("a1", " secret-a1")])
async def test_wrong_login(desk: Desk, user: str, password: str) -> None:
    """A wrong password and an unknown user get the same answer, and no session."""
    browser = await desk.browser()
    status, got = await browser.call("POST", "/api/login", {"user": user, "password": password})
    assert (status, got["error"]["text"]) == (401, "user or password is wrong")
    assert not list(browser.http.cookie_jar)


async def test_session_runs_out(tmp_path: Path, redis_server: RedisServer) -> None:
    """After its hours a session is over, for requests and for the live connection, and the agent is logged out at the router."""
    clock = ManualClock()
    desk = await Desk(centre(tmp_path, redis_server.port), clock=clock).start()
    try:
        browser = await desk.browser("a1")
        clock.advance(desk.config.console.session_hours * 3_600_000 - 1)
        await browser.get("/api/me")
        clock.advance(1)
        assert (await browser.call("GET", "/api/me"))[0] == 401
        gone = await desk.app.ctx.sessions.expire()
        assert gone == ["a1"]
    finally:
        await desk.stop()


async def test_expired_agents_leave_the_router(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The housekeeping logs out the agent whose last session ran out."""
    await desk.browser("a1")
    ctx = desk.app.ctx
    token = next(iter(ctx.sessions._known))
    with ctx.database.write() as connection:
        connection.exec_driver_sql("UPDATE session SET expires_ms = 1 WHERE token = ?", (token,))
    monkeypatch.setattr("console.app.EXPIRE_S", 0.01)
    task = asyncio.create_task(desk.app._housekeeping())
    await until_async(lambda: desk.router.agents["a1"].state == pb.AGENT_STATE_LOGGED_OUT, 5, "agent is logged out")
    task.cancel()


async def test_roles(desk: Desk) -> None:
    """Agents get nothing of the supervisor's, supervisors no agent verbs, strangers nothing but log-in, health and description."""
    agent, boss, stranger = await desk.browser("a1"), await desk.browser("boss"), await desk.browser()
    for path in ("/api/board", "/api/calls", "/api/calls.csv", "/api/calls/x", "/api/calls/x/recordings/1", "/api/audit"):
        assert (await agent.call("GET", path))[0] == 403 and (await stranger.call("GET", path))[0] == 401
    assert (await boss.call("POST", "/api/agent/ready"))[0] == 403
    assert (await agent.call("POST", "/api/agents/a2/logout"))[0] == 403
    for path in ("/healthz", "/metrics", "/api/openapi.json", "/"):
        assert (await stranger.call("GET", path))[0] == 200


async def test_other_sites_are_kept_out(desk: Desk) -> None:
    """A foreign Origin, or no X-Tierline header, gets a 403 on anything that changes something and on the live connection."""
    browser = await desk.browser("a1")
    foreign = {"Origin": "http://evil.example"}
    assert (await browser.call("POST", "/api/agent/ready", headers=foreign))[0] == 403
    assert (await browser.call("POST", "/api/agent/ready", headers={"X-Tierline": ""}))[0] == 403
    assert (await browser.call("GET", "/api/live", headers=foreign))[0] == 403
    assert (await browser.call("POST", "/api/agent/ready", headers={"Origin": desk.url}))[0] == 200


async def test_users_follow_the_rules(desk: Desk) -> None:
    """Who is no longer in the rules cannot log in; stored passwords stay even if the credentials file changes."""
    await desk.browser("a1")  # its password is stored
    (desk.config.state / "credentials.json").write_text('{"users":[{"id":"a1","password":"other"}],"seats":[]}')
    book = desk.app.rules.book
    await desk.app.rules.change(1, replace(book, agent=book.agent[:1]), "boss", "leaves")
    second = await Desk(replace(desk.config, ports=replace(desk.config.ports, console=free_port()))).start(router=False)
    try:
        browser = await second.browser("a1")
        assert (await browser.call("POST", "/api/login", {"user": "boss", "password": "secret-boss"}))[0] == 401
    finally:
        await second.stop()
