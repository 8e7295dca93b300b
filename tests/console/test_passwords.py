"""First passwords, own passwords, and what ends with an old one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from aiohttp import WSMsgType
from tierline.agents.v1 import agents_pb2 as pb

from console.api.live import SESSION_OVER, TOO_MANY
from tests.console.desk import Desk, Live, centre
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

NEW = "a longer password"


async def ended(live: Live) -> int:
    """The code with which the server closes the connection, within 2 s."""
    while (message := await live.socket.receive(timeout=2)).type == WSMsgType.TEXT:
        pass
    assert message.type == WSMsgType.CLOSE
    return int(message.data)


@pytest.fixture
async def strict(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Desk]:
    """A console that has first passwords changed."""
    redis.Redis(port=redis_server.port).flushall()
    config = centre(tmp_path / "state", redis_server.port)
    made = await Desk(replace(config, console=replace(config.console, change_first_passwords=True))).start()
    yield made
    await made.stop()


async def test_first_password_must_be_changed(strict: Desk) -> None:
    """With a first password nothing is to be had but its change; then work starts, and the file has forgotten the first one."""
    browser = await strict.browser()
    got = await browser.login("a1")
    assert got["user"]["must_change"] and "a1" not in strict.router.agents
    for method, path in (("POST", "/api/agent/ready"), ("GET", "/api/agent"), ("GET", "/api/live")):
        status, answer = await browser.call(method, path)
        assert (status, answer["error"]["code"]) == (403, "change_password"), path
    assert (await browser.get("/api/me"))["user"]["must_change"]
    got = await browser.post("/api/password", {"old": "secret-a1", "password": NEW})
    assert not got["user"]["must_change"] and got["router"] and "a1" in strict.router.agents
    await browser.post("/api/agent/ready")
    kept = json.loads((strict.config.state / "credentials.json").read_text())["users"]
    assert {user["id"]: user["password"] for user in kept} == {"a1": "", "a2": "secret-a2", "boss": "secret-boss"}
    again = await strict.browser()
    assert (await again.call("POST", "/api/login", {"user": "a1", "password": "secret-a1"}))[0] == 401
    assert (await again.call("POST", "/api/login", {"user": "a1", "password": NEW}))[0] == 200


async def test_first_password_after_a_reset(strict: Desk) -> None:
    """A reset gives a first password again: it must be changed too."""
    boss = await strict.browser("boss")
    await boss.post("/api/password", {"old": "secret-boss", "password": NEW})
    (first,) = (await boss.post("/api/people/a1/passwords"))["passwords"]
    browser = await strict.browser()
    got = await browser.post("/api/login", {"user": "a1", "password": first["password"]})
    assert got["user"]["must_change"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("wrong", NEW, "wrong_password"),
        ("secret-a1", "short", "bad_field"),
        ("secret-a1", "aaaaaaaaaaaaaaaa", "weak_password"),
        ("secret-a1", "王芳王芳王芳王芳王芳12345", "weak_password"),
        ("secret-a1", "x" * 257, "bad_field"),
        ("secret-a1", 5, "bad_field"),
    ],
)
async def test_passwords_that_are_refused(desk: Desk, old: str, new: object, code: str) -> None:
    """A wrong old password, a short one, one of few characters or made of the name are refused, and the old one stays."""
    browser = await desk.browser("a1")
    status, got = await browser.call("POST", "/api/password", {"old": old, "password": new})
    assert (status, got["error"]["code"]) == (400, code)
    await browser.login("a1")


async def test_guessing_the_old_password_is_throttled(desk: Desk) -> None:
    """A stolen session is no way around the throttle."""
    browser = await desk.browser("a1")
    for _ in range(5):
        await browser.call("POST", "/api/password", {"old": "guess", "password": NEW})
    assert (await browser.call("POST", "/api/password", {"old": "secret-a1", "password": NEW}))[0] == 429


async def test_reset_ends_sessions(desk: Desk) -> None:
    """A reset ends all sessions of the person at once, the live connection too, and the agent's work; others go on."""
    old, boss = await desk.browser("a1"), await desk.browser("boss")
    other = await desk.browser("a2")
    async with old.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        await boss.post("/api/people/a1/passwords")
        assert await ended(live) == SESSION_OVER
    assert (await old.call("GET", "/api/me"))[0] == 401
    assert desk.router.agents["a1"].state == pb.AGENT_STATE_LOGGED_OUT
    await other.get("/api/me")


async def test_own_change_ends_the_others(desk: Desk) -> None:
    """Who changes the own password stays logged in there and is logged out everywhere else; the work goes on."""
    here, there = await desk.browser("a1"), await desk.browser("a1")
    async with there.live() as live, here.live() as mine:
        await live.until(lambda m: m["type"] == "agent")
        await here.post("/api/password", {"old": "secret-a1", "password": NEW})
        assert await ended(live) == SESSION_OVER
        await mine.until(lambda m: m["type"] == "beat", 6)
    assert (await there.call("GET", "/api/me"))[0] == 401
    await here.post("/api/agent/ready")


async def test_login_during_a_reset(desk: Desk) -> None:
    """A log-in whose password was checked before a reset and would open a session after it opens none."""
    sessions = desk.app.ctx.sessions
    await sessions.seeded.wait()
    user = await sessions.verify("a1", "secret-a1")
    assert user is not None
    await sessions.give({"a1": "other"})
    assert await sessions.open(user) is None


async def test_role_change_ends_the_live_connection(desk: Desk) -> None:
    """Who is no supervisor any more stops seeing the board at once."""
    boss = await desk.browser("boss")
    async with boss.live() as live:
        await live.until(lambda m: m["type"] == "board")
        book = desk.app.rules.book
        people = (*book.agent[:2], replace(book.agent[2], role="agent", seat="8009"))
        await desk.app.rules.change(1, replace(book, agent=people), "boss", "leaves")
        assert await ended(live) == SESSION_OVER


async def test_live_connections_of_one_person(tmp_path: Path, redis_server: RedisServer) -> None:
    """One live connection more than a person may have closes the oldest, and other people's stay."""
    config = centre(tmp_path, redis_server.port)
    desk = await Desk(replace(config, console=replace(config.console, sockets_per_user=2))).start()
    try:
        browser, other = await desk.browser("a1"), await desk.browser("a2")
        async with other.live() as bystander, browser.live() as first, browser.live() as second, browser.live() as third:
            assert await ended(first) == TOO_MANY
            for live in (second, third, bystander):
                await live.until(lambda m: m["type"] == "agent")
        await until_async(lambda: not desk.app.ctx.hub.watchers, 3, "all are gone")
    finally:
        await desk.stop()


async def test_beats(desk: Desk) -> None:
    """When nothing happens something comes all the same, at least every five seconds, with the time."""
    browser = await desk.browser("a1")
    async with browser.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        assert (await live.until(lambda m: m["type"] == "beat", 5))["now_ms"] > 0
