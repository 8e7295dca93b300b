"""What must hold of the books after every step, and what the facts alone say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ops.facts import Fact
from router.core.events import AgentSeen
from router.core.remote import Placements, placement_of
from tests.contract.stores import Raw

HELD = ("offered", "talking")
AWAY = "@"  # some agent of another centre
SAID_AGAIN = ("enqueued", "offered", "bridged")  # by re-assertion, under the same id on purpose
Where = tuple[str, str]  # ("waiting", queue or "" in none), ("offered" or "talking", agent)


@dataclass
class Books:
    """All that lies in the store."""

    facts: Sequence[Fact]
    agents: Sequence[AgentSeen]
    raw: Raw
    away: Sequence[Placements]
    ends: set[str]  # class lines out of which no timer leads


def places(books: Books) -> dict[str, Where]:
    """Where each call is by the rows. AssertionError when a call is in two places or an agent has two calls."""
    raw, found = books.raw, dict[str, Where]()
    lines = [(call, ("waiting", queue)) for queue, line in raw.wait.items() for call, _ in line]
    seats = [(a.call.call, (a.state, a.agent)) for a in books.agents if a.call is not None and a.state in HELD]
    there = [(_call(one), ("talking", AWAY)) for centre in books.away for one in centre.talking]
    for call, where in (*lines, *seats, *there):
        assert call not in found, f"{call} is in two places: {found[call]} and {where}"
        found[call] = where
    parked = [member[2:] for member, _ in raw.due if member.startswith("w:") and member[2:] not in found]
    return found | dict.fromkeys(parked, ("waiting", ""))


def _call(placement: str) -> str:
    named = placement_of(placement)
    assert named is not None
    return named[0]


@dataclass
class Told:
    """The state that facts tell."""

    agents: dict[str, str] = field(default_factory=dict)
    calls: dict[str, Where] = field(default_factory=dict)
    queues: dict[str, str] = field(default_factory=dict)  # the queue of each call
    guests: set[str] = field(default_factory=set)  # calls of other centres
    back: set[str] = field(default_factory=set)  # calls to be called back
    parked: set[str] = field(default_factory=set)  # those that just failed: in no line, or in one again
    ids: dict[str, Fact] = field(default_factory=dict)

    def take(self, fact: Fact) -> None:
        """The next fact; it must follow from those before."""
        first = self.ids.setdefault(fact.id, fact)
        assert first is fact or fact.kind in SAID_AGAIN, f"one id, two facts: {fact}"
        assert first is fact or (first.kind, first.call, first.agent) == (fact.kind, fact.call, fact.agent)
        if fact.kind == "agent_changed":
            assert self.agents.get(fact.agent, fact.body["previous"]) == fact.body["previous"], f"out of nothing: {fact}"
            self.agents[fact.agent] = str(fact.body["state"])
        elif fact.call:
            self._call(fact)

    def _call(self, fact: Fact) -> None:
        body, call = fact.body, fact.call
        self.queues[call] = str(body.get("queue", self.queues.get(call, "")))
        was = self.calls.get(call, ("", ""))[0]
        if fact.kind == "placed" and "home" in body:
            self.guests.add(call)
            self.calls[call] = ("offered", fact.agent)
            return
        if fact.kind == "callback_asked":
            self.back.add(call)
        if fact.kind == "offer_failed" and call not in self.guests and placement_of(str(body.get("offer", ""))):
            return  # a seat elsewhere rang beside
        where, before = _WHERE.get(fact.kind, (None, ()))
        assert where is None or was in before, f"{call} was {was or 'nowhere'}: {fact}"
        self._go(fact, where)

    def _go(self, fact: Fact, where: str | None) -> None:
        call = fact.call
        self.parked.discard(call)
        if where == "gone" or (fact.kind == "offer_failed" and call in self.guests):
            self.calls.pop(call, None)
        elif where == "waiting":
            self.calls[call] = (where, self.queues[call])
        elif where is not None:
            self.calls[call] = (where, AWAY if "@" in fact.agent else fact.agent)
        if fact.kind == "callback_failed":
            self.parked.add(call)
            self.calls[call] = ("waiting", self.queues[call])


ANY_ = ("", "waiting", "offered", "talking")
# What a fact leads to, and from where it may.
_WHERE: dict[str, tuple[str, tuple[str, ...]]] = {
    "enqueued": ("waiting", ("", "waiting")),
    "offered": ("offered", ("waiting",)),
    "offer_failed": ("waiting", ("offered",)),
    "callback_dialled": ("talking", ("offered",)),
    "bridged": ("talking", ("", "waiting", "offered", "talking")),
    "agent_released": ("gone", ("talking",)),
    "left_queue": ("gone", ("waiting", "offered")),
    "turned_away": ("gone", ("", "waiting")),
    "call_ended": ("gone", ANY_),
}


def check(books: Books) -> dict[str, Where]:
    """Rows and facts tell the same: every fact has its state, every state its fact, every counter its calls. Where calls are."""
    told = Told()
    for fact in books.facts:
        told.take(fact)
    found = {call: _told(call, where, told) for call, where in places(books).items()}
    assert found == told.calls, f"rows {found}, facts {told.calls}"
    assert told.agents == {a.agent: a.state for a in books.agents}
    for a in books.agents:
        assert (a.state in HELD) <= (a.call is not None), f"{a.agent} is {a.state} without a call"
    talks = Counter(told.queues[call] for call, (state, _) in found.items() if state == "talking")
    assert books.raw.talking == dict(sorted(talks.items())), "the counter of talks"
    timers(books, found)
    stands(books)
    return found


def _told(call: str, where: Where, told: Told) -> Where:
    """A callback in no line is known by its timer alone."""
    if where != ("waiting", ""):
        return where
    assert call in told.parked, f"{call} waits in no line"
    return "waiting", told.queues[call]


def timers(books: Books, found: dict[str, Where]) -> None:
    """Whatever waits for somebody's word has its timer, and nothing else has one."""
    due = {member for member, _ in books.raw.due}
    dialling = {a.call.call for a in books.agents if a.call is not None and a.state == "talking"}
    offered = {f"o:{call}" for call, (state, _) in found.items() if state == "offered"}
    assert offered == {m for m in due if m.startswith("o:")} - {f"o:{call}" for call in dialling}, "timers of offers"
    resting = {f"a:{a.agent}" for a in books.agents if a.state == "after_call"}
    assert resting == {m for m in due if m.startswith("a:")}, "timers of after-call work"
    waiting = {call for call, (state, _) in found.items() if state == "waiting"}
    assert {m[2:] for m in due if m.startswith("w:")} <= waiting, "a timer of one who does not wait"
    climbing = {f"w:{call}" for name, line in books.raw.lines.items() if name not in books.ends for call, _ in line}
    assert climbing <= due, f"{climbing - due} would never come to the next rung"


