"""Who is served when: by score, where a point of priority is worth so much waiting; nobody waits behind those who score after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.core.agent import AgentState
from router.core.commands import End, Enqueue, QueueRule, Rules
from router.core.events import Effect, Offer, Withdraw
from tests.contract.stores import World, frames_of, memory_world, redis_world
from tests.kit import chance

WORTH_MS = 5_000
RING_MS = 6_000  # short: in most stories some offer runs out
QUEUES = {"general": ("one", 10), "bills": ("one", 12), "tech": ("two", 0)}
RULES = Rules(
    1,
    "one",
    tuple(QueueRule(queue, skill, priority, RING_MS, 0) for queue, (skill, priority) in QUEUES.items()),
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
        self.entries: dict[str, tuple[int, str, str]] = {}  # of all calls so far; a call whose seat did not answer waits again
        self.offers: dict[int, Offer] = {}  # by agent: what rings there
        self.served: list[str] = []

    async def comes(self, number: int, queue: str, priority: int, waited: int) -> None:
        """A caller."""
        call, now = f"c{number:03d}", self.world.now
        skill, own = QUEUES[queue]
        score = now - waited - (own if priority < 0 else priority) * WORTH_MS
        self.waiting[call] = self.entries[call] = (score, call, skill)
        asked = Enqueue(call, self.world.version(call), queue, priority, now - waited)
        self.take(await self.world.store.enqueue(self.world.node, asked, now))

    async def frees(self, agent: int) -> None:
        """The agent answers what rings there and hangs up."""
        offer = self.offers.pop(agent, None)
        if offer is not None:
            now, call = self.world.now, offer.call
            self.served.append(call)
            self.take(await self.world.answered(offer))
            end = End(call, self.world.version(call), "REASON_HANGUP", "SIDE_CALLER", now)
            self.take(await self.world.store.end(self.world.node, end, now))

    async def works(self, agent: int) -> None:
        """Log in and be ready."""
        self.take(await self.world.agent_effects(f"a{agent}", **dict.fromkeys(SKILLS[agent], 1)))

    async def passes(self, ms: int) -> None:
        """Time, in which offers that nobody answers run out."""
        self.take(await self.world.expire(ms))

    def take(self, effects: Iterable[Effect]) -> None:
        """Each offer is for the call that scores first among those the agent can take."""
        for frame in frames_of(list(effects)):
            if isinstance(frame, Withdraw):
                self._back(frame)
            elif isinstance(frame, Offer):
                self._offered(frame)

    def _back(self, over: Withdraw) -> None:
        """An offer ran out: its call waits where it waited before."""
        (agent,) = [number for number, offer in self.offers.items() if offer.offer == over.offer]
        del self.offers[agent]
        self.waiting[over.call] = self.entries[over.call]

    def _offered(self, offer: Offer) -> None:
        agent = int(offer.agent[1:])
        fitting = [entry for entry in self.waiting.values() if entry[2] in SKILLS[agent]]
        assert min(fitting)[1] == offer.call, f"{offer.call} was taken before {min(fitting)[1]}: {sorted(fitting)}"
        assert agent not in self.offers, f"a{agent} has two offers"
        del self.waiting[offer.call]
        self.offers[agent] = offer

    async def turn(self, what: int) -> None:
        """Of an agent."""
        if what >= len(SKILLS):
            await self.works(what - len(SKILLS))
        elif what >= 0:
            await self.frees(what)

    async def check(self) -> None:
        """Nobody is ready while a call waits that they could take."""
        wanted = {skill for _, _, skill in self.waiting.values()}
        for seen in await self.world.store.agents():
            assert seen.state != AgentState.READY or not wanted & SKILLS[int(seen.agent[1:])], f"{seen.agent} idles"


async def _tell(world: World, story: Story) -> None:
    line = Line(await world.open(RULES))
    for number, (queue, priority, waited, pause, turn) in enumerate(story):
        await line.comes(number, queue, priority, waited)
        await line.turn(turn)
        await line.passes(pause)
        await line.check()
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
