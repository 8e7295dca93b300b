"""Redis is killed and has forgotten its last second (appendfsync everysec): what was given out then is never given out again."""

from __future__ import annotations

import asyncio

import pytest

from router.core.commands import QueueRule, Rules, Stage
from router.core.errors import UnknownNode
from router.core.events import Effect
from router.core.remote import PlaceWanted, ToCentre
from router.store.redis import RedisStore
from tests.contract.stores import World, redis_world, view
from tests.kit.wait import until_async

NATION = Rules(2, "nation", (QueueRule("sales", "sales", 10, 20_000, 0, stages=(Stage(0, "sales", 9, "nation"),)),), ())
LOST_MS = 900


async def test_a_session_number_is_not_given_twice(world: World) -> None:
    """A node that said hello in the second that is forgotten does not share its number with whoever says hello next."""
    saved = world.save()
    old = await world.hello("m2", epoch=1)
    world.clock.advance(LOST_MS)
    world.restore(saved)
    new = await world.hello("m2", epoch=2)
    assert new.session > old.session
    with pytest.raises(UnknownNode):
        await world.store.heartbeat(old, False, 1, world.now)


async def test_sessions_of_one_moment_differ(world: World) -> None:
    """Two streams of a node in the same millisecond have two numbers, the later one the higher."""
    first, second = await world.hello("m2"), await world.hello("m2")
    assert second.session > first.session


async def test_a_placement_is_not_named_twice(world: World) -> None:
    """Another centre may hold an agent under an id that we have forgotten: the next attempt has another one."""
    await world.store.sync_config(NATION, world.now)
    await world.store.hold_links("r1", 60_000, world.now)
    saved = world.save()
    (forgotten,) = _wanted(await world.enqueue("c1"))
    world.clock.advance(LOST_MS)
    world.restore(saved)
    (again,) = _wanted(await world.store.enqueue(world.node, world.words("c1", version=1, entered=world.now), world.now))
    assert again != forgotten


def _wanted(effects: list[Effect]) -> list[str]:
    return [e.frame.placement for e in effects if isinstance(e, ToCentre) and isinstance(e.frame, PlaceWanted)]


async def test_an_offer_is_not_named_twice(world: World) -> None:
    """A node may still ring by an offer that we have forgotten: the next one of that call has another id."""
    await world.agent("a1")
    saved = world.save()
    forgotten = await world.offer("c1")
    world.clock.advance(LOST_MS)
    world.restore(saved)
    again = await world.offer("c1")
    assert again.offer != forgotten.offer


async def test_an_agent_who_clicks_again_is_newer_than_what_was_forgotten(world: World) -> None:
    """Who compares versions of an agent takes what comes after the loss for newer than what was lost."""
    await world.agent("a1", ready=False)
    saved = world.save()
    for _ in range(3):
        await world.store.ready("a1", world.now)
        lost = view(await world.store.not_ready("a1", "lunch", world.now))
    world.clock.advance(LOST_MS)
    world.restore(saved)
    assert view(await world.store.ready("a1", world.now)).version > lost.version
    assert len({fact.id for fact in world.facts()}) == len(world.facts())


@pytest.mark.real
async def test_a_row_of_before_is_shown_after_a_loss(redis_port: int) -> None:
    """The board does not go on showing what Redis forgot: the older row comes with a version that is not below."""
    world = await redis_world(redis_port).open()
    await world.agent("a1", ready=False)
    saved = world.save()
    lost = view(await world.store.ready("a1", world.now))
    world.clock.advance(LOST_MS)
    store = world.store
    assert world.client is not None and isinstance(store, RedisStore)
    world.client.client_kill_filter(_type="normal", skipme=True)
    await until_async(lambda: not store.connected.is_set(), 5, "the loss is seen")
    world.restore(saved)
    await asyncio.wait_for(store.connected.wait(), 5)
    (seen,) = await world.store.agents()
    assert seen.state == "not_ready" and seen.version > lost.version
    await world.store.close()
