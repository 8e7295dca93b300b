"""The live connection and the agents' verbs, with a router stand-in that can be made to vanish or contradict."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.exc import OperationalError
from tierline.agents.v1.agents_pb2 import QueueView

from console.api import live as live_module
from console.api.agent import leave
from ops.facts import Fact
from ops.inner import CONSOLE, target
from tests.console.desk import Desk, centre
from tests.console.fake_router import FakeRouter
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.kit.workers import alone


def changed(agent: str, state: str) -> Fact:
    """An agent_changed fact of now, as the router writes it."""
    now = time.time_ns() // 1_000_000
    return Fact(f"{agent}:r:{now}:{time.time_ns()}", now, "main", "router:r1", "agent_changed", {"state": state}, "", agent)


@alone
async def test_agent_sees_the_call_within_a_second(desk: Desk) -> None:
    """A fact on the stream brings the agent's new state with the call's data to the page within a second."""
    browser = await desk.browser("a1")
    async with browser.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        desk.router.rings("a1", "call-1", "13812345678")
        began = time.monotonic()
        await desk.fact(changed("a1", "offered"))
        got = await live.until(lambda m: m["type"] == "agent" and m["agent"]["state"] == "offered", 2)
        assert time.monotonic() - began < 1
    call = got["agent"]["call"]
    assert (call["calling"], call["queue"], call["menu_path"]) == ("13812345678", "bills", ["main", "bill"])
    assert call["home"] == {"country": "CN", "province": "四川", "city": "成都", "carrier": "中国移动"}


async def test_agents_see_only_themselves(desk: Desk) -> None:
    """An agent's connection carries nothing about another agent, and no board."""
    first = await desk.browser("a1")
    await desk.browser("a2")
    async with first.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        desk.router.rings("a2", "call-2", "13900000000")
        await desk.fact(changed("a2", "offered"))
        desk.router.rings("a1", "call-1", "13812345678")
        await desk.fact(changed("a1", "offered"))
        await live.until(lambda m: m["type"] == "agent" and m["agent"]["state"] == "offered")
        assert {m["type"] for m in live.seen} <= {"agent", "router"}
        assert {m["agent"]["agent"] for m in live.seen if m["type"] == "agent"} == {"a1"}


async def test_board_is_whole_first_then_changes(desk: Desk) -> None:
    """A supervisor gets the whole board at once, then only rows that changed; a second supervisor gets the whole one too."""
    await desk.browser("a1")
    await desk.browser("a2")
    boss = await desk.browser("boss")
    async with boss.live() as live:
        first = await live.until(lambda m: m["type"] == "board")
        assert first["full"] and [row["agent"] for row in first["agents"]] == ["a1", "a2"]
        assert [row["queue"] for row in first["queues"]] == ["bills", "faults"]
        desk.router.queues["bills"].MergeFrom(QueueView(waiting=3, callbacks=2, resting=1))
        desk.router.put("a1", 3)
        await desk.fact(changed("a1", "ready"))
        news = await live.until(lambda m: m["type"] == "board" and m["agents"])
        assert not news["full"] and [row["agent"] for row in news["agents"]] == ["a1"]
        assert [(row["waiting"], row["callbacks"], row["resting"]) for row in news["queues"]] == [(3, 2, 1), (0, 0, 0)]
        async with boss.live() as second:
            assert len((await second.until(lambda m: m["type"] == "board"))["agents"]) == 2


async def test_nobody_watches_nobody_is_asked(desk: Desk) -> None:
    """Without a watcher facts cause no question to the router; with one, many facts cause few."""
    for _ in range(5):
        await desk.fact(changed("a1", "ready"))
    await until_async(lambda: desk.app.reader.smooth, 5, "facts were read")
    assert desk.router.boards == 0
    boss = await desk.browser("boss")
    async with boss.live() as live:
        await live.until(lambda m: m["type"] == "board")
        before = desk.router.boards
        for n in range(200):
            await desk.fact(changed(f"a{n % 2 + 1}", "ready"))
        await asyncio.sleep(0.5)
        assert desk.router.boards - before <= 8


