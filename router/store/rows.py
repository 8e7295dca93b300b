"""Rows as they lie in Redis, and what scripts answer, into the shapes of core/events.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from router.core.events import (
    AgentSeen,
    CallBack,
    CallSeen,
    Effect,
    Frame,
    Offer,
    Queued,
    QueueSeen,
    Release,
    ToNode,
    TurnedAway,
    Withdraw,
)
from router.core.remote import CentreFrame, Confirmed, PlaceWanted, Released, ToCentre

VIEW_AGENT = ("state", "seat", "reason", "since", "next", "until", "skills", "ver")
VIEW_CALL = ("state", "queue", "agent", "prio", "entered", "answered", "profile")
Reply = Any  # what hiredis gives: bytes, int, None, list of Reply


def text(value: bytes | None) -> str:
    """A field as text; a missing one is empty."""
    return "" if value is None else value.decode()


def skills_text(skills: Sequence[tuple[str, int]]) -> str:
    """Skills as a row has them."""
    return ";".join(f"{skill}={level}" for skill, level in skills)


def skills_of(row: str) -> tuple[tuple[str, int], ...]:
    """The other way."""
    pairs = (item.rsplit("=", 1) for item in row.split(";") if item)
    return tuple((skill, int(level)) for skill, level in pairs)


def call_seen(call: str, row: Sequence[bytes | None]) -> CallSeen | None:
    """From HMGET VIEW_CALL; None if there is no such call."""
    if not row or row[0] is None:
        return None
    state, queue, agent = (text(v) for v in row[:3])
    prio, entered, answered = (int(v or 0) for v in row[3:6])
    return CallSeen(call, state, queue, agent, prio, entered, answered, row[6] or b"")


def agent_seen(agent: str, row: Sequence[bytes | None], call: CallSeen | None) -> AgentSeen:
    """From HMGET VIEW_AGENT."""
    state, seat, reason, since, wish, until, skills, version = (text(v) for v in row)
    return AgentSeen(agent, state, seat, reason, int(since), wish, int(until), skills_of(skills), int(version), call)


def _offer(w: list[Any]) -> Offer:
    call, offer, agent, seat = (text(v) for v in w[:4])
    centre, uri = (text(v) for v in w[5:]) if w[5:] else ("", "")
    return Offer(call, offer, agent, seat, w[4], centre, uri)


def _call_back(w: list[Any]) -> Offer:
    call, offer, agent, seat = (text(v) for v in w[:4])
    back = CallBack(text(w[5]), w[6], text(w[7]), w[8], w[9], w[10], w[11])
    return Offer(call, offer, agent, seat, w[4], callback=back)


_FRAMES: dict[bytes, Callable[[list[Any]], Frame]] = {
    b"queued": lambda w: Queued(w[0].decode(), w[1], w[2], w[3]),
    b"offer": _offer,
    b"call_back": _call_back,
    b"withdraw": lambda w: Withdraw(w[0].decode(), w[1].decode(), w[2].decode()),
    b"away": lambda w: TurnedAway(w[0].decode(), w[1].decode(), w[2].decode()),
    b"release": lambda w: Release(w[0].decode(), w[1].decode()),
}


def _wanted(w: list[Any]) -> PlaceWanted:
    placement, call, queue, skill = (text(v) for v in w[:4])
    not_at = tuple(one for one in text(w[9]).split(";") if one)
    return PlaceWanted(placement, call, queue, skill, w[4], w[5], w[6], w[7], w[8], not_at, w[10])


_CENTRE: dict[bytes, Callable[[list[Any]], CentreFrame]] = {
    b"wanted": _wanted,
    b"confirmed": lambda w: Confirmed(text(w[0]), w[1]),
    b"released": lambda w: Released(text(w[0]), text(w[1]), text(w[2]), w[3]),
}


def effect(words: list[Any]) -> Effect:
    """One effect of a script."""
    kind = words[0]
    if kind == b"agent":
        return agent_seen(text(words[1]), words[3], call_seen(text(words[2]), words[4]))
    if kind == b"centre":
        return ToCentre(text(words[1]), text(words[2]), _CENTRE[words[3]](words[4:]))
    return ToNode(words[1].decode(), words[2].decode(), _FRAMES[kind](words[3:]))


def queues_seen(reply: Reply) -> list[QueueSeen]:
    """From lua/queues.lua."""
    return [QueueSeen(queue.decode(), *numbers) for queue, *numbers in reply]


def effects(reply: Reply) -> list[Effect]:
    """All effects of a script, in their order."""
    return [effect(words) for words in reply]
