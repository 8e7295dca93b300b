"""The course of one call: facts in the order in which they happened, also where clocks tell the same millisecond. Pure.

Each source numbers its facts, so the order within a source is known. Between sources of one moment the order is that of cause
and effect: a key press comes before the queue it leads to.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from console.ledger.fold import Row, number, order
from ops.facts import Fact

CAUSES = (
    *("edge_invite", "routed", "call_started", "digits", "menu_chosen", "enqueued", "widened", "turned_away", "callback_asked"),
    *("offered", "placed", "place_failed", "offer_failed", "callback_dialled", "callback_failed", "bridged", "left_queue"),
    *("edge_outcome", "call_ended", "agent_released", "recorded", "recording_failed"),
)
_RANK = {kind: rank for rank, kind in enumerate(CAUSES)}


def course(facts: Iterable[Fact]) -> list[Fact]:
    """The facts in order. Edges, routers and media nodes each count as one source: routers share their numbers."""
    sources: dict[str, list[Fact]] = {}
    for fact in sorted(facts, key=order):
        sources.setdefault(fact.source.partition(":")[0], []).append(fact)
    # A merge, not a sort: of each source only the next fact is looked at, so that ranks never change the order within it.
    return list(heapq.merge(*sources.values(), key=lambda fact: (fact.at_ms, _RANK.get(fact.kind, len(CAUSES)))))


def numbered(row: Row) -> tuple[int, int, str]:
    """Sort key of rows that are named after their fact: its time, then its number. As text, ":10" would come before ":9"."""
    return row["at_ms"], number(row["id"]), row["id"]
