"""Facts as they travel: one JSON object in field `f` of the stream, in the shape of tierline/ledger/v1/ledger.proto.

Plain JSON and not protobuf bytes because Lua writes facts too; tests/contract proves that each kind parses as the proto's JSON.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import Any

from ops.values import dataclass

KINDS = frozenset(
    [
        "edge_invite",
        "edge_outcome",
        "routed",
        "call_started",
        "menu_chosen",
        "enqueued",
        "offered",
        "offer_failed",
        "bridged",
        "left_queue",
        "call_ended",
        "recorded",
        "recording_failed",
        "agent_changed",
        "digits",
        "agent_released",
        "turned_away",
        "widened",
        "placed",
        "place_failed",
        "rules_changed",
        "callback_asked",
        "callback_dialled",
        "callback_failed",
    ]
)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # json.dumps would make a new one each time
HEAD = ("id", "at_ms", "tenant", "source", "call", "agent")


class BadFact(ValueError):
    """What stands on the stream is no fact; the text says why."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. `body` has the fields of the proto message of that kind, defaults left out."""

    id: str
    at_ms: int
    tenant: str
    source: str
    kind: str
    body: dict[str, Any] = field(default_factory=dict)
    call: str = ""
    agent: str = ""


def encode(fact: Fact) -> str:
    """The JSON text for field `f`. Raises BadFact for an unknown kind."""
    if fact.kind not in KINDS:
        raise BadFact(f"unknown kind {fact.kind!r}")
    head = {name: getattr(fact, name) for name in HEAD}
    return _encode({k: v for k, v in head.items() if v != ""} | {fact.kind: fact.body})


def decode(text: str | bytes) -> Fact:
    """The fact in a stream entry. Raises BadFact when it is not JSON, has no id or time, or not exactly one known kind."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadFact(f"not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or type(data.get("at_ms")) is not int:
        raise BadFact("no id or at_ms")
    kinds = [name for name in data if name not in HEAD]
    if len(kinds) != 1 or kinds[0] not in KINDS or not isinstance(data[kinds[0]], dict):
        raise BadFact(f"want exactly one known kind, got {kinds}")
    return Fact(kind=kinds[0], body=data[kinds[0]], **{name: data.get(name, "") for name in HEAD})
