"""Real processes die: routers and Redis. Nothing waits for ever and nobody loses the place in line."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import redis
from tierline.agents.v1 import agents_pb2
from tierline.routing.v1 import routing_pb2 as pb

from ops import facts as facts_
from ops.centre import CentreConfig
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.router.kit import Console, MediaNode, call_id, centre, end, now_ms, router_process, settle, wait_for_router, words

pytestmark = pytest.mark.real


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def config(server: RedisServer, tmp_path: Path) -> CentreConfig:
    return centre(server.port, tmp_path / "centre.json", routers=2)


def kinds(port: int) -> list[tuple[str, str]]:
    """(kind, call) of all facts, each id once."""
    entries = redis.Redis(port=port).xrange("{main}:facts")
    found = {f.id: (f.kind, f.call) for f in (facts_.decode(entry[b"f"]) for _, entry in entries)}  # type: ignore[union-attr,index]
    return list(found.values())


async def waiting(node: MediaNode, count: int) -> dict[str, int]:
    """So many calls in line, in the order of the result; call -> when it entered."""
    start = now_ms()
    calls = {call_id(): start + n for n in range(count)}
    for call, at in calls.items():
        await node.enqueue(call, "tech", entered=at)
    return calls


async def serve_all(node: MediaNode, console: Console, calls: dict[str, int]) -> list[str]:
    """One agent takes them all; the calls in the order of their offers."""
    await console.ready("a1", skill="tech")
    order: list[str] = []
    while len(order) < len(calls):
        await until_async(lambda: len(_offers(node, calls)) > len(order), 10, f"offer {len(order) + 1}")
        offer = _offers(node, calls)[len(order)]
        order.append(offer.call)
        await node.say(settle=settle(offer, 50))
        await node.say(end=end(offer.call, 51))
    return order


def _offers(node: MediaNode, calls: dict[str, int]) -> list[pb.Offer]:
    return [f.offer for f in node.frames if f.HasField("offer") and f.offer.call in calls]


async def assert_all(node: MediaNode, calls: dict[str, int]) -> None:
    for call, at in reversed(calls.items()):
        await node.say(**{"assert": pb.Assert(state=pb.Assert.STATE_WAITING, enqueue=words(call, "tech", 1, at))})


async def test_kill_9_of_the_router_with_ten_waiting(server: RedisServer, config: CentreConfig, tmp_path: Path) -> None:
    """All ten are answered after it is back, in their order, and no fact is missing or doubled."""
    address = config.routers[0]
    node = MediaNode()
    with router_process(config, tmp_path) as process:
        wait_for_router(address)
        await node.open(address)
        calls = await waiting(node, 10)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(5)
    await until_async(lambda: node.code is not None, 5, "the stream breaks")
    assert node.code is grpc.StatusCode.UNAVAILABLE
    with router_process(config, tmp_path):
        wait_for_router(address)
        await node.open(address)
        await assert_all(node, calls)
        console = Console(address)
        assert await serve_all(node, console, calls) == list(calls)
        await console.close()
        await node.close()
    got = [(k, c) for k, c in kinds(server.port) if c and k != "agent_changed"]
    want = [(k, c) for c in calls for k in ("enqueued", "offered", "bridged", "agent_released")]
    assert sorted(got) == sorted(want)


async def test_redis_dies_under_waiting_calls(server: RedisServer, config: CentreConfig, tmp_path: Path) -> None:
    """Streams close with UNAVAILABLE, routing says UNAVAILABLE; after the restart all wait in their order."""
    address = config.routers[0]
    with router_process(config, tmp_path):
        wait_for_router(address)
        node, console = await MediaNode().open(address), Console(address)
        calls = await waiting(node, 5)
        server.stop(kill=True)
        await until_async(lambda: node.code is not None, 5, "the stream closes")
        assert node.code is grpc.StatusCode.UNAVAILABLE
        ask = pb.RouteCallRequest(call=call_id(), trunk="t1", called="12345")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await console.routing.RouteCall(ask)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        server.start()
        await reopen(node, address)
        await assert_all(node, calls)
        assert await serve_all(node, console, calls) == list(calls)
        await console.close()
        await node.close()


async def reopen(node: MediaNode, address: str) -> None:
    async def again() -> bool:
        await node.close()
        await node.open(address)
        return node.code is None

    await until_async(again, 10, "a stream again")


async def test_redis_comes_back_empty(server: RedisServer, config: CentreConfig, tmp_path: Path) -> None:
    """Its data is gone: the node's assertions bring back waiting and talking calls; the router sets queues up again by itself."""
    address = config.routers[0]
    with router_process(config, tmp_path):
        wait_for_router(address)
        node, console = await MediaNode().open(address), Console(address)
        calls = await waiting(node, 3)
        await console.ready("a9", skill="sales")
        talk = call_id()
        await node.enqueue(talk)
        offer = (await node.expect("offer", talk)).offer
        await node.say(settle=settle(offer))
        redis.Redis(port=server.port).flushall()
        await until_async(lambda: node.code is not None, 5, "the stream closes")
        await reopen(node, address)
        await assert_all(node, calls)
        talking = pb.Assert(state=pb.Assert.STATE_TALKING, offer=offer.offer, agent="a9", since_ms=now_ms(), enqueue=words(talk))
        await node.say(**{"assert": talking})
        assert (await console.see("a9")).state == agents_pb2.AGENT_STATE_TALKING
        assert await serve_all(node, console, calls) == list(calls)
        await console.close()
        await node.close()


