"""Whatever is said, done, delayed, repeated and killed in whatever order: the books stay sound and everybody is served."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.call.call import State
from tests.contract.stores import World, memory_world, redis_world
from tests.kit import chance
from tests.properties.centre import AGENTS, Centre
from tests.properties.routers import VirtualLoop

LONGEST_BACK_MS = 3 * 20_000  # callbacks are tried so often, with so much between (tests/contract/stores.py)
ON_ITS_WAY = 5  # ms that messages may take when nothing delays them, there and back
USUAL = (
    "arrives",
    "arrives",
    "seat",
    "seat",
    "seat",
    "all_ready",
    "all_ready",
    "agent",
    "agent",
    "leaves",
    "goes_back",
    "puts_down",
    "wants_callback",
    "rules_change",
    "elsewhere_answers",
    "elsewhere_answers",
    "elsewhere_gives_up",
    "guest_asks",
    "guest_goes_on",
)
FAULTS = (
    "repeats", "slow", "slow", "doubled", "stream_breaks", "router_goes_mute", "router_stalls", "router_comes_back",
    "router_comes_back", "node_dies", "redis_dies",
)  # fmt: skip
STEPS = st.tuples(
    st.sampled_from((*USUAL, *USUAL, *FAULTS)), st.integers(0, 7), st.integers(0, 7), st.sampled_from((0, 5, 60, 900))
)
STORIES = st.lists(STEPS, min_size=30, max_size=120)
CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def live_through(world: World, story: list[tuple[str, int, int, int]]) -> None:
    """One story, step by step, and its end."""
    loop = VirtualLoop(world.clock)
    centre = Centre(world, loop)
    try:
        _live(centre, story)
    finally:
        centre.close()
        loop.run_until_complete(world.store.close())
        loop.close()


def _live(centre: Centre, story: list[tuple[str, int, int, int]]) -> None:
    for agent in range(len(AGENTS)):
        centre.agent(agent, 2)
        centre.agent(agent, 0)
    for what, first, second, ms in story:
        getattr(centre, what)(first, second)
        centre.check()
        centre.pass_ms(ms)
        centre.check()
    centre.calm()
    centre.check()
    agree(centre)
    everybody_is_served(centre)


def agree(centre: Centre) -> None:
    """The books say of each call what people hear, once what is on its way has arrived: a callback may just have had its turn."""
    for _ in range(ON_ITS_WAY):
        alone, heard = centre.kept(), centre.truths()
        known = {call: at for call, at in centre.where.items() if call in heard or call not in alone}
        if known == heard:
            return
        centre.pass_ms(1)
    raise AssertionError(f"books {known}, what people hear {heard}")


def everybody_is_served(centre: Centre) -> None:
    """Agents come to work and pick up: nobody is left waiting, and when all have hung up nothing is left at all."""
    centre.rules_change(0, 0)
    for _ in range(20 * (len(centre.places()) + 2) + (LONGEST_BACK_MS // 200 if centre.kept() else 0)):
        for agent in range(len(AGENTS)):
            centre.agent(agent, 2)
            centre.agent(agent, 0)
        centre.elsewhere.tidy(centre.books().away)
        for node in centre.nodes:
            for call, leg in node.ringing():
                node.picks_up(call, leg)
            for call in node.of(State.TALKING, State.MENU):
                node.leaves(call)
        centre.pass_ms(200)
        if not centre.truths() and not centre.places():
            break
    assert not centre.truths() and not centre.places(), "nothing starves"
    centre.pass_ms(3_000)
    centre.check()
    assert not centre.places() and not centre.elsewhere.agents(), "nothing is left, here or elsewhere"
    assert not [strange for node in centre.nodes for strange in node.strange]


def proof(make: Callable[[], World], examples: int) -> None:
    @settings(max_examples=chance.examples(examples), deadline=None, suppress_health_check=CHECKS)
    @given(STORIES)
    def story(steps: list[tuple[str, int, int, int]]) -> None:
        live_through(make(), steps)

    story()


@chance.explored
def test_any_interleaving_in_memory() -> None:
    """No agent has two offers, no call is in two places or none, every fact has its state, nobody starves."""
    proof(memory_world, 60)


@pytest.mark.real
@chance.explored
def test_any_interleaving_in_redis(redis_port: int) -> None:
    """The same on Redis, whose last second is forgotten when it dies."""
    proof(lambda: redis_world(redis_port), 15)
