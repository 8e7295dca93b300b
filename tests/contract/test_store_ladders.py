"""Ladders, own agents, limits and VIPs: who may take a waiting call, and until when. The same in both stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from router.core.commands import Assert, End, Enqueue, QueueRule, RouteAsk, Rules, Stage
from router.core.events import Offer, Queued, TurnedAway
from router.core.policy import call_score
from tests.contract.stores import START, World, frames_of, offer_in

RINGS = (Stage(0, "s", 2, "city"), Stage(5_000, "s", 2), Stage(9_000, "s"))
CITIES = (("a1", "武汉"), ("a2", "宜昌"))


def queue(name: str = "q", skill: str = "s", **more: Any) -> QueueRule:
    return QueueRule(name, skill, 10, 20_000, 0, **more)


async def use(world: World, *queues: QueueRule, generation: int = 2, **more: Any) -> list[Any]:
    """Bring these rules into force."""
    rules = Rules(generation, f"rules{generation}", queues, (), **more)
    return frames_of(await world.store.sync_config(rules, world.now))


def words(world: World, call: str, **more: Any) -> Enqueue:
    return replace(world.words(call, "q"), **more)


async def enqueue(world: World, call: str, **more: Any) -> list[Any]:
    return frames_of(await world.store.enqueue(world.node, words(world, call, **more), world.now))


async def line_of(world: World, call: str) -> str:
    (found,) = [name for name, line in world.raw().lines.items() if call in dict(line)]
    return found


async def test_rings_widen_with_time(world: World) -> None:
    """City, then the centre's best, then all: each in its time, told to the ledger, and matched in the very step that widens."""
    await use(world, queue(stages=RINGS), cities=CITIES)
    await world.agent("a2", s=1)
    await world.agent("a3", s=5)
    assert isinstance((await enqueue(world, "c1", city="武汉"))[0], Queued)
    assert await line_of(world, "c1") == "q:s:2:武汉"
    assert frames_of(await world.expire(4_000)) == []
    assert offer_in(await world.expire(1_000)).agent == "a2"
    await enqueue(world, "c2", city="武汉")
    assert frames_of(await world.expire(8_000)) == []
    assert await line_of(world, "c2") == "q:s:2:*"
    assert offer_in(await world.expire(1_000)).agent == "a3"
    widened = [(f.call, f.body["rung"], f.body["ring"], f.body["waited_ms"]) for f in world.facts() if f.kind == "widened"]
    assert widened == [("c1", 1, "centre", 5_000), ("c2", 1, "centre", 5_000), ("c2", 2, "centre", 9_000)]


async def test_the_seats_of_the_city_come_first(world: World) -> None:
    """While the ring is the city its agent is taken though another is idle for longer; a city without seats waits for nobody."""
    await use(world, queue(stages=RINGS), cities=CITIES)
    await world.agent("a2", s=1)
    world.clock.advance(10)
    await world.agent("a1", s=1)
    assert (await enqueue(world, "c1", city="武汉"))[0].agent == "a1"
    assert (await enqueue(world, "c2", city="南京"))[0].agent == "a2"


async def test_agents_with_equal_skills_hear_the_line_of_their_own_city(world: World) -> None:
    """Two agents of two cities with the same skills: each takes the caller of the own city, whoever waits first and works first."""
    await use(world, queue(stages=RINGS), cities=CITIES)
    for call, city in (("c1", "武汉"), ("c2", "宜昌")):
        await enqueue(world, call, city=city)
    assert offer_in(await world.agent_effects("a2", s=1)).call == "c2"
    assert offer_in(await world.agent_effects("a1", s=1)).call == "c1"


async def test_a_freed_agent_takes_the_first_it_may_take(world: World) -> None:
    """Over all class lines and queues: the lowest score among those that its level, city and skills fit."""
    await use(world, queue(stages=RINGS), queue("r", "t"), cities=CITIES)
    await enqueue(world, "c1", city="宜昌", entered_ms=START - 9)
    await enqueue(world, "c2", city="武汉", entered_ms=START - 8)
    await world.store.enqueue(world.node, world.words("c3", "r", entered=START - 7), world.now)
    got = [offer_in(await world.agent_effects(agent, **skills)).call for agent, skills in (("a1", {"s": 2, "t": 1}),)]
    assert got == ["c2"]
    assert offer_in(await world.agent_effects("a3", s=5, t=9)).call == "c3"
    assert offer_in(await world.agent_effects("a2", s=1)).call == "c1"


async def test_seats_set_aside_for_vips(world: World) -> None:
    """A VIP's ladder begins at the skill gold; others never get those seats; both lines are of one queue and one order."""
    ladder = (Stage(0, "gold"), Stage(3_000, "s"))
    await use(world, queue(vip_stages=ladder))
    await world.agent("g1", gold=1)
    assert isinstance((await enqueue(world, "c1"))[0], Queued)
    assert (await enqueue(world, "c2", vip=1))[0].agent == "g1"
    assert (await enqueue(world, "c3", vip=1)) == [Queued("c3", 1, 2)]
    assert await line_of(world, "c3") == "q:gold:9:*"
    await world.expire(3_000)
    assert await line_of(world, "c3") == "q:s:9:*"
    assert offer_in(await world.agent_effects("a1", s=1)).call == "c3"