@alone
async def test_a_verb_shows_at_once_everywhere(desk: Desk) -> None:
    """An agent's verb reaches the supervisor's board without waiting for its fact."""
    agent, boss = await desk.browser("a1"), await desk.browser("boss")
    async with boss.live() as live:
        await live.until(lambda m: m["type"] == "board")
        await agent.post("/api/agent/ready")
        await live.until(lambda m: m["type"] == "board" and [row["state"] for row in m["agents"]] == ["ready"], 1)


async def test_verbs_and_their_errors(desk: Desk) -> None:
    """Ready, not ready with a configured reason, after-call work; what the state forbids is a 409 with the router's words."""
    agent = await desk.browser("a1")
    assert (await agent.post("/api/agent/ready"))["agent"]["state"] == "ready"
    got = (await agent.post("/api/agent/not-ready", {"reason": "meal"}))["agent"]
    assert (got["state"], got["reason"]) == ("not_ready", "meal")
    status, got = await agent.call("POST", "/api/agent/end-after-call")
    assert status == 409 and got["error"]["code"] == "state" and "EndAfterCall" in got["error"]["text"]
    for body, field in (
        ({"reason": "odd"}, "reason"),
        ({}, "reason"),
        ({"reason": 5}, "reason"),
        ({"reason": "meal", "x": 1}, "x"),
    ):
        status, got = await agent.call("POST", "/api/agent/not-ready", body)
        assert status == 400 and got["error"]["field"] == field
    async with agent.http.post(desk.url + "/api/agent/not-ready", data=b"{nonsense") as response:
        assert response.status == 400 and (await response.json())["error"]["code"] == "bad_json"
    async with agent.http.post(desk.url + "/api/agent/not-ready", data=b"[" * 60_000) as response:
        assert response.status == 400
    async with agent.http.post(desk.url + "/api/agent/not-ready", data=b"x" * 70_000) as response:
        assert response.status == 413 and (await response.json())["error"]["code"]
    status, got = await agent.call("DELETE", "/api/agent/ready")
    assert status == 405 and got["error"]["code"] == "method_not_allowed"


async def test_supervisor_forces(desk: Desk) -> None:
    """A supervisor makes an agent not ready and logs him out; unknown agents and other supervisors are a 404."""
    agent, boss = await desk.browser("a1"), await desk.browser("boss")
    await boss.post("/api/agents/a1/not-ready", {"reason": "break"})
    assert (await agent.get("/api/agent"))["agent"]["reason"] == "break"
    await boss.post("/api/agents/a1/logout")
    assert (await agent.get("/api/agent"))["agent"]["state"] == "logged_out"
    assert (await agent.call("POST", "/api/agent/ready"))[0] == 409
    assert (await agent.post("/api/agent/start"))["agent"]["state"] == "not_ready"
    for name in ("nobody", "boss"):
        assert (await boss.call("POST", f"/api/agents/{name}/logout"))[0] == 404


async def test_router_store_away(desk: Desk) -> None:
    """With the router's store away verbs say 503 in words, the page is told, and the state comes by itself when it is back."""
    agent = await desk.browser("a1")
    async with agent.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        desk.router.store_away = True
        status, got = await agent.call("POST", "/api/agent/ready")
        assert status == 503 and got["error"]["code"] == "router_away"
        await live.until(lambda m: m == {"type": "router", "up": False}, 6)
        desk.router.store_away = False
        desk.router.put("a1", 3)
        await live.until(lambda m: m == {"type": "router", "up": True}, 6)
        await live.until(lambda m: m["type"] == "agent" and m["agent"]["state"] == "ready", 3)


