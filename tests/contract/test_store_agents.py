"""The verbs of agents, the same in both stores."""

from __future__ import annotations

import pytest

from router.core.commands import End
from router.core.errors import NotAllowed, UnknownAgent
from router.core.events import Offer, Withdraw
from tests.contract.stores import START, World, frames_of, offer_in, view


async def test_login_stands_not_ready_and_ready_stands_in_line(world: World) -> None:
    """A login alone gets no calls; ready puts the agent under each skill, best level and longest idle first."""
    seen = await world.agent("a1", ready=False, sales=1)
    assert (seen.state, seen.seat, seen.skills) == ("not_ready", "8a1", (("sales", 1),))
    await world.agent("a2", sales=2, tech=1)
    world.clock.advance(10)
    await world.agent("a3", sales=1)
    world.clock.advance(10)
    await world.agent("a4", sales=1)
    assert [m for m, _ in world.raw().pools["skill:sales:9:*"]] == ["a3", "a4", "a2"]
    assert [m for m, _ in world.raw().pools["skill:tech:9:*"]] == ["a2"]


async def test_a_repeat_changes_nothing(world: World) -> None:
    """Login, ready and not ready twice: same view, same version, no second fact."""
    first = await world.agent("a1")
    facts = len(world.facts())
    assert await world.agent("a1") == first
    await world.store.not_ready("a1", "lunch", world.now)
    once = await world.see("a1")
    assert view(await world.store.not_ready("a1", "lunch", world.now)) == once
    await world.store.logout("a1", world.now)
    out = await world.see("a1")
    assert view(await world.store.logout("a1", world.now)) == out
    assert world.kinds(facts) == ["agent_changed"] * 2


async def test_verbs_that_the_state_does_not_take(world: World) -> None:
    """Unknown agents and (state, verb) pairs outside the table are named errors and change nothing."""
    for verb in ("logout", "ready", "end_after_call", "agent"):
        with pytest.raises(UnknownAgent):
            await getattr(world.store, verb)("nobody", world.now)
    first = await world.agent("a1", ready=False)
    with pytest.raises(NotAllowed, match="not_ready does not take end_after_call"):
        await world.store.end_after_call("a1", world.now)
    await world.store.logout("a1", world.now)
    for ask in (world.store.ready("a1", world.now), world.store.not_ready("a1", "x", world.now)):
        with pytest.raises(NotAllowed, match="logged_out does not take"):
            await ask
    assert (await world.see("a1")).version == first.version + 1


async def test_a_change_of_reason_is_told(world: World) -> None:
    """Not ready for another reason is a new fact with both states the same."""
    await world.agent("a1", ready=False)
    await world.store.not_ready("a1", "lunch", world.now)
    await world.store.not_ready("a1", "meeting", world.now)
    last = world.facts()[-1]
    assert last.body == {"state": "not_ready", "previous": "not_ready", "reason": "meeting", "seat": "8a1"}


async def test_logout_while_the_seat_rings(world: World) -> None:
    """The offer is withdrawn, the call keeps its old time and goes to the next agent at once; nobody is stuck."""
    await world.agent("a1")
    offer = await world.offer("c1")
    world.clock.advance(5_000)
    await world.agent("a2")
    effects = await world.store.logout("a1", world.now)
    withdraw, again = frames_of(effects)
    assert withdraw == Withdraw("c1", offer.offer, "REASON_AGENT_GONE")
    assert isinstance(again, Offer) and again.agent == "a2"
    assert view(effects).state == "logged_out"
    offered = [f for f in world.facts() if f.kind == "offered"][-1]
    assert offered.body["waited_ms"] == 5_000


async def test_login_from_another_seat_while_ringing(world: World) -> None:
    """The old seat stops ringing, the call waits, the agent is at the new seat and not ready."""
    await world.agent("a1", seat="801")
    offer = await world.offer("c1")
    effects = await world.store.login("a1", "802", (("sales", 1),), world.now)
    assert frames_of(effects) == [Withdraw("c1", offer.offer, "REASON_AGENT_GONE")]
    assert (view(effects).seat, view(effects).state) == ("802", "not_ready")
    assert await world.place("c1") == ("waiting", "sales")
    assert offer_in(await world.store.ready("a1", world.now)).seat == "802"


