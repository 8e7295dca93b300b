"""Both stores tell routers of timers that are due before they would look by themselves, and of other rules."""

from __future__ import annotations

from dataclasses import replace

from router.core.commands import End, QueueRule
from tests.contract.stores import RULES, TIMES, World
from tests.contract.test_store_rules import version
from tests.kit.wait import until_async

SHORT = QueueRule("short", "tech", 10, 15_000, 300)
LONG = QueueRule("long", "tech", 10, 15_000, 5_000)


async def listening(world: World) -> list[int]:
    """What routers are told from now on."""
    told: list[int] = []
    await world.store.subscribe("r1-x", lambda _: None, told.append)
    if world.client is not None:
        await until_async(lambda: told == [0], 5, "subscribed")
        told.clear()
    return told


async def talk(world: World, call: str, queue: str) -> None:
    """A call that is over, its agent in after-call work."""
    await world.answered(await world.offer(call, queue))
    over = End(call, world.version(call), "REASON_HANGUP", "SIDE_CALLER", world.now)
    await world.store.end(world.node, over, world.now)


async def test_a_timer_that_is_due_soon_is_told(world: World) -> None:
    """After-call work of 300 ms is told with its time, as routers look every 500 ms; that of 5 s is not, its look finds it."""
    await world.store.sync_config(replace(RULES, generation=2, digest="two", queues=(*RULES.queues, SHORT, LONG)), world.now)
    await world.agent("a1", tech=1)
    told = await listening(world)
    await talk(world, "c1", "long")
    await world.store.end_after_call("a1", world.now)
    await talk(world, "c2", "short")
    await until_async(lambda: bool(told), 5, "a word")
    assert set(told) == {world.now + 300}
    assert TIMES.look_ms == 500


async def test_a_look_tells_the_next(world: World) -> None:
    """Serving the timers answers when the earliest of the others is due; 0 if there is none."""
    assert (await world.store.expire(100, world.now)).next_ms == world.now + TIMES.lost_ms  # the node's
    world.clock.advance(TIMES.lost_ms)
    assert (await world.store.expire(100, world.now)).next_ms == world.now + TIMES.lost_ms  # nobody served: an outage
    world.clock.advance(1)
    for _ in range(int(TIMES.lost_ms / 1000)):
        world.clock.advance(1000)
        last = await world.store.expire(100, world.now)
    assert last.next_ms == 0


async def test_other_rules_are_told(world: World) -> None:
    """A version that comes into force is told with 0, one that does not is not told."""
    told = await listening(world)
    await world.store.sync_config(version(3), world.now)
    await until_async(lambda: told == [0], 5, "a word")
    await world.store.sync_config(version(2), world.now)
    await world.store.sync_config(version(4), world.now)
    await until_async(lambda: len(told) == 2, 5, "another word")
    assert told == [0, 0]
