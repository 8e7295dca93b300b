"""Agents without a page or without a phone are not ready: they could not take the call that is offered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from tierline.agents.v1 import agents_pb2 as pb

from console.live.presence import Presence
from ops.centre import CentreConfig
from ops.clock import Clock, SystemClock
from tests.console.desk import Desk, centre
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

WEB = Path(__file__).parents[2] / "console" / "web" / "i18n"
GRACE_MS = 60_000


class Jumping(Clock):
    """The real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.real, self.ahead_ms = SystemClock(), 0

    def now_ms(self) -> int:
        return self.real.now_ms() + self.ahead_ms

    def mono_ms(self) -> int:
        return self.real.mono_ms() + self.ahead_ms


def test_a_reload_and_a_short_cut_do_not_count() -> None:
    """Only a page that stays closed for the whole time makes its agent overdue."""
    presence = Presence()
    presence.came("a1")
    presence.went("a1", 1_000)
    assert presence.overdue(1_000 + GRACE_MS - 1, GRACE_MS) == []
    presence.came("a1")
    assert presence.overdue(10 * GRACE_MS, GRACE_MS) == []
    presence.went("a1", 20 * GRACE_MS)
    assert presence.overdue(21 * GRACE_MS, GRACE_MS) == ["a1"]
    presence.settled("a1")
    assert presence.overdue(30 * GRACE_MS, GRACE_MS) == []


def test_the_last_page_counts() -> None:
    """An agent with two pages is there until both are closed; who never had one is never overdue."""
    presence = Presence()
    presence.came("a1")
    presence.came("a1")
    presence.went("a1", 0)
    presence.went("a2", 0)
    assert presence.overdue(10 * GRACE_MS, GRACE_MS) == []
    presence.went("a1", 1_000)
    assert presence.overdue(1_000 + GRACE_MS, GRACE_MS) == ["a1"]


@pytest.fixture
async def desk(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Desk]:
    """A console whose clock the test moves."""
    redis.Redis(port=redis_server.port).flushall()
    config: CentreConfig = centre(tmp_path / "state", redis_server.port)
    config = replace(config, console=replace(config.console, page_closed_s=GRACE_MS // 1000))
    made = await Desk(config, clock=Jumping()).start()
    yield made
    await made.stop()


def wait(desk: Desk, ms: int) -> None:
    """Let time pass for the console."""
    clock = desk.app.clock
    assert isinstance(clock, Jumping)
    clock.ahead_ms += ms


async def page_opened_and_closed(desk: Desk) -> None:
    """The agent a1 is at work and ready with a page, which is closed then."""
    browser = await desk.browser("a1")
    async with browser.live() as live:
        await live.until(lambda m: m["type"] == "agent")
        await browser.post("/api/agent/ready")
    await until_async(lambda: desk.app.ctx.presence.overdue(2**60, 0) == ["a1"], 5, "the page is known to be closed")


async def test_an_agent_whose_page_stays_closed_is_not_ready(desk: Desk) -> None:
    """After the time the router is told, with a reason of its own; the agent who comes back may be ready again."""
    await page_opened_and_closed(desk)
    assert desk.router.agents["a1"].state == pb.AGENT_STATE_READY
    wait(desk, GRACE_MS)
    await until_async(lambda: desk.router.agents["a1"].state == pb.AGENT_STATE_NOT_READY, 5, "not ready")
    assert desk.router.agents["a1"].reason == "page_closed"
    browser = await desk.browser("a1")
    assert (await browser.post("/api/agent/ready"))["agent"]["state"] == "ready"
    wait(desk, 10 * GRACE_MS)
    asked = len(desk.router.asked)
    await until_async(lambda: desk.app.ctx.presence.overdue(2**60, 0) == [], 5, "settled")
    assert not [verb for verb in desk.router.asked[asked:] if verb.startswith("SetNotReady")]


async def test_a_call_is_not_disturbed_by_a_closed_page(desk: Desk) -> None:
    """An agent who talks stays as he is; once the call is over and he would be ready, he is not."""
    await page_opened_and_closed(desk)
    desk.router.rings("a1", "call-1", "13812345678")
    desk.router.talks("a1")
    wait(desk, GRACE_MS)
    seen = len(desk.router.asked)
    await until_async(lambda: desk.router.asked[seen:].count("GetAgent a1") >= 2, 8, "looked at twice")
    assert desk.router.agents["a1"].state == pb.AGENT_STATE_TALKING and not desk.router.agents["a1"].next
    desk.router.put("a1", pb.AGENT_STATE_READY)
    await until_async(lambda: desk.router.agents["a1"].reason == "page_closed", 5, "not ready after the call")


async def test_who_never_had_a_page_is_left_alone(desk: Desk) -> None:
    """An agent who logs in by the API and works with a desk phone stays ready."""
    browser = await desk.browser("a1")
    await browser.post("/api/agent/ready")
    wait(desk, 100 * GRACE_MS)
    other = await desk.browser("a2")
    async with other.live() as live:
        await live.until(lambda m: m["type"] == "agent")
    await until_async(lambda: desk.app.ctx.presence.overdue(2**60, 0) == ["a2"], 5, "the other page is closed")
    wait(desk, GRACE_MS)
    await until_async(lambda: desk.app.ctx.presence.overdue(2**60, 0) == [], 5, "the other one was looked at")
    assert desk.router.agents["a1"].state == pb.AGENT_STATE_READY


async def test_ready_without_a_phone_is_told(desk: Desk) -> None:
    """The router's refusal comes as an error of its own, which the page shows in both languages."""
    browser = await desk.browser("a1")
    desk.router.without_phone.add("a1")
    status, got = await browser.call("POST", "/api/agent/ready")
    assert status == 409 and got["error"]["code"] == "no_phone" and "8001" in got["error"]["text"]
    for language in ("en", "zh"):
        words = json.loads((WEB / f"{language}.json").read_text())
        needed = ("error.no_phone", *(f"reason.{one}" for one in ("page_closed", "declined", "not_registered", "unreachable")))
        assert all(words.get(name) for name in needed)