async def test_a_vip_level_is_priority(world: World) -> None:
    """Ten points a level, at most 99, on top of the queue's own and of a given one."""
    await use(world, queue())
    for call, priority, vip in (("c1", -1, 0), ("c2", -1, 2), ("c3", 50, 1), ("c4", 95, 9)):
        await enqueue(world, call, priority=priority, vip=vip)
    want = {call: call_score(prio, START, 120_000) for call, prio in (("c1", 10), ("c2", 30), ("c3", 60), ("c4", 99))}
    assert dict(world.raw().wait["q"]) == want


async def test_priority_ages(world: World) -> None:
    """A point is worth its time: a call of priority 12 passes one of priority 10 that came up to two points' worth before it."""
    await use(world, queue(), priority_worth_ms=1_000)
    await enqueue(world, "old", entered_ms=START - 2_001)
    await enqueue(world, "young", entered_ms=START - 1_999)
    await enqueue(world, "urgent", priority=12)
    got = [offer_in(await world.agent_effects(f"a{n}", s=1)).call for n in range(3)]
    assert got == ["old", "urgent", "young"]


async def test_a_given_agent_is_waited_for(world: World) -> None:
    """Busy: the call waits for that agent alone though others are ready, and goes to it first when it is free."""
    await use(world, queue(own_ms=10_000))
    await world.agent("a1", s=1)
    talk = await world.offer("c0", "q")
    await world.answered(talk)
    await world.agent("a2", s=1)
    assert isinstance((await enqueue(world, "c1", agent="a1"))[0], Queued)
    assert await line_of(world, "c1") == "own:a1"
    end = End("c0", 9, "REASON_HANGUP", "SIDE_CALLER", world.now)
    assert offer_in(await world.store.end(world.node, end, world.now)).call == "c1"


async def test_patience_for_the_own_agent_ends(world: World) -> None:
    """After the queue's patience the others may take the call, in the step of the timer."""
    await use(world, queue(own_ms=10_000))
    await world.agent("a1", s=1)
    await world.answered(await world.offer("c0", "q"))
    await world.agent("a2", s=1)
    await enqueue(world, "c1", agent="a1")
    assert frames_of(await world.expire(9_000)) == []
    assert offer_in(await world.expire(1_000)).agent == "a2"


