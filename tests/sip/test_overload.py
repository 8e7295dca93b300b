"""What the edge does while router or media nodes answer late: real Kamailio, a router and nodes that are told to be slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.kit.ports import free_block
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.kit.workers import alone
from tests.sip.conftest import World
from tests.sip.edge_kit import EdgeKit, edge_config
from tests.sip.fake_node import FakeNode
from tests.sip.sip_client import Endpoint, Message
from tests.sip.test_outbound import SWITCH, answer, authorised, dial

pytestmark = [pytest.mark.real, alone]  # a hundred calls a second beside other tests are late indeed
EVERY_S = 0.01


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge whose routers may take their time: late is not too late."""
    config = edge_config(tmp_path_factory.mktemp("edge"), router_deadline_ms=600, never_below_per_s=15)
    first, second = config.trunk
    config = replace(config, trunk=(first, replace(second, outbound=f"{SWITCH}:{free_block(1)}")))
    with RedisServer(config.state / "redis", config.ports.redis), EdgeKit(config) as kit:
        yield kit


class Load:
    """Calls of the trunk, a hundred a second; what they were answered and after how long."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent: dict[str, float] = {}
        self.answers: list[tuple[float, float, Message]] = []  # when, after how long, what

    async def run(self) -> None:
        """Until cancelled."""
        reader = asyncio.create_task(self._read())
        try:
            while True:
                dialog = self._world.caller.invite(self._world.caller.dialog())
                self._sent[dialog.call_id] = time.monotonic()
                await asyncio.sleep(EVERY_S)
        finally:
            reader.cancel()

    async def _read(self) -> None:
        while True:
            answer = await self._world.caller.endpoint.final(60)
            sent = self._sent.pop(answer.get("call-id"), None)
            if sent is not None and answer.status:
                now = time.monotonic()
                self.answers.append((now, now - sent, answer))

    def refused(self, since: float = 0.0) -> list[tuple[float, Message]]:
        """Those answered 503 since then, and after how long."""
        return [(took, answer) for at, took, answer in self.answers if at > since and answer.status == 503]

    def taken(self, since: float) -> int:
        """How many were answered 200 since then."""
        return sum(at > since and answer.status == 200 for at, _, answer in self.answers)


@asynccontextmanager
async def load(world: World) -> AsyncIterator[Load]:
    """While the block runs."""
    made = Load(world)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()


def slow_media(world: World, seconds: float) -> None:
    """Nodes answer INVITEs so late."""
    loop = asyncio.get_running_loop()
    for node in world.nodes:

        def answer(invite: Message, node: object = node) -> None:
            node.reply(invite, 100)  # type: ignore[attr-defined]
            loop.call_later(seconds, node.reply, invite, 200)  # type: ignore[attr-defined]

        node.answer = answer if seconds else 200


async def call_back(world: World) -> None:
    """A node's call to a customer is answered by the carrier's switch."""
    host, _, port = world.edge.config.trunk[1].outbound.rpartition(":")
    switch = FakeNode(await Endpoint.open(host, int(port)), "switch", world.edge.sip)
    switch.answer = lambda invite: answer(switch, invite)
    made = dial(world.m1, authorised(world))
    assert (await world.m1.endpoint.final(of=made.call_id)).status == 200
    switch.endpoint.close()


@pytest.mark.parametrize("late", ["router", "media"])
async def test_late_partners(world: World, late: str) -> None:
    """While all answers are late a share of new calls gets 503 with Retry-After at once, a running call's requests and a callback
    pass, some calls are taken, and within five seconds after it all are."""
    running = world.caller.invite(world.caller.dialog())
    first = await world.caller.endpoint.final(of=running.call_id)
    world.caller.ack(running, first)
    before = world.edge.metric("refused_total", why="overload")
    async with load(world) as calls:
        await asyncio.sleep(1.5)
        assert not calls.refused()
        if late == "router":
            world.router.delay = 0.3
        else:
            slow_media(world, 0.6)
        await until_async(lambda: len(calls.refused()) > 50, 6, "calls are refused")
        since = time.monotonic()
        world.caller.bye(running)
        await until_async(lambda: bool(world.m1.of("BYE")), 1, "the request inside the dialog reached the node")
        await call_back(world)
        await until_async(lambda: calls.taken(since) > 5, 3, "some calls are taken")
        assert {answer.get("retry-after") for _, answer in calls.refused()} == {"1"}
        assert max(took for took, _ in calls.refused()) < 0.5
        world.router.delay = 0.0
        slow_media(world, 0.0)
        over = time.monotonic()
        await asyncio.sleep(5)
        assert not calls.refused(over + 5)
        await asyncio.sleep(1)
        assert not calls.refused(over + 5)
        assert calls.taken(over + 5) > 50
    counted = world.edge.metric("refused_total", why="overload") - before
    assert counted >= len(calls.refused())
    lines = [fact for fact in world.edge.facts() if fact.body.get("sip_reason") == "Too Many Calls"]
    assert 0 < len(lines) < counted


async def test_one_slow_answer(world: World) -> None:
    """A pause of the router of 400 ms at a hundred calls a second refuses nobody."""
    async with load(world) as calls:
        await asyncio.sleep(1)
        world.router.delay = 0.4
        await asyncio.sleep(0.4)
        world.router.delay = 0.0
        await until_async(lambda: len(calls.answers) > 250, 8, "the load goes on")
        assert not calls.refused()
