"""What must hold of the books after every step, and what the facts alone say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ops.facts import Fact
from router.core.events import AgentSeen
from tests.contract.stores import Raw

HELD = ("offered", "talking")
Where = tuple[str, str]  # ("waiting", queue), ("offered" or "talking", agent)


def places(agents: Iterable[AgentSeen], raw: Raw) -> dict[str, Where]:
    """Where each call is by the rows. AssertionError when a call is in two places or an agent has two calls."""
    found: dict[str, Where] = {}
    lines = [(call, ("waiting", queue)) for queue, line in raw.wait.items() for call, _ in line]
    seats = [(a.call.call, (a.state, a.agent)) for a in agents if a.call is not None and a.state in HELD]
    for call, where in (*lines, *seats):
        assert call not in found, f"{call} is in two places: {found[call]} and {where}"
        found[call] = where
    return found


@dataclass
class Told:
    """The state that facts tell."""

    agents: dict[str, str] = field(default_factory=dict)
    calls: dict[str, Where] = field(default_factory=dict)
    queues: dict[str, str] = field(default_factory=dict)  # the queue of each call

    def take(self, fact: Fact) -> None:
        """The next fact."""
        if fact.kind == "agent_changed":
            self.agents[fact.agent] = str(fact.body["state"])
            return
        self.queues[fact.call] = str(fact.body.get("queue", self.queues.get(fact.call, "")))
        where = _WHERE.get(fact.kind)
        if where == "gone":
            self.calls.pop(fact.call, None)
        elif where == "waiting":
            self.calls[fact.call] = (where, self.queues[fact.call])
        elif where is not None:
            self.calls[fact.call] = (where, fact.agent)


_WHERE = {
    "enqueued": "waiting",
    "offered": "offered",
    "offer_failed": "waiting",
    "bridged": "talking",
    "agent_released": "gone",
    "left_queue": "gone",
    "turned_away": "gone",
    "call_ended": "gone",
}


def check(facts: list[Fact], agents: list[AgentSeen], raw: Raw) -> None:
    """Rows and facts tell the same: every fact has its state, every state its fact, every counter its calls."""
    told = Told()
    for fact in facts:
        told.take(fact)
    found = places(agents, raw)
    assert found == told.calls, f"rows {found}, facts {told.calls}"
    assert told.agents == {a.agent: a.state for a in agents}
    for a in agents:
        assert (a.state in HELD) <= (a.call is not None), f"{a.agent} is {a.state} without a call"
    talks = Counter(told.queues[call] for call, (state, _) in found.items() if state == "talking")
    assert raw.talking == dict(sorted(talks.items())), "the counter of talks"