@pytest.mark.parametrize("how", ["not_ready", "logout"])
async def test_the_own_agent_goes_away(world: World, how: str) -> None:
    """Not ready or logged out: who waited for it alone waits for all, at once."""
    await use(world, replace(queue(own_ms=60_000), after_ms=5_000))
    await world.agent("a1", s=1)
    await world.answered(await world.offer("c0", "q"))
    await world.agent("a2", s=1)
    await enqueue(world, "c1", agent="a1")
    await world.store.end(world.node, End("c0", 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    ask = ("a1", "lunch") if how == "not_ready" else ("a1",)
    assert offer_in(await getattr(world.store, how)(*ask, world.now)).agent == "a2"


async def test_an_own_agent_who_is_not_there(world: World) -> None:
    """Unknown, logged out or not ready: the call waits for nobody in particular."""
    await use(world, queue(own_ms=60_000))
    await world.agent("a1", ready=False, s=1)
    await enqueue(world, "c1", agent="a1")
    await enqueue(world, "c2", agent="nobody")
    assert {await line_of(world, call) for call in ("c1", "c2")} == {"q:s:9:*"}


async def test_the_customers_last_agent(world: World) -> None:
    """Who talked to a customer last gets the next call, before those who are idle for longer; other customers go by the policy."""
    await use(world, queue(own_ms=10_000))
    await world.agent("a1", s=1)
    (first,) = await enqueue(world, "c1", customer="k1")
    await world.answered(first)
    await world.agent("a2", s=1)
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    world.clock.advance(10)
    (again,) = await enqueue(world, "c2", customer="k1")
    assert again.agent == "a1"
    (other,) = await enqueue(world, "c3", customer="k2")
    assert other.agent == "a2"


async def test_the_last_agent_must_serve_the_queue(world: World) -> None:
    """A last agent without the queue's skill is not asked, nor the one who has just sent the caller to the queue."""
    await use(world, queue(own_ms=10_000), queue("r", "t", own_ms=10_000))
    await world.agent("a1", s=1)
    (first,) = await enqueue(world, "c1", customer="k1")
    await world.answered(first)
    e = replace(world.words("c1", "r"), customer="k1")
    await world.store.enqueue(world.node, e, world.now)
    assert await line_of(world, "c1") == "r:t:9:*"


async def test_who_sent_a_call_on_is_not_its_last_agent(world: World) -> None:
    """An agent with the skill of the other queue too sends the caller there: the policy's agent gets the call, not the sender."""
    await use(world, queue(own_ms=10_000), queue("r", "t", own_ms=10_000))
    await world.agent("a1", s=1, t=2)
    (first,) = await enqueue(world, "c1", customer="k1")
    await world.answered(first)
    await world.agent("a2", t=1)
    sent = replace(world.words("c1", "r"), customer="k1")
    assert offer_in(await world.store.enqueue(world.node, sent, world.now)).agent == "a2"


async def test_a_full_queue_turns_away(world: World) -> None:
    """Who would wait beyond the limit is refused with a fact instead of `enqueued`; a repeat hears the same; who waits stays."""
    await use(world, queue(max_waiting=1))
    await enqueue(world, "c1")
    before = len(world.facts())
    away = TurnedAway("c2", "q", "REASON_QUEUE_FULL")
    asked = words(world, "c2")
    assert frames_of(await world.store.enqueue(world.node, asked, world.now)) == [away]
    assert frames_of(await world.store.enqueue(world.node, asked, world.now)) == [away]
    assert frames_of(await world.store.assert_(world.node, Assert("wait", asked), world.now)) == [away]
    assert world.kinds(before) == ["turned_away"]
    assert frames_of(await world.store.enqueue(world.node, words(world, "c1"), world.now)) == [Queued("c1", 1, 1)]
    await world.agent("a1", s=1)
    await world.agent("a2", s=1)
    assert isinstance((await enqueue(world, "c2"))[0], Offer)


async def test_a_full_queue_takes_who_need_not_wait(world: World) -> None:
    """With an agent ready for it a call passes the limit: others wait for agents that it does not need."""
    await use(world, queue(max_waiting=1, vip_stages=(Stage(0, "gold"),)))
    await world.agent("g1", gold=1)
    await enqueue(world, "c1")
    assert isinstance((await enqueue(world, "c2", vip=1))[0], Offer)


@pytest.mark.parametrize("reason", ["REASON_CLOSED", "REASON_EMERGENCY"])
async def test_closed_for_new_calls(world: World, reason: str) -> None:
    """A closed queue refuses who is not in it; who waits already is served."""
    await use(world, queue())
    await enqueue(world, "c1")
    assert await enqueue(world, "c1", closed=reason) == [Queued("c1", 1, 1)]
    assert await enqueue(world, "c2", closed=reason) == [TurnedAway("c2", "q", reason)]
    assert offer_in(await world.agent_effects("a1", s=1)).call == "c1"


async def test_who_waits_too_long_is_turned_away(world: World) -> None:
    """The line ends with facts and a frame to the call's node; the call may enter again."""
    await use(world, queue(max_wait_ms=6_000))
    await enqueue(world, "c1")
    assert frames_of(await world.expire(5_000)) == []
    before = len(world.facts())
    assert frames_of(await world.expire(1_000)) == [TurnedAway("c1", "q", "REASON_WAITED_TOO_LONG")]
    assert [(f.kind, f.body["waited_ms"]) for f in world.facts()[before:]] == [("left_queue", 6_000), ("turned_away", 6_000)]
    assert await world.place("c1") == ("", "")
    assert isinstance((await enqueue(world, "c1"))[0], Queued)


async def test_who_rings_is_not_turned_away(world: World) -> None:
    """The limit passes while a seat rings: the answer counts; a refusal ends the wait at the next look at the clock."""
    await use(world, queue(max_wait_ms=6_000))
    await world.agent("a1", s=1)
    offer = await world.offer("c1", "q")
    assert frames_of(await world.expire(8_000)) == []
    await world.failed(offer, "REASON_NO_ANSWER")
    assert frames_of(await world.expire(1)) == [TurnedAway("c1", "q", "REASON_WAITED_TOO_LONG")]


async def test_a_failed_offer_goes_on_where_the_clock_is(world: World) -> None:
    """While it rang the time went on: the call comes back on the rung of its whole wait."""
    await use(world, queue(stages=RINGS), cities=CITIES)
    await world.agent("a1", s=1)
    (offer,) = await enqueue(world, "c1", city="武汉")
    await world.expire(6_000)
    await world.failed(offer, "REASON_BUSY")
    assert await line_of(world, "c1") == "q:s:2:*"


async def test_vips_are_known_before_the_menu(world: World) -> None:
    """Route tells the level of the most exact entry under which the caller stands; 0 for the others and for the refused."""
    await use(world, queue(), vip=(("=+8613800000009", 3), ("^+86138", 1)))

    async def level(*keys: str) -> int:
        ask = RouteAsk("c1", "t1", "1", "2", "", ("", "", "", ""), keys)
        return (await world.store.route(ask, world.now)).vip

    got = [await level(*keys) for keys in (("=+8613800000009", "^+86138"), ("=+1", "^+86138"), ("=+1",), ())]
    assert got == [3, 1, 0, 0]
