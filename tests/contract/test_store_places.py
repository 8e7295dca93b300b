"""A waiting call and its placement elsewhere: when it is asked for, of whom, and when it is not. The same in both stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from router.core.commands import Assert, QueueRule, Rules, Stage
from router.core.events import Effect
from router.core.remote import PlaceWanted, ToCentre
from router.store.keys import key
from tests.contract.stores import TENANT, TIMES, World, offer_in

NATION = (Stage(0, "sales", 2), Stage(500, "sales", 9, "nation"))
BUSY = "REASON_BUSY"


async def use(world: World, generation: int, **more: Any) -> list[Effect]:
    """Rules with one queue come into force."""
    rules = Rules(generation, f"rules{generation}", (QueueRule("sales", "sales", 10, 20_000, 0, **more),), ())
    return await world.store.sync_config(rules, world.now)


async def abroad(world: World) -> None:
    """The queue may go to the nation after half a second, and a router holds the links."""
    await use(world, 2, stages=NATION)
    await world.store.hold_links("r1", 600_000, world.now)


def wanted(effects: Iterable[Effect]) -> list[PlaceWanted]:
    """What is asked of other centres."""
    return [e.frame for e in effects if isinstance(e, ToCentre) and isinstance(e.frame, PlaceWanted)]


async def asks(world: World, ms: int) -> list[PlaceWanted]:
    """What is asked while time passes."""
    return wanted(await world.expire(ms))


def wish(world: World, call: str) -> str:
    """State of the call's placement; "" or none: nothing is wanted."""
    if world.client is not None:
        return str((world.client.hget(key(TENANT, "call", call), "place") or b"none").decode())
    row = world.store.desk.calls[call].remote  # type: ignore[attr-defined]  # the memory store's
    return row.state if row is not None else "none"


async def rings_at(world: World, centre: str, placement: str) -> None:
    uri = f"sip:901@{centre};placement={placement}"
    await world.store.placed(centre, placement, "li", "901", uri, world.now + 20_000, world.now)


async def test_a_call_that_rang_here_meanwhile_does_not_wait_for_an_ask_that_nobody_makes(world: World) -> None:
    """While a call rings at a seat here its ask runs out and the rules lose the nation; then the seat goes: the call waits without
    a wish, and under rules with the nation it asks at once."""
    await abroad(world)
    for call in ("c3", "c4"):
        await world.enqueue(call, priority=99 if call == "c4" else -1)
    asked = {w.call: w.placement for w in await asks(world, 1_000)}
    assert set(asked) == {"c3", "c4"}
    assert offer_in(await world.agent_effects("a1", sales=1)).call == "c4"
    await world.store.no_place(asked["c3"], BUSY, 700, world.now)
    assert {w.call for w in await asks(world, TIMES.place_ms + 1_000)} == {"c3"}
    await use(world, 3)
    await world.store.login("a1", "9-a1", (("sales", 1),), world.now)
    assert await world.place("c4") == ("waiting", "sales")
    assert wish(world, "c4") == "none" and not [timer for timer, _ in world.raw().due if timer == "p:c4"]
    assert {w.call for w in wanted(await use(world, 4, stages=NATION))} == {"c4"}
    assert wish(world, "c4") == "asked"


async def test_a_wish_ends_while_the_call_rings_here(world: World) -> None:
    """Nobody was free elsewhere and the call rings here when it would ask again: it does so when it waits again."""
    await abroad(world)
    await world.enqueue("c1")
    (first,) = await asks(world, 1_000)
    await world.store.no_place(first.placement, BUSY, 700, world.now)
    offer = offer_in(await world.agent_effects("a1", sales=1))
    assert await asks(world, 5_000) == [] and wish(world, "c1") == "none"
    again = wanted(await world.failed(offer, "REASON_NO_ANSWER"))
    assert [w.call for w in again] == ["c1"]


async def test_after_a_failed_placement_the_call_pauses(world: World) -> None:
    """A seat elsewhere failed and then nobody else was free: the call asks again after two seconds, not when the nation said."""
    await abroad(world)
    await world.enqueue("c1")
    (first,) = await asks(world, 1_000)
    await rings_at(world, "hunan", first.placement)
    await world.store.settle_failed(world.node, "c1", world.version("c1"), first.placement, "REASON_UNREACHABLE", world.now)
    (second,) = await asks(world, 1)
    assert second.not_at == ("hunan",)
    await world.store.no_place(second.placement, BUSY, 100, world.now)
    assert await asks(world, TIMES.failed_ms - 1) == []
    assert [w.not_at for w in await asks(world, 1)] == [()]


async def test_without_a_failed_placement_it_asks_when_the_nation_says(world: World) -> None:
    """Nobody was free and no seat elsewhere failed: the call asks again after as long as it was told."""
    await abroad(world)
    await world.enqueue("c1")
    (first,) = await asks(world, 1_000)
    await world.store.no_place(first.placement, BUSY, 100, world.now)
    assert await asks(world, 99) == []
    assert len(await asks(world, 1)) == 1


async def test_the_last_three_centres_that_failed_are_not_asked(world: World) -> None:
    """Seats at four centres fail one after the other: the ask names the last three, the oldest may be asked again."""
    await abroad(world)
    await world.enqueue("c1")
    (ask,) = await asks(world, 1_000)
    seen = [ask.not_at]
    for centre in ("hunan", "hebei", "anhui", "gansu"):
        await rings_at(world, centre, ask.placement)
        await world.store.settle_failed(world.node, "c1", world.version("c1"), ask.placement, "REASON_UNREACHABLE", world.now)
        (ask,) = await asks(world, 1)
        seen.append(ask.not_at)
    assert seen == [(), ("hunan",), ("hunan", "hebei"), ("hunan", "hebei", "anhui"), ("hebei", "anhui", "gansu")]


async def test_a_talk_that_the_store_forgot_has_its_agent(world: World) -> None:
    """The store died with the answer to an ask, and the node says that the caller talks there: the books name agent and centre."""
    await abroad(world)
    await world.enqueue("c1")
    (ask,) = await asks(world, 1_000)
    words = world.words("c1", entered=world.now - 1_000)
    await world.asserted(Assert("talk", words, ask.placement, "li@hunan", world.now))
    (bridged,) = [fact for fact in world.facts() if fact.kind == "bridged"]
    assert bridged.agent == "li@hunan"
    (there,) = await world.store.placements(world.now)
    assert (there.centre, there.talking) == ("hunan", (ask.placement,))
