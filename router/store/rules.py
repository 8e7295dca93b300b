"""Rules as lua/sync_config.lua reads them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from router.core.commands import QueueRule, Rules
from router.store import rows
from router.store.wire import Word


def words(rules: Rules) -> tuple[Word, ...]:
    """After the words that all verbs have."""
    book = rules.book
    agents = [word for agent, skills in rules.skills for word in (agent, rows.skills_text(skills))]
    black = [word for entry in rules.blacklist for word in entry]
    vip = [word for entry in rules.vip for word in entry]
    head = (rules.generation, rules.digest, book.sha256, book.who, book.why, book.document, document(rules))
    return (*head, len(rules.skills), *agents, len(rules.blacklist), *black, *vip)


def document(rules: Rules) -> str:
    """What include/plan.lua compiles. Each queue is a text of its own, so that a changed one is told by comparing."""
    found: dict[str, Any] = {
        "queues": {q.id: _queue(q) for q in rules.queues},
        "cities": {agent: city for agent, city in rules.cities if city},
        "weights": dict(rules.weights),
        "worth": rules.priority_worth_ms,
        "black": len(rules.blacklist),
        "vip": len(rules.vip),
    }
    return _text(found)


def _queue(q: QueueRule) -> str:
    return _text(asdict(q))


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