async def test_starts_while_redis_is_away(config: CentreConfig, server: RedisServer, tmp_path: Path) -> None:
    """The router serves, says UNAVAILABLE, and works as soon as Redis is there."""
    server.stop()
    address = config.routers[0]
    with router_process(config, tmp_path):
        wait_for_router(address)
        node = await MediaNode().open(address)
        assert node.code is grpc.StatusCode.UNAVAILABLE
        server.start()
        await reopen(node, address)
        await node.enqueue(call_id())
        await node.close()


async def test_sigterm_ends_streams_cleanly(config: CentreConfig, tmp_path: Path) -> None:
    """The node's stream ends with OK and the process with status 0: the node goes to another router at once."""
    address = config.routers[0]
    with router_process(config, tmp_path) as process:
        wait_for_router(address)
        node = await MediaNode().open(address)
        process.terminate()
        await until_async(lambda: node.code is not None, 5, "the stream ends")
        assert node.code is grpc.StatusCode.OK
        assert await asyncio.to_thread(process.wait, 10) == 0
        await node.close()


async def test_two_routers_on_one_redis(config: CentreConfig, tmp_path: Path) -> None:
    """The node's stream is at A, the console at B: B's offer and withdrawal reach the node; after A's death the node lives at B."""
    a, b = config.routers
    with router_process(config, tmp_path, 0) as first, router_process(config, tmp_path, 1):
        wait_for_router(a)
        wait_for_router(b)
        node, console = await MediaNode().open(a), Console(b)
        call = call_id()
        await node.enqueue(call)
        await console.ready("a1", seat="801")
        offer = (await node.expect("offer", call)).offer
        assert offer.seat == "801"
        os.kill(first.pid, signal.SIGKILL)
        first.wait(5)
        await until_async(lambda: node.code is not None, 5, "the stream breaks")
        await console.agents.Logout(agents_pb2.AgentRequest(agent="a1"))
        await node.close()
        await node.open(b)
        ringing = pb.Assert(state=pb.Assert.STATE_RINGING, offer=offer.offer, agent="a1", since_ms=now_ms(), enqueue=words(call))
        await node.say(**{"assert": ringing})
        assert (await node.expect("withdraw", call)).withdraw.offer == offer.offer
        await console.ready("a2")
        await until_async(lambda: len(node.got("offer", call)) == 2, 5, "the next agent's offer")
        await console.close()
        await node.close()


async def test_a_node_that_falls_silent(config: CentreConfig, tmp_path: Path, server: RedisServer) -> None:
    """kill -9 of a media node: after the time of silence its calls end with NODE_LOST and its agents are free."""
    from dataclasses import replace

    quick = replace(config, router=replace(config.router, node_lost_s=2))
    address = quick.routers[0]
    with router_process(quick, tmp_path):
        wait_for_router(address)
        node, console = await MediaNode().open(address), Console(address)
        await console.ready("a1", skill="tech")
        call = call_id()
        await node.enqueue(call, "tech")
        await node.say(settle=settle((await node.expect("offer", call)).offer))
        await node.close()

        async def free() -> bool:
            return (await console.see("a1")).state == agents_pb2.AGENT_STATE_READY

        await until_async(free, 8, "the agent is free")
        assert ("call_ended", call) in kinds(server.port)
        await console.close()
