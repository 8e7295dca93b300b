"""Races with what stalls, breaks and comes back, on real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from statistics import median

import grpc
from tierline.routing.v1 import routing_pb2 as pb

from tests.kit.wait import until_async
from tests.kit.workers import alone
from tests.races.kit import OFFERED, TALKING, Console, House, Node
from tests.router.kit import now_ms, router_process, wait_for_router

STALL_S = 1.0
END_S = 6.0  # an asked router is gone after: 2 s for what is under way, the rest for a machine that has other work


async def test_an_agent_is_not_stuck_in_a_call_after_its_end_was_lost(house: House, node: Node, console: Console) -> None:
    """The node's stream broke, the call ended meanwhile and nobody said so: what the node does not name is let go of."""
    await console.work("a", "plain")
    offer = await node.talk("plain")
    waiting = node.words("plain")
    await node.say(enqueue=waiting)
    await node.reopen(house.addresses[1])
    await node.say(**node.assertion(waiting))
    assert await console.state("a") == TALKING
    assert (await node.offered(waiting.call)).agent == "a"
    lost = [f.body["outcome"]["reason"] for f in house.facts(offer.call) if f.kind == "call_ended"]
    assert lost == ["REASON_NODE_LOST"]


@alone
async def test_after_a_stall_of_one_second_the_system_is_as_quick_as_before(house: House, node: Node, console: Console) -> None:
    """Both routers are stopped for a second under calls and go on: nothing is lost, and offers come as quickly as before."""
    for n in range(4):
        await console.work(f"a{n}", "plain")
    began = time.monotonic()
    before = [await _offer_ms(node) for _ in range(25)]
    usual = time.monotonic() - began
    for process in house.routers:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        burst = [node.words("plain") for _ in range(30)]
        await node.send_all(*({"enqueue": e} for e in burst))
        await asyncio.sleep(STALL_S)  # the stall itself
    finally:
        for process in house.routers:
            os.kill(process.pid, signal.SIGCONT)
    began = time.monotonic()
    await _serve((node,), {e.call for e in burst})
    after = [await _offer_ms(node) for _ in range(25)]
    took = time.monotonic() - began
    assert took < 2 + 3 * usual, f"{took} s for the backlog and as many calls again, {usual} s for those before"
    assert median(after) < 3 * median(before) + 10, (sorted(before), sorted(after))
    assert not [f for f in node.frames if f.WhichOneof("body") in ("withdraw", "refused", "release")]


async def _offer_ms(node: Node) -> float:
    """One call's way through the router, from Enqueue to Offer, and its end."""
    enqueue, began = node.words("plain"), time.monotonic()
    await node.send(enqueue=enqueue)
    await until_async(lambda: bool(node.offers(enqueue.call)), 5, "an offer", 0.0005)
    took = (time.monotonic() - began) * 1000
    offer = node.offers(enqueue.call)[0]
    await node.together({"settle": node.answered(offer)}, {"end": node.end(offer.call)})
    return took


async def test_redis_restarted_under_waiting_calls(house: House, node: Node, other: Node, console: Console) -> None:
    """kill -9 of Redis under callers who talk, ring and wait, and more who come meanwhile: all served, in order, counted once."""
    nodes = (node, other)
    await console.work("busy", "plain")
    await console.work("called", "plain")
    start = now_ms()
    first = [n.words("plain", entered=start) for n in nodes]
    for n, enqueue in zip(nodes, first, strict=True):
        await n.say(enqueue=enqueue)
    talk, ring = await node.offered(first[0].call), await other.offered(first[1].call)
    await node.answer(talk)
    asked = [nodes[n % 2].words("plain", entered=start + n) for n in range(12)]
    for k, n in enumerate(nodes):
        await n.together(*({"enqueue": e} for e in asked[k:8:2]))  # the last four come while Redis is away
    house.server.stop(kill=True)
    await until_async(lambda: all(n.code is grpc.StatusCode.UNAVAILABLE for n in nodes), 8, "the streams close")
    house.server.start()
    for k, n in enumerate(nodes):
        await n.reopen(house.addresses[k])
        held = n.assertion(first[k], talk if n is node else ring, talks=n is node)
        await n.together(held, *(n.assertion(e) for e in reversed(asked[k::2])))
    assert (await console.state("busy"), await console.state("called")) == (TALKING, OFFERED)
    await other.answer(ring)
    await node.hang_up(talk.call)
    assert await _serve(nodes, {e.call for e in asked}) == [e.call for e in asked]
    await other.hang_up(ring.call)
    for call, kinds in house.kinds(*(e.call for e in (*first, *asked))).items():
        assert sorted(kinds) == ["agent_released", "bridged", "enqueued", "offered"], call


async def _serve(nodes: tuple[Node, ...], calls: set[str]) -> list[str]:
    """Whoever is ready takes them all; the calls in the order of their offers."""
    order: list[str] = []

    def fresh() -> list[tuple[Node, pb.Offer]]:
        return [(n, o) for n in nodes for o in n.offers(*calls) if o.call not in order]

    while len(order) < len(calls):
        await until_async(lambda: bool(fresh()), 5, "the next offer")
        owner, offer = fresh()[0]
        order.append(offer.call)
        await owner.together({"settle": owner.answered(offer)}, {"end": owner.end(offer.call)})
    return order


async def test_a_drained_router_ends(house: House, console: Console, tmp_path: Path) -> None:
    """Asked to end while a node holds its stream, one is deaf and a console asks on: gone within its bound, calls live on."""
    address = house.addresses[2]
    with router_process(house.config, tmp_path, 2) as process:
        wait_for_router(address)
        reader, deaf = await Node("m7").open(address), await Node("m8").open(address)
        await console.work("a", "plain")
        talk = await reader.talk("plain")
        deaf.stop_reading()
        asking = asyncio.create_task(_ask_until_refused(Console(address)))
        began = time.monotonic()
        process.terminate()
        assert await asyncio.to_thread(process.wait, 15) == 0
        assert time.monotonic() - began < END_S
        assert await asking in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED), "the console asks the next router"
        await until_async(lambda: reader.code is grpc.StatusCode.OK, 5, "the stream ends in good order")
        await reader.reopen(house.addresses[0])
        await reader.say(**reader.assertion(reader.words("plain", talk.call), talk, talks=True))
        assert await console.state("a") == TALKING
        await reader.stop()
        await deaf.silence()
        await deaf.close()


async def _ask_until_refused(console: Console) -> grpc.StatusCode:
    try:
        while True:
            await console.board()
    except grpc.aio.AioRpcError as error:
        return error.code()
    finally:
        await console.close()


async def test_a_drained_router_ends_without_redis(house: House, console: Console, tmp_path: Path) -> None:
    """The same while Redis hangs: a router that cannot store anything any more still ends."""
    address = house.addresses[2]
    with router_process(house.config, tmp_path, 2) as process:
        wait_for_router(address)
        node = await Node("m7").open(address)
        assert house.server.process is not None
        os.kill(house.server.process.pid, signal.SIGSTOP)
        try:
            await node.send(enqueue=node.words("plain"))
            process.terminate()
            assert await asyncio.to_thread(process.wait, 15) == 0
        finally:
            os.kill(house.server.process.pid, signal.SIGCONT)
        await node.reopen(house.addresses[0])
        await node.stop()
