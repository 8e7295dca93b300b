"""The facts of several centres against each other: what was lost or counted twice between them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ops.facts import Fact

Books = Mapping[str, list[Fact]]  # by centre, in order of the stream
TALK = ("bridged", "agent_released")


def differences(books: Books) -> list[str]:
    """One line for each. A call belongs to the centre where it began; others may have answered it as a guest."""
    guests = _guests(books)
    return [
        line for centre, facts in books.items() for call, own in _calls(facts).items() for line in _one(centre, call, own, guests)
    ]


def _calls(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Facts of the calls that began here."""
    calls: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.call:
            calls.setdefault(fact.call, []).append(fact)
    return {call: own for call, own in calls.items() if any(fact.kind == "call_started" for fact in own)}


def _guests(books: Books) -> dict[str, list[str]]:
    """Call -> "centre kind" of each talk that a centre had with another's caller, sorted."""
    found: dict[str, list[str]] = {}
    for centre, facts in books.items():
        lent = {fact.call for fact in facts if fact.kind == "placed" and fact.body.get("home")}
        for fact in facts:
            if fact.call in lent and fact.kind in TALK:
                found.setdefault(fact.call, []).append(f"{centre} {fact.kind}")
    return {call: sorted(told) for call, told in found.items()}


def _one(centre: str, call: str, own: list[Fact], guests: Mapping[str, list[str]]) -> Iterable[str]:
    counts = {kind: sum(fact.kind == kind for fact in own) for kind in ("call_started", "call_ended", *TALK)}
    if counts["call_started"] != 1 or counts["call_ended"] != 1:
        yield f"{centre} {call}: begun {counts['call_started']}, ended {counts['call_ended']} times"
    if counts["bridged"] > 1 or counts["bridged"] != counts["agent_released"]:
        yield f"{centre} {call}: bridged {counts['bridged']}, released {counts['agent_released']} times"
    away = [fact.agent.partition("@")[2] for fact in own if fact.kind == "bridged" and "@" in fact.agent]
    want = sorted(f"{one} {kind}" for one in away for kind in TALK)
    if guests.get(call, []) != want:
        yield f"{centre} {call}: other centres tell {guests.get(call, [])}, want {want}"
