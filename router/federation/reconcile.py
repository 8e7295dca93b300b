"""Whether two centres tell the same of the calls that one held and the other answered: pure, over their facts.

Both ledgers have `placed` and what became of it under the same offer id (the placement). `agent_released` has no offer: it ends
the talk that the call's last `bridged` began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ops.facts import Fact
from router.core.remote import placement_of

TALK_MS = 2_000  # the ends of a talk are seen by different machines
APART_MS = 1_500  # if `placed` is told at both ends by more than this apart, the clocks may be (skew.NOISE_MS less a frame's way)


@dataclass(slots=True)
class Told:
    """What one ledger has of a placement."""

    placed: bool = False
    placed_ms: int = 0
    home: str = ""
    centre: str = ""
    bridged_ms: int | None = None
    failed: str = ""
    talk_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same. `what`: a name of the list in `differences`; home, there: what each says."""

    placement: str
    what: str
    home: str
    there: str


@dataclass(frozen=True, slots=True)
class Flow:
    """Overflow of one centre: calls of ours answered elsewhere (out), of others answered here (taken), with their talk times."""

    out: int = 0
    taken: int = 0
    out_talk_ms: int = 0
    taken_talk_ms: int = 0


@dataclass(slots=True)
class _Book:
    told: dict[str, Told] = field(default_factory=dict)
    talks: dict[str, str] = field(default_factory=dict)  # call -> offer of its last talk

    def of(self, placement: str) -> Told:
        return self.told.setdefault(placement, Told())


def told(facts: Iterable[Fact]) -> dict[str, Told]:
    """What a ledger says of each placement; facts in the order in which they were written, a repeated id counts once."""
    book, seen = _Book(), set[str]()
    for fact in facts:
        if fact.id not in seen:
            seen.add(fact.id)
            _read(book, fact)
    return book.told


def _read(book: _Book, fact: Fact) -> None:
    offer = str(fact.body.get("offer", ""))
    if fact.kind == "bridged":
        book.talks[fact.call] = offer
    elif fact.kind == "agent_released":
        offer = book.talks.pop(fact.call, "")
    if placement_of(offer) is None:
        return
    t = book.of(offer)
    if fact.kind == "placed":
        t.placed_ms = fact.at_ms
        t.placed, t.home, t.centre = True, str(fact.body.get("home", "")), str(fact.body.get("centre", ""))
    elif fact.kind == "bridged":
        t.bridged_ms = int(fact.body.get("bridged_ms", 0))
    elif fact.kind == "offer_failed":
        t.failed = str(fact.body.get("reason", "REASON_UNSPECIFIED"))
    elif fact.kind == "agent_released":
        t.talk_ms = int(fact.body.get("talk_ms", 0))


def differences(home: Iterable[Fact], there: Iterable[Fact], home_name: str = "", there_name: str = "") -> list[Difference]:
    """Each placement on which the two do not agree; with names, only those between these two centres.

    not_known_there, not_known_at_home: placed in one ledger only (at home it may have been declined when it came: then there it
    failed). answered_at_home_only, answered_there_only. answered_ms: at different times (not by clocks alone). talk_ms: lengths
    differ by more than TALK_MS. open_at_home, open_there: neither answered nor failed, or a talk without an end, that is over in
    the other ledger.
    """
    ours = {p: t for p, t in told(home).items() if not t.home}
    theirs = {p: t for p, t in told(there).items() if t.home or not t.placed}  # not what that centre held itself
    found: list[Difference] = []
    for placement in sorted({*ours, *theirs}):
        a, b = ours.get(placement, Told()), theirs.get(placement, Told())
        if not _between(a, b, home_name, there_name):
            continue
        found += [Difference(placement, what, x, y) for what, x, y in _compared(a, b)]
    return found


def _between(a: Told, b: Told, home: str, there: str) -> bool:
    return (not there or not a.centre or a.centre == there) and (not home or not b.home or b.home == home)


def _compared(a: Told, b: Told) -> Iterable[tuple[str, str, str]]:
    if a.placed and not b.placed:
        yield "not_known_there", a.centre, ""
    if b.placed and not a.placed and not b.failed:
        yield "not_known_at_home", "", b.home
    if a.bridged_ms is not None and b.bridged_ms is None:
        yield "answered_at_home_only", str(a.bridged_ms), b.failed
    if b.bridged_ms is not None and a.bridged_ms is None:
        yield "answered_there_only", a.failed, str(b.bridged_ms)
    if a.bridged_ms is not None and b.bridged_ms is not None:
        yield from _talks(a, b)
    elif a.placed and b.placed and bool(a.failed) != bool(b.failed) and a.bridged_ms is None and b.bridged_ms is None:
        yield "open_there" if a.failed else "open_at_home", a.failed, b.failed


def _same_moment(a: Told, b: Told) -> bool:
    """Of an answer: the same number; or, where clocks are apart, the same distance from the placing."""
    apart = b.placed_ms - a.placed_ms
    at_home, there = a.bridged_ms or 0, b.bridged_ms or 0
    return at_home == there or (abs(apart) > APART_MS and abs(there - at_home - apart) <= TALK_MS)


def _talks(a: Told, b: Told) -> Iterable[tuple[str, str, str]]:
    if not _same_moment(a, b):
        yield "answered_ms", str(a.bridged_ms), str(b.bridged_ms)
    if (a.talk_ms is None) != (b.talk_ms is None):
        yield "open_there" if b.talk_ms is None else "open_at_home", str(a.talk_ms), str(b.talk_ms)
    elif a.talk_ms is not None and b.talk_ms is not None and abs(a.talk_ms - b.talk_ms) > TALK_MS:
        yield "talk_ms", str(a.talk_ms), str(b.talk_ms)


def flow(facts: Iterable[Fact]) -> Flow:
    """The totals of one ledger. Summed over a country, `out` is as much as `taken`."""
    out = taken = out_talk = taken_talk = 0
    for t in told(facts).values():
        if t.bridged_ms is None:
            continue
        if t.home:
            taken, taken_talk = taken + 1, taken_talk + (t.talk_ms or 0)
        else:
            out, out_talk = out + 1, out_talk + (t.talk_ms or 0)
    return Flow(out, taken, out_talk, taken_talk)
