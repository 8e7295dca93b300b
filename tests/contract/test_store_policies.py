"""Which of the ready agents is taken, by each policy; boards and expected waits. The same in both stores."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from router.core.commands import End, QueueRule, Rules, Stage
from router.core.events import Queued
from router.core.expect import HANDLING_MS, Flow, expected_ms, handled, waited
from tests.contract.stores import START, World, frames_of, offer_in


def queue(policy: str = "highest_skill", name: str = "q", **more: Any) -> QueueRule:
    return QueueRule(name, "s", 10, 20_000, 0, policy, **more)


async def use(world: World, *queues: QueueRule, **more: Any) -> list[Any]:
    return frames_of(await world.store.sync_config(Rules(2, repr(queues) + repr(more), queues, (), **more), world.now))


async def talk(world: World, call: str, ms: int = 1_000) -> str:
    """A whole call; who took it."""
    offer = await world.offer(call, "q")
    await world.answered(offer)
    world.clock.advance(ms)
    await world.store.end(world.node, End(call, 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    return offer.agent


@pytest.mark.parametrize(("policy", "want"), [("highest_skill", ["a2", "a3", "a1"]), ("longest_idle", ["a1", "a2", "a3"])])
async def test_level_or_idle_time(world: World, policy: str, want: list[str]) -> None:
    """highest_skill: the best level, among equals the longest idle. longest_idle: the level does not count."""
    await use(world, queue(policy))
    for agent, level in (("a1", 5), ("a2", 1), ("a3", 1)):
        await world.agent(agent, s=level)
        world.clock.advance(1)
    assert [(await world.offer(f"c{n}", "q")).agent for n in range(3)] == want


async def test_fewest_calls(world: World) -> None:
    """Who has answered least in this login; among equals the longest idle. An offer that came to nothing is no call."""
    await use(world, queue("fewest_calls"))
    for agent in ("a1", "a2"):
        await world.agent(agent, s=1)
        world.clock.advance(1)
    assert [await talk(world, f"c{n}") for n in range(4)] == ["a1", "a2", "a1", "a2"]
    await world.agent("a3", s=1)
    assert [await talk(world, f"d{n}") for n in range(3)] == ["a3", "a3", "a1"]
    await world.store.logout("a1", world.now)
    await world.agent("a1", s=1)
    assert await talk(world, "e0") == "a1"


async def test_longest_average_idle(world: World) -> None:
    """Who has no idle period yet; then the one whose idle periods in this login were the longest on average."""
    await use(world, queue("longest_average_idle"))
    await world.agent("a1", s=1)
    world.clock.advance(8_000)
    assert await talk(world, "c1") == "a1"
    await world.agent("a2", s=1)
    world.clock.advance(3_000)
    assert await talk(world, "c2") == "a2"
    world.clock.advance(1_000)
    # a1 was idle for 8 and 5 s, then not at all; a2 for 3 s
    assert [await talk(world, f"c{n}") for n in range(3, 8)] == ["a1", "a1", "a1", "a1", "a2"]


async def test_lots_follow_the_weights(world: World) -> None:
    """weighted_random: over 400 calls one agent in three pools of weight 1, 3 and 6 gets a tenth, three and six tenths, within four
    standard errors; and which levels they have does not matter."""
    await use(world, queue("weighted_random", stages=(Stage(0, "s", 2), Stage(5, "s"))), weights=(("a2", 3), ("a3", 6)))
    for agent, level in (("a1", 1), ("a2", 2), ("a3", 2)):
        await world.agent(agent, s=level)
    took = Counter([await talk(world, f"c{n}", 1) for n in range(400)])
    for agent, share in (("a1", 0.1), ("a2", 0.3), ("a3", 0.6)):
        assert took[agent] / 400 == pytest.approx(share, abs=4 * (share * (1 - share) / 400) ** 0.5), took


async def test_a_lot_is_drawn_over_all_levels_that_fit(world: World) -> None:
    """Agents of several bands draw against each other: neither band starves the other."""
    await use(world, queue("weighted_random"), queue(name="r", stages=(Stage(0, "s", 2),)))
    await world.agent("a1", s=1)
    await world.agent("a2", s=5)
    took = Counter([await talk(world, f"c{n}", 1) for n in range(200)])
    assert 60 < took["a1"] < 140, took


async def test_queues_of_one_skill_with_policies_of_their_own(world: World) -> None:
    """Agents stand once per order; whichever queue takes one, it stands nowhere any more."""
    await use(world, queue("longest_idle"), queue("highest_skill", "r"))
    await world.agent("a1", s=5)
    world.clock.advance(1)
    await world.agent("a2", s=1)
    assert [pool.split(":")[0] for pool in world.raw().pools] == ["idle", "skill"]
    assert (await world.offer("c1", "r")).agent == "a2"
    assert (await world.offer("c2", "q")).agent == "a1"
    assert world.raw().pools == {}


async def test_boards_count_each_ready_agent_once(world: World) -> None:
    """However many orders, cities and levels an agent stands in, a queue's board shows the ready agents of its skill."""
    stages = (Stage(0, "s", 2, "city"), Stage(5_000, "s"))
    await use(world, queue("longest_idle", stages=stages), queue("fewest_calls", "r"), cities=(("a1", "武汉"),))
    await world.agent("a1", s=1)
    await world.agent("a2", s=4)
    await world.agent("a3", other=1)
    assert [(q.queue, q.ready) for q in await world.store.queues() if q.queue in ("q", "r")] == [("q", 2), ("r", 2)]


