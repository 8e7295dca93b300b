"""Who is served when: by score, where a point of priority is worth so much waiting; nobody waits behind those who score after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.core.commands import End, Enqueue, QueueRule, Rules
from router.core.events import Effect, Offer
from tests.contract.stores import World, frames_of, memory_world, redis_world
from tests.kit import chance

WORTH_MS = 5_000
QUEUES = {"general": ("one", 10), "bills": ("one", 12), "tech": ("two", 0)}
RULES = Rules(
    1,
    "one",
    tuple(QueueRule(queue, skill, priority, 20_000, 0) for queue, (skill, priority) in QUEUES.items()),
    (),
    priority_worth_ms=WORTH_MS,
)
SKILLS = ({"one"}, {"two"}, {"one", "two"})
CALLS = st.tuples(
    st.sampled_from(sorted(QUEUES)),  # queue
    st.sampled_from((-1, -1, 0, 13, 99)),  # priority
    st.integers(0, 20_000),  # how long it has waited elsewhere, ms
    st.integers(0, 3_000),  # to the next one, ms
    st.integers(-4, 5),  # what an agent does then: get free (0..2), come to work (3..5), nothing
)
Story = list[tuple[str, int, int, int, int]]


class Line:
    """An open line and the rule by which it must move."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: dict[str, tuple[int, str, str]] = {}  # call -> (score, call, skill)
        self.talking: dict[int, Offer] = {}
        self.served: list[str] = []

    async def comes(self, number: int, queue: str, priority: int, waited: int) -> None:
        """A caller."""
        call, now = f"c{number:03d}", self.world.now
        skill, own = QUEUES[queue]
        score = now - waited - (own if priority < 0 else priority) * WORTH_MS
        self.waiting[call] = (score, call, skill)
        asked = Enqueue(call, 1, queue, priority, now - waited)
        self.take(await self.world.store.enqueue(self.world.node, asked, now))

    async def frees(self, agent: int) -> None:
        """The agent answers what rings there and hangs up."""
        offer = self.talking.pop(agent, None)
        if offer is not None:
            store, now = self.world.store, self.world.now
            self.take(await store.settle_answered(self.world.node, offer.call, 2, offer.offer, now, now))
            self.take(await store.end(self.world.node, End(offer.call, 3, "REASON_HANGUP", "SIDE_CALLER", now), now))

    async def works(self, agent: int) -> None:
        """Log in and be ready."""
        self.take(await self.world.agent_effects(f"a{agent}", **dict.fromkeys(SKILLS[agent], 1)))

    def take(self, effects: Iterable[Effect]) -> None:
        """Each offer is for the call that scores first among those the agent can take; and nobody ready leaves one waiting."""
        for offer in [f for f in frames_of(list(effects)) if isinstance(f, Offer)]:
            agent = int(offer.agent[1:])
            fitting = [entry for entry in self.waiting.values() if entry[2] in SKILLS[agent]]
            assert min(fitting)[1] == offer.call, f"{offer.call} was taken before {min(fitting)[1]}: {sorted(fitting)}"
            del self.waiting[offer.call]
            self.talking[agent] = offer
            self.served.append(offer.call)

    async def turn(self, what: int) -> None:
        """Of an agent."""
        if what >= len(SKILLS):
            await self.works(what - len(SKILLS))
        elif what >= 0:
            await self.frees(what)


async def _tell(world: World, story: Story) -> None:
    line = Line(await world.open(RULES))
    for number, (queue, priority, waited, pause, turn) in enumerate(story):
        await line.comes(number, queue, priority, waited)
        await line.turn(turn)
        await world.expire(pause)
    for turn in (3, 4, 5, *(n % 3 for n in range(3 * len(story) + 3))):
        await line.turn(turn)
    assert sorted(line.served) == [f"c{n:03d}" for n in range(len(story))], "all are served"
    await world.store.close()


def proof(make: Callable[[], World], examples: int) -> None:
    @settings(max_examples=chance.examples(examples), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(CALLS, min_size=1, max_size=40))
    def told(story: Story) -> None:
        asyncio.run(_tell(make(), story))

    told()


@chance.explored
def test_with_aging_no_call_waits_behind_one_that_scores_after_it_in_memory() -> None:
    """Callers with any priorities and agents of any skills come and go: always the lowest score first, and all are served."""
    proof(memory_world, 150)


@pytest.mark.real
@chance.explored
def test_with_aging_no_call_waits_behind_one_that_scores_after_it_in_redis(redis_port: int) -> None:
    """The same on Redis."""
    proof(lambda: redis_world(redis_port), 40)
