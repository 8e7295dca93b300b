"""Races around a call that other systems are known for, at real routers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb

from tests.kit import chance
from tests.kit.wait import until_async
from tests.races.kit import NOT_READY, OFFERED, READY, TALKING, Console, House, Node
from tests.router.kit import call_id, now_ms


@pytest.mark.parametrize("late_first", [True, False])
async def test_one_call_is_answered_by_two_agents(house: House, node: Node, console: Console, late_first: bool) -> None:
    """The first agent's answer crosses the offer to the second, who answers too: one talks, one talk is counted."""
    await console.work("one", "plain")
    await console.login("two", "plain")
    call = await node.queue_up("plain")
    first = await node.offered(call)
    await console.click_ready("two")
    await console.logout("one")  # takes the offer back, while the seat's answer is on its way
    second = await node.offered(call, 2)
    assert (first.agent, second.agent) == ("one", "two")
    offers = (first, second) if late_first else (second, first)
    await node.together(*({"settle": node.answered(offer)} for offer in offers))
    winner, loser = offers[0].agent, offers[1].agent
    assert await console.state(winner) == TALKING
    assert await console.state(loser) != TALKING
    refused = [f.refused for f in node.frames if f.HasField("refused")]
    assert [r.reason for r in refused] == [common_pb2.REASON_EXPIRED], "the node hears that the other answer does not count"
    await node.hang_up(call)
    facts = [(f.kind, f.agent) for f in house.facts(call) if f.kind in ("bridged", "agent_released")]
    assert facts == [("bridged", winner), ("agent_released", winner)]


@pytest.mark.parametrize("way", ["settled and ended", "ended", "cancelled unheard"])
async def test_the_caller_hangs_up_while_the_agent_is_being_dialled(node: Node, console: Console, way: str) -> None:
    """However the node tells it: the agent is ready at once, keeps the place in the order, and the next caller rings there."""
    await console.work("first", "plain")
    await console.work("second", "plain")
    call = await node.queue_up("plain")
    offer = await node.offered(call)
    assert offer.agent == "first"
    if way == "settled and ended":
        left = node.failed(offer, common_pb2.REASON_CALLER_LEFT)
        await node.together({"settle": left}, {"end": node.end(call)})
    elif way == "ended":
        await node.hang_up(call)
    else:
        await node.say(cancel=node.cancel(call))
        assert (await node.expect("withdraw", call)).withdraw.offer == offer.offer
    assert await console.state("first") == READY
    assert (await node.offered(await node.queue_up("plain"))).agent == "first"


async def test_the_eighth_caller_is_never_served_before_the_first(node: Node, other: Node, console: Console) -> None:
    """Twenty callers reach two nodes and routers in any order, seats fail now and then: served in the order of coming."""
    start = now_ms()
    entered = {call_id(): start - 60_000 + 100 * n for n in range(20)}
    arriving = list(entered.items())
    chance.generator(8).shuffle(arriving)
    nodes = (node, other)
    await asyncio.gather(
        *(n.together(*({"enqueue": n.words("plain", call, at)} for call, at in arriving[k::2])) for k, n in enumerate(nodes))
    )
    await console.work("a", "plain")
    served: list[str] = []
    fresh = _fresh(nodes)
    for turn in range(20):
        offer, owner = await fresh()
        if turn % 3 == 2:
            await owner.fail(offer)
            await console.click_ready("a")
            again, owner = await fresh()
            assert again.call == offer.call, "who was not answered stays first"
            offer = again
        served.append(offer.call)
        await owner.answer(offer)
        await owner.hang_up(offer.call)
    assert served == list(entered)


def _fresh(nodes: tuple[Node, Node]) -> Callable[[], Awaitable[tuple[pb.Offer, Node]]]:
    """Each call of the result waits for the one offer that was not there before, and tells whose it is."""
    seen: set[str] = set()

    def new() -> list[tuple[pb.Offer, Node]]:
        return [(o, n) for n in nodes for o in n.offers() if o.offer not in seen]

    async def fresh() -> tuple[pb.Offer, Node]:
        await until_async(lambda: bool(new()), 5, "the next offer")
        ((offer, owner),) = new()
        seen.add(offer.offer)
        return offer, owner

    return fresh


@pytest.mark.parametrize("way", ["cancelled", "hung up", "its node died"])
async def test_no_ghost_call_rings_at_an_agent_who_logs_in_after_the_caller_left(
    house: House, node: Node, console: Console, way: str
) -> None:
    """Nobody is there, the caller goes, then an agent comes: nothing rings, and the next caller does."""
    gone = Node("m9")
    await gone.open(house.addresses[0])
    call = await gone.queue_up("plain")
    if way == "cancelled":
        await gone.say(cancel=gone.cancel(call))
    elif way == "hung up":
        await gone.hang_up(call)
    else:
        gone.epoch += 1
        await gone.reopen(house.addresses[1])
    await console.work("a", "plain")
    assert await console.state("a") == READY
    assert not gone.offers()
    alive = await node.queue_up("plain")
    assert (await node.offered(alive)).agent == "a"
    assert await console.state("a") == OFFERED
    await gone.stop()
    assert await console.state("a") != NOT_READY