def stands(books: Books) -> None:
    """Who is ready stands in a pool of each skill, who is not in none; each waiting call stands in one class line; nobody who
    is ready leaves one waiting that fits."""
    raw = books.raw
    under = Counter((a, pool.split(":")[1]) for pool, line in raw.pools.items() for a, _ in line)
    ready = [a for a in books.agents if a.state == "ready"]
    assert set(under) == {(a.agent, skill) for a in ready for skill, _ in a.skills}, f"pools {set(under)}"
    lines = Counter(call for line in raw.lines.values() for call, _ in line)
    assert lines == Counter(call for line in raw.wait.values() for call, _ in line), "one class line for each who waits"
    for name, line in raw.lines.items():
        if line:
            assert not [a.agent for a in ready if _fits(a, name)], f"{line[0]} waits in {name} with agents ready"
    staffed = Counter(skill for a in books.agents if a.state in STAFFED for skill, _ in a.skills)
    assert raw.staffed == dict(sorted(staffed.items())), "the counter of those who are there"


STAFFED = ("ready", "offered", "talking", "after_call")


def _fits(a: AgentSeen, line: str) -> bool:
    """Lines of one agent, or "<queue>:<skill>:<level>:<city or *>"; of a city we do not know here who sits there."""
    if line.startswith("own:"):
        return line == f"own:{a.agent}"
    _, skill, level, city = line.split(":")
    return city == "*" and any(named == skill and min(has, 9) <= int(level) for named, has in a.skills)