async def test_expected_waits(world: World) -> None:
    """Without experience a default; then handling time by the agents that are there, over all calls before it in queues of the
    skill; 0 when nobody is there."""
    await use(world, queue(), queue(name="r"))
    assert frames_of(await world.enqueue("c0", "q")) == [Queued("c0", 1, 1, 0)]
    offer = offer_in(await world.agent_effects("a1", s=1))
    assert frames_of(await world.enqueue("c1", "q")) == [Queued("c1", 1, 1, HANDLING_MS)]
    await world.answered(offer)
    world.clock.advance(60_000)
    await world.store.end(world.node, End("c0", 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert world.raw().flows == {"handling:q": 60_000}
    assert frames_of(await world.enqueue("c2", "q")) == [Queued("c2", 1, 1, 60_000)]
    (queued,) = frames_of(await world.enqueue("c3", "r", entered=world.now + 1))
    assert isinstance(queued, Queued) and (queued.position, queued.expected_ms) == (1, 2 * HANDLING_MS)


async def test_patience_shortens_the_expected_wait(world: World) -> None:
    """Callers who give up are learned: behind many, the next one waits less than handling times add up to."""
    await use(world, queue())
    await world.agent("a1", s=1)
    await world.offer("c0", "q")
    for n in range(1, 6):
        await world.enqueue(f"c{n}", "q")
    world.clock.advance(30_000)
    for n in range(1, 5):
        await world.store.cancel(world.node, f"c{n}", 9, "REASON_HANGUP", world.now)
    (queued,) = frames_of(await world.enqueue("c9", "q"))
    assert isinstance(queued, Queued)
    flow = Flow(0, int(world.raw().flows["waited:q"]), int(world.raw().flows["gone:q"]))
    assert queued.expected_ms == expected_ms(flow, 1, 1) < 2 * HANDLING_MS


def test_the_predictor_is_the_sum_it_stands_for() -> None:
    """The closed form is within five per cent of the sum of departures from the line, for short and long lines."""
    flow = Flow()
    handled(flow, 240_000)
    for n in range(100):
        waited(flow, 120_000, n % 2 == 0)
    theta = flow.gone / 1024 / flow.waited
    for before, staffed in ((0, 20), (10, 20), (60, 20)):
        rate = staffed / 240_000
        exact = sum(1 / (rate + i * theta) for i in range(before + 1))
        assert expected_ms(flow, before, staffed) == pytest.approx(exact, rel=0.06)


# ---- rules that change while calls wait


async def test_a_ladder_is_taken_away(world: World) -> None:
    """A call on a rung that is no more stands where the new rules put it, with its time, and is matched in that step."""
    stages = (Stage(0, "s", 1), Stage(5_000, "s", 3), Stage(60_000, "s"))
    await use(world, queue(stages=stages))
    await world.enqueue("c1", "q")
    await world.expire(6_000)
    await world.agent("a1", s=7)
    offer = offer_in(await world.store.sync_config(Rules(3, "none", (queue(),), ()), world.now))
    assert (offer.call, offer.agent) == ("c1", "a1")
    assert not [m for m, _ in world.raw().due if m.startswith("w:")]


async def test_a_ladder_is_put_up(world: World) -> None:
    """Calls that wait for anybody wait for whom their time allows, and are woken when it allows more."""
    await use(world, queue())
    await world.enqueue("c1", "q")
    world.clock.advance(2_000)
    stages = (Stage(0, "s", 1), Stage(5_000, "s", 3))
    await world.store.sync_config(Rules(3, "ladder", (queue(stages=stages),), ()), world.now)
    assert list(world.raw().lines) == ["q:s:1:*"]
    await world.agent("a1", s=3)
    assert offer_in(await world.expire(3_000)).agent == "a1"


async def test_a_policy_changes_under_ready_agents(world: World) -> None:
    """Ready agents stand in the new order and in no old one; idle times and calls answered count on."""
    await use(world, queue("longest_idle"))
    for agent in ("a1", "a2"):
        await world.agent(agent, s=1)
        world.clock.advance(1)
    assert [await talk(world, f"c{n}") for n in (1, 2)] == ["a1", "a2"]
    assert await talk(world, "c3") == "a1"
    await world.store.sync_config(Rules(3, "fewest", (queue("fewest_calls"),), ()), world.now)
    assert {pool.split(":")[0] for pool in world.raw().pools} == {"fewest"}
    assert await talk(world, "c4") == "a2"


async def test_seats_move_to_another_city(world: World) -> None:
    """An agent who gets a city takes the call that waits for it; a city that loses its seats leaves no call in a dead line."""
    stages = (Stage(0, "s", 9, "city"), Stage(60_000, "s"))
    await use(world, queue(stages=stages), cities=(("x", "武汉"), ("y", "宜昌")))
    await world.agent("a1", s=1)
    await world.store.enqueue(world.node, replace(world.words("c1", "q"), city="武汉"), world.now)
    await world.store.enqueue(world.node, replace(world.words("c2", "q", entered=START + 1), city="宜昌"), world.now)
    rules = Rules(3, "moved", (queue(stages=stages),), (), cities=(("a1", "武汉"), ("y", "宜昌")))
    offer = offer_in(await world.store.sync_config(rules, world.now))
    assert (offer.call, offer.agent) == ("c1", "a1")
    await world.agent("a2", s=1)
    rules = replace(rules, generation=4, digest="gone", cities=rules.cities[:1])
    offer = offer_in(await world.store.sync_config(rules, world.now))
    assert (offer.call, offer.agent) == ("c2", "a2")


async def test_who_waits_for_an_own_agent_no_more(world: World) -> None:
    """The queue's patience is taken away: the call is placed for all."""
    await use(world, queue(own_ms=60_000))
    await world.agent("a1", s=1)
    await world.answered(await world.offer("c0", "q"))
    await world.agent("a2", s=1)
    await world.store.enqueue(world.node, replace(world.words("c1", "q"), agent="a1"), world.now)
    offer = offer_in(await world.store.sync_config(Rules(3, "none", (queue(),), ()), world.now))
    assert (offer.call, offer.agent) == ("c1", "a2")


async def test_what_a_point_is_worth_changes_the_order(world: World) -> None:
    """All who wait are put in their new places."""
    await use(world, queue(), priority_worth_ms=1_000)
    await world.enqueue("urgent", "q", priority=20)
    await world.enqueue("old", "q", entered=START - 30_000)
    assert [m for m, _ in world.raw().wait["q"]] == ["old", "urgent"]
    await world.store.sync_config(Rules(3, "worth", (queue(),), (), priority_worth_ms=60_000), world.now)
    assert [m for m, _ in world.raw().wait["q"]] == ["urgent", "old"]
    assert offer_in(await world.agent_effects("a1", s=1)).call == "urgent"