async def test_login_again_from_the_same_seat_while_ringing(world: World) -> None:
    """A console that reconnects disturbs nothing."""
    await world.agent("a1")
    await world.offer("c1")
    assert frames_of(await world.store.login("a1", "8a1", (("sales", 1),), world.now)) == []
    assert await world.place("c1") == ("offered", "a1")


async def test_new_skills_count_at_once(world: World) -> None:
    """A ready agent who gets another skill leaves the old line, and takes a call that waits for the new one."""
    await world.agent("a1", sales=1)
    await world.enqueue("c1", "tech")
    effects = await world.store.login("a1", "8a1", (("tech", 1),), world.now)
    assert offer_in(effects).call == "c1"
    assert world.raw().pools == {}


@pytest.mark.parametrize(("ask", "state", "reason"), [("not_ready", "not_ready", "lunch"), ("logout", "logged_out", "")])
async def test_a_wish_during_the_talk_comes_after_the_call(world: World, ask: str, state: str, reason: str) -> None:
    """Not ready and logout during a talk wait for the end of the call and its after-call work."""
    await world.agent("a1")
    await world.answered(await world.offer("c1"))
    words = ("a1", "lunch") if ask == "not_ready" else ("a1",)
    seen = view(await getattr(world.store, ask)(*words, world.now))
    assert seen.state == "talking" and seen.next.startswith(state)
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert (await world.see("a1")).state == "after_call"
    seen = view(await world.store.end_after_call("a1", world.now))
    assert (seen.state, seen.reason, seen.next) == (state, reason, "")


async def test_ready_takes_a_wish_back(world: World) -> None:
    """Ready during the talk forgets the wish; after the call the agent is ready."""
    await world.agent("a1")
    await world.answered(await world.offer("c1", "sales"))
    await world.store.not_ready("a1", "lunch", world.now)
    assert view(await world.store.ready("a1", world.now)).next == ""
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_AGENT", world.now), world.now)
    assert view(await world.store.end_after_call("a1", world.now)).state == "ready"


async def test_after_call_work_ends_by_itself(world: World) -> None:
    """The time of the queue, then ready, idle from then on; a waiting call is offered in that step."""
    await world.agent("a1")
    await world.answered(await world.offer("c1"))
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_AGENT", world.now), world.now)
    seen = await world.see("a1")
    assert (seen.state, seen.until_ms, seen.call and seen.call.call) == ("after_call", START + 10_000, "c1")
    await world.enqueue("c2")
    assert await world.expire(9_000) == ()
    assert offer_in(await world.expire(1_000)).call == "c2"


async def test_no_after_call_work_means_the_next_call(world: World) -> None:
    """A queue without after-call work frees the agent in the step of the end, straight into the next offer."""
    await world.agent("a1", tech=1)
    await world.answered(await world.offer("c1", "tech"))
    await world.enqueue("c2", "tech")
    effects = await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_AGENT", world.now), world.now)
    assert offer_in(effects).call == "c2"


async def test_not_ready_while_ringing_is_a_wish(world: World) -> None:
    """The seat goes on ringing; if the caller leaves, the agent is not ready for the own reason."""
    await world.agent("a1")
    offer = await world.offer("c1")
    assert view(await world.store.not_ready("a1", "lunch", world.now)).state == "offered"
    await world.failed(offer, "REASON_CALLER_LEFT")
    seen = await world.see("a1")
    assert (seen.state, seen.reason) == ("not_ready", "lunch")


async def test_boards(world: World) -> None:
    """Queues, agents with their calls, and nodes as consoles see them."""
    await world.agent("a1")
    await world.agent("a2", ready=False)
    await world.answered(await world.offer("c1"))
    await world.agent("a3", tech=1)
    await world.enqueue("c2", entered=START + 7)
    sales, tech, vip = await world.store.queues()
    assert (sales.waiting, sales.oldest_entered_ms, sales.ready, sales.talking) == (1, START + 7, 0, 1)
    assert (tech.ready, vip.waiting) == (1, 0)
    agents = await world.store.agents()
    assert [(a.agent, a.state) for a in agents] == [("a1", "talking"), ("a2", "not_ready"), ("a3", "ready")]
    assert agents[0].call is not None and (agents[0].call.call, agents[0].call.state) == ("c1", "talking")
    assert [a.agent for a in await world.store.agents(["a3", "nobody"])] == ["a3"]
    assert [(n.node, n.holder, n.draining) for n in await world.store.nodes()] == [("m1", "r1-x", False)]
