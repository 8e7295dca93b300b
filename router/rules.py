"""The centre's configuration as the rules that all routers agree on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime

from ops.centre import CentreConfig
from router.core.commands import QueueRule, Rules, Times
from router.core.route import blacklist_key


def until_ms(text: str) -> int:
    """ISO 8601 as UTC ms; without a zone it is UTC; "" is 0, for ever. Raises ValueError."""
    if not text:
        return 0
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def rules_of(config: CentreConfig) -> Rules:
    """The file's time of change is the generation, so that a router that read an older file does not undo a newer one."""
    queues = tuple(QueueRule(q.id, q.skill, q.priority, q.ring_s * 1000, q.after_call_s * 1000) for q in config.queue)
    country = config.centre.country
    black = tuple((blacklist_key(b.number, country), until_ms(b.until)) for b in config.blacklist)
    text = json.dumps([[asdict(q) for q in queues], black])
    generation = config.path.stat().st_mtime_ns // 1_000_000 if config.path.exists() else 0
    return Rules(generation, hashlib.sha256(text.encode()).hexdigest(), queues, black)


def times_of(config: CentreConfig) -> Times:
    """Times that the store needs."""
    return Times(lost_ms=config.router.node_lost_s * 1000)
