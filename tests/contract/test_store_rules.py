"""Versions of the rules in both stores: the higher one wins wherever it comes from, its book is kept, its skills hold at once."""

from __future__ import annotations

from dataclasses import replace

from router.core.commands import Book, QueueRule, Rules
from tests.contract.stores import QUEUES, RULES, World, offer_in

SKILLS = (("a1", (("tech", 1),)), ("a2", (("sales", 2),)))


def version(number: int, name: str = "", **more: object) -> Rules:
    """Rules of a version; `name` tells two books of it apart."""
    text = f"{name}{number}"
    book = Book(f"{text:0<64}", "boss", f"why {text}", f'{{"version":{number}}}')
    rules = Rules(number, f"d{text}", QUEUES, (), book=book)
    return replace(rules, **more)  # type: ignore[arg-type]


def changes(world: World) -> list[tuple[int, str]]:
    return [(f.body["version"], f.body["why"]) for f in world.facts() if f.kind == "rules_changed"]


async def test_the_higher_version_wins(world: World) -> None:
    """A version wins over rules without one, then the higher one; a repeat, and another book of it, change nothing."""
    assert RULES.generation == 1
    for rules in (version(3), version(2), version(3), version(3, "other"), RULES, version(4)):
        await world.store.sync_config(rules, world.now)
    assert await world.store.in_force() == (4, version(4).book.sha256)
    assert changes(world) == [(3, "why 3"), (4, "why 4")]
    ids = [f.id for f in world.facts() if f.kind == "rules_changed"]
    assert ids == ["rules:main:3:300000000000", "rules:main:4:400000000000"]


async def test_a_version_wins_over_rules_that_had_a_time_for_a_number(world: World) -> None:
    """Before versions the generation was a file's time in ms: version 1 of a new router must still come into force."""
    await world.store.sync_config(replace(RULES, generation=1_760_000_000_000, digest="old"), world.now)
    await world.store.sync_config(version(1), world.now)
    assert await world.store.in_force() == (1, version(1).book.sha256)


async def test_the_same_tables_under_a_new_version(world: World) -> None:
    """A version that changes only names is in force with its book, though no table of the store changes."""
    await world.store.sync_config(version(1), world.now)
    await world.store.sync_config(version(2, digest="d1"), world.now)
    assert await world.store.in_force() == (2, version(2).book.sha256)
    assert changes(world) == [(1, "why 1"), (2, "why 2")]


async def test_skills_hold_at_once(world: World) -> None:
    """A ready agent whose skills change stands in the lines of the new ones; who is logged out gets them with the next log-in."""
    await world.enqueue("c1", "tech")
    await world.agent("a1", sales=1)
    await world.agent("a2", sales=1)
    await world.store.logout("a2", world.now)
    effects = await world.store.sync_config(version(1, skills=SKILLS), world.now)
    assert offer_in(effects).agent == "a1"
    seen = {a.agent: a for a in await world.store.agents()}
    assert seen["a1"].skills == (("tech", 1),) and seen["a2"].skills == (("sales", 1),)
    await world.enqueue("c2", "sales")
    assert [q.waiting for q in await world.store.queues() if q.queue == "sales"] == [1], "nobody has the skill sales now"


async def test_skills_of_a_talking_agent(world: World) -> None:
    """In a talk new skills are known at once and used for the next call."""
    await world.agent("a1", sales=1)
    offer = offer_in(await world.enqueue("c1", "sales"))
    await world.answered(offer)
    await world.store.sync_config(version(1, skills=SKILLS), world.now)
    assert (await world.store.agents(("a1",)))[0].skills == (("tech", 1),)
    assert (await world.store.agents(("a1",)))[0].state == "talking"


async def test_a_removed_queue_is_served_and_comes_back(world: World) -> None:
    """Calls waiting in a queue that a version removes are answered; a later version may bring the queue back."""
    await world.enqueue("c1", "tech")
    await world.store.sync_config(version(1, queues=QUEUES[:2]), world.now)
    assert offer_in(await world.agent_effects("a1", tech=1)).call == "c1"
    await world.store.sync_config(version(2, queues=(*QUEUES[:2], QueueRule("tech", "tech", 20, 15_000, 0))), world.now)
    await world.enqueue("c2", "tech")