async def test_login_and_logout_without_router(desk: Desk) -> None:
    """Without a router an agent can log in to the page; a log-out is made up for as soon as a router is there."""
    await desk.browser("a1")
    desk.router.store_away = True
    second = await desk.browser()
    assert (await second.login("a1"))["router"] is False
    await second.post("/api/logout")
    assert desk.app.ctx.leaving == {"a1"} and desk.router.agents["a1"].state != 1
    desk.router.store_away = False
    await leave(desk.app.ctx, "a1")  # what the housekeeping does
    assert desk.router.agents["a1"].state == 1 and desk.app.ctx.leaving == set()


async def test_failover_to_the_second_router(tmp_path: Path, redis_server: RedisServer) -> None:
    """When the router that answered goes, the next one of the configuration is asked within the same request."""
    desk = await Desk(centre(tmp_path, redis_server.port, routers=2)).start()
    second = FakeRouter()
    second.agents = desk.router.agents
    await second.start(target(desk.config.routers[1], CONSOLE))
    try:
        agent = await desk.browser("a1")
        await desk.router.stop()
        assert (await agent.post("/api/agent/ready"))["agent"]["state"] == "ready"
        assert "SetReady a1" in second.asked
    finally:
        await desk.stop()
        await second.stop()


async def test_a_proxy_of_the_machine_is_not_asked(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """http_proxy in the environment is for the world outside: the console goes straight to the router."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    desk = await Desk(centre(tmp_path / "state", redis_server.port)).start()
    try:
        browser = await desk.browser("a1")
        assert (await browser.call("POST", "/api/agent/ready"))[0] == 200
    finally:
        await desk.stop()


async def test_live_ends_with_the_session(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose session ended is closed with 4401."""
    monkeypatch.setattr(live_module, "BEAT_S", 0.05)
    agent = await desk.browser("a1")
    async with agent.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        await agent.post("/api/logout")
        while (message := await live.socket.receive(timeout=5)).type == aiohttp.WSMsgType.TEXT:
            pass
        assert message.type == aiohttp.WSMsgType.CLOSE and message.data == live_module.SESSION_OVER


async def test_slow_reader_gets_the_latest(desk: Desk) -> None:
    """A browser that does not read keeps no queue on the server: what waits for it is a set of names."""
    boss = await desk.browser("boss")
    async with boss.live() as live:
        await live.until(lambda m: m["type"] == "board")
        watcher = next(iter(desk.app.hub.watchers))
        for n in range(300):
            desk.app.hub.learn({**desk.app.hub.agents.get("a1", {"agent": "a1", "since_ms": 0}), "version": n, "state": "ready"})
            assert len(watcher.agents) <= 1


async def test_metrics_and_health_tell_no_persons(desk: Desk) -> None:
    """/metrics has the console's series and no user, number or call in it."""
    browser = await desk.browser("a1")
    desk.router.rings("a1", "call-1", "13812345678")
    await desk.fact(changed("a1", "offered"))
    text = (await browser.call("GET", "/metrics"))[1]
    assert 'tierline_console_logins_total{outcome="ok"} 1.0' in text and "tierline_ledger_lag_seconds" in text
    assert "13812345678" not in text and "a1" not in text.replace("sha1", "")
    assert (await browser.call("GET", "/healthz"))[1] == "ok\n"


async def test_database_away_while_working(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the database away an agent who is logged in goes on working; what needs the database says 503."""
    agent, boss = await desk.browser("a1"), await desk.browser("boss")

    def away(*_: object, **__: object) -> None:
        raise OperationalError("x", {}, Exception("gone"))

    monkeypatch.setattr(desk.app.ctx.database.engine, "connect", away)
    monkeypatch.setattr("console.api.sessions.FRESH_MS", 0)
    assert (await agent.post("/api/agent/ready"))["agent"]["state"] == "ready"
    status, got = await boss.call("GET", "/api/calls")
    assert status == 503 and got["error"]["code"] == "database_away"
