"""Races around an agent's state that other systems are known for, at real routers."""

from __future__ import annotations

import asyncio
from typing import Any

from tierline.common.v1 import common_pb2

from tests.kit.wait import until_async
from tests.races.kit import (
    AFTER_CALL,
    LOGGED_OUT,
    NOT_READY,
    OFFERED,
    READY,
    SIX,
    TALKING,
    Console,
    Node,
)
from tests.router.kit import now_ms

SEAT_FAULTS = (common_pb2.REASON_NO_ANSWER, common_pb2.REASON_BUSY, common_pb2.REASON_UNREACHABLE)


async def test_an_agent_in_six_queues_keeps_after_call_work_after_a_transfer(node: Node, console: Console) -> None:
    """The call is sent on from the talk while all six queues have callers: none of them rings before after-call work is over."""
    await console.work("a", *SIX)
    talk = await node.talk("q1")
    waiting = [await node.queue_up(queue) for queue in SIX]
    await node.queue_up("q6", talk.call)
    view = await console.see("a")
    assert view.state == AFTER_CALL
    assert not node.offers(*waiting)
    offer = await node.offered(waiting[0])
    assert now_ms() >= view.after_call_until_ms
    assert [o.call for o in node.offers()] == [talk.call, offer.call], "one offer, to the caller who waits longest"


async def test_no_agent_is_stuck_reserved_when_ten_ring_at_once(node: Node, console: Console) -> None:
    """Ten seats ring at once; answered, busy, hung up, never told: each agent is where the call is, and all take the next ten."""
    agents = [f"a{n}" for n in range(10)]
    for agent in agents:
        await console.work(agent, "brief")
    calls = [node.words("brief") for _ in agents]
    await node.together(*({"enqueue": call} for call in calls))
    offers = [await node.offered(call.call) for call in calls]
    assert {o.agent for o in offers} == set(agents)
    settled: list[dict[str, Any]] = [{"settle": node.answered(o)} for o in offers[:3]]
    settled += [{"settle": node.failed(o, why)} for o, why in zip(offers[3:6], SEAT_FAULTS, strict=True)]
    settled += [{"end": node.end(o.call)} for o in offers[6:8]]  # the callers hang up; of the last two nothing is ever told
    await node.together(*settled)
    await until_async(lambda: _withdrawn(node) >= 2, 8, "the router gives up the two silent offers")
    board = {a.agent: a for a in (await console.board()).agents if a.agent in agents}
    ringing = {a.agent for a in board.values() if a.state == OFFERED}
    assert [board[o.agent].state for o in offers[:3]] == [TALKING] * 3
    assert ringing <= {o.agent for o in node.offers()[10:]}, "who is reserved rings for a call that came back to the line"
    for call in list(node.versions):
        await node.hang_up(call)
    for agent in agents:
        await console.click_ready(agent)
    again = [await node.queue_up("brief") for _ in agents]
    assert {(await node.offered(call)).agent for call in again} == set(agents)


def _withdrawn(node: Node) -> int:
    return sum(f.withdraw.reason == common_pb2.REASON_EXPIRED for f in node.frames if f.HasField("withdraw"))


async def test_three_unanswered_calls_do_not_log_an_agent_out_for_ever(node: Node, console: Console) -> None:
    """After each unanswered call the agent is not ready, never logged out, and one click brings the next call."""
    await console.work("a", "plain")
    call = await node.queue_up("plain")
    for times in (1, 2, 3):
        await node.fail(await node.offered(call, times))
        view = await console.see("a")
        assert (view.state, view.reason) == (NOT_READY, "no_answer")
        await console.click_ready("a")
    await node.answer(await node.offered(call, 4))
    assert await console.state("a") == TALKING


async def test_a_queue_goes_on_when_the_last_agent_in_the_order_is_unavailable(node: Node, console: Console) -> None:
    """The last one of the order leaves, fails or is away in turn: the call goes to whoever is there, and to the next who comes."""
    for agent in ("first", "second", "last"):
        await console.work(agent, "plain")
    await console.logout("last")
    call = await node.queue_up("plain")
    assert (await node.offered(call, 1)).agent == "first"
    await node.fail(await node.offered(call, 1), common_pb2.REASON_UNREACHABLE)
    assert (await node.offered(call, 2)).agent == "second"
    await node.fail(await node.offered(call, 2), common_pb2.REASON_BUSY)
    assert await console.state("last") == LOGGED_OUT
    second = await node.queue_up("plain")
    assert not node.offers(second), "nobody is left"
    await console.work("last", "plain")
    assert (await node.offered(call, 3)).agent == "last"
    await node.fail(await node.offered(call, 3), common_pb2.REASON_UNREACHABLE)
    await console.click_ready("first")
    await node.answer(await node.offered(call, 4))
    await console.click_ready("last")
    assert (await node.offered(second)).agent == "last"


async def test_a_status_changed_during_a_call_takes_effect_after_it(node: Node, console: Console) -> None:
    """Not ready, log-out and other skills asked for while it rings and talks hold after the call and its after-call work."""
    for agent, ask in (("pause", console.not_ready), ("home", console.logout)):
        await console.work(agent, "q1")
        offer = await node.talk("q1")
        assert (await ask(agent)).state == TALKING
        waiting = await node.queue_up("q1")
        await node.hang_up(offer.call)
        assert await console.state(agent) == AFTER_CALL
        view = await console.until_state(agent, NOT_READY if agent == "pause" else LOGGED_OUT)
        assert view.reason == ("lunch" if agent == "pause" else "")
        assert not node.offers(waiting), "nobody is reserved who asked to go"
        await node.hang_up(waiting)
    await console.work("skilled", "plain")
    offer = await node.offered(await node.queue_up("plain"))
    await console.login("skilled", "q2")
    assert await console.state("skilled") == OFFERED
    await node.answer(offer)
    plain, q2 = await node.queue_up("plain"), await node.queue_up("q2")
    await node.hang_up(offer.call)
    assert (await node.offered(q2)).agent == "skilled"
    assert not node.offers(plain), "the old skill counts no more"


async def test_a_wish_taken_back_while_it_rings(node: Node, console: Console) -> None:
    """Not ready and ready again while the seat rings, many times over from two consoles: the agent ends up ready, reserved once."""
    await console.work("a", "plain")
    offer = await node.offered(await node.queue_up("plain"))
    await asyncio.gather(*(console.not_ready("a") if n % 2 else console.click_ready("a") for n in range(20)))
    await console.click_ready("a")
    assert await console.state("a") == OFFERED
    await node.hang_up(offer.call)
    assert await console.state("a") == READY
    assert len(node.offers(offer.call)) == 1
