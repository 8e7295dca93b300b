"""Counters under repeats, from two media nodes at two real routers."""

from __future__ import annotations

from typing import Any

from tierline.agents.v1 import agents_pb2
from tierline.routing.v1 import routing_pb2 as pb

from tests.kit.wait import until_async
from tests.races.kit import Console, House, Node

AGENTS, CALLS = 8, 40  # calls of each node


class Side:
    """One node with its calls, and the offers it answered first."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.asked = {e.call: e for e in (node.words("plain") for _ in range(CALLS))}
        self.talks: dict[str, pb.Offer] = {}

    async def twice(self, *frames: dict[str, Any]) -> None:
        """Each frame, and again."""
        await self.node.together(*(frame for frame in frames for _ in (1, 2)))

    async def answer_all(self) -> None:
        """What rings."""
        self.talks = {o.call: o for o in self.node.offers()}
        await self.twice(*({"settle": self.node.answered(o)} for o in self.talks.values()))

    async def come_back(self, address: str) -> None:
        """The stream breaks, the node says what it holds at the other router."""
        await self.node.reopen(address)
        await self.twice(*(self.node.assertion(e, self.talks.get(call), talks=True) for call, e in self.asked.items()))

    async def end_all(self) -> None:
        """What talks."""
        await self.twice(*({"end": self.node.end(call)} for call in self.talks))

    async def serve(self, done: set[str]) -> None:
        """Answer and end what rings now."""
        for offer in {o.call: o for o in self.node.offers() if o.call not in done}.values():
            done.add(offer.call)
            await self.twice({"settle": self.node.answered(offer)}, {"end": self.node.end(offer.call)})


async def test_a_counter_is_not_raised_twice_under_load(house: House, node: Node, other: Node, console: Console) -> None:
    """Two nodes say everything twice, break their streams in the middle and assert: boards and facts count each call once."""
    for n in range(AGENTS):
        await console.work(f"a{n}", "plain")
    sides = (Side(node), Side(other))
    for side in sides:
        await side.twice(*({"enqueue": e} for e in side.asked.values()))
    await until_async(lambda: sum(len(side.node.offers()) for side in sides) == AGENTS, 5, "all seats ring")
    for side in sides:
        await side.answer_all()
    full = (AGENTS, 2 * CALLS - AGENTS, 0)
    assert _counts(await console.board()) == full
    for side, address in zip(sides, reversed(house.addresses[:2]), strict=True):
        await side.come_back(address)
    assert _counts(await console.board()) == full
    for call, kinds in house.kinds(*await _all_served(sides)).items():
        assert sorted(kinds) == ["agent_released", "bridged", "enqueued", "offered"], call


async def _all_served(sides: tuple[Side, ...]) -> set[str]:
    """End what talks, take what rings then; all calls."""
    done = {call for side in sides for call in side.talks}
    for side in sides:
        await side.end_all()

    async def served() -> bool:
        for side in sides:
            await side.serve(done)
        return len(done) == len(sides) * CALLS

    await until_async(served, 20, "all are served")
    return done


def _counts(board: agents_pb2.Board) -> tuple[int, int, int]:
    queue = next(q for q in board.queues if q.queue == "plain")
    return queue.talking, queue.waiting, queue.ready
