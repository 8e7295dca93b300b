"""The centre's configuration as the rules that all routers agree on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

from ops.centre import CentreConfig, Queue, Rung
from ops.numbering import Destinations
from router.core.commands import QueueRule, Rules, Stage, Times
from router.core.home import city_key
from router.core.route import blacklist_key


def until_ms(text: str) -> int:
    """ISO 8601 as UTC ms; without a zone it is UTC; "" is 0, for ever. Raises ValueError."""
    if not text:
        return 0
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def rules_of(config: CentreConfig) -> Rules:
    """The file's time of change is the generation, so that a router that read an older file does not undo a newer one."""
    country = config.centre.country
    rules = Rules(
        config.path.stat().st_mtime_ns // 1_000_000 if config.path.exists() else 0,
        "",
        tuple(_queue(q) for q in config.queue),
        tuple((blacklist_key(b.number, country), until_ms(b.until)) for b in config.blacklist),
        vip=tuple((blacklist_key(v.number, country), v.level) for v in config.vip),
        weights=tuple((a.id, a.weight) for a in config.agent if a.weight != 1),
        cities=tuple((a.id, city_key(a.city)) for a in config.agent if a.city),
        priority_worth_ms=config.router.priority_worth_s * 1000,
    )
    text = json.dumps(asdict(replace(rules, generation=0)))
    return replace(rules, digest=hashlib.sha256(text.encode()).hexdigest())


def _queue(q: Queue) -> QueueRule:
    return QueueRule(
        q.id,
        q.skill,
        q.priority,
        q.ring_s * 1000,
        q.after_call_s * 1000,
        q.policy,
        tuple(_stage(rung, q.skill) for rung in q.ladder),
        tuple(_stage(rung, q.skill) for rung in q.vip_ladder),
        q.own_agent_s * 1000,
        q.max_waiting,
        q.max_wait_s * 1000,
    )


def _stage(rung: Rung, skill: str) -> Stage:
    return Stage(rung.after_s * 1000, rung.skill or skill, rung.level, rung.ring)


def times_of(config: CentreConfig) -> Times:
    """Times that the store needs."""
    mine = config.router
    return Times(
        mine.node_lost_s * 1000,
        callback_tries=mine.callback_tries,
        callback_every_ms=mine.callback_every_s * 1000,
        callback_number_day=mine.callback_number_day,
        callback_day=mine.callback_day,
    )


def destinations_of(config: CentreConfig) -> Destinations:
    """Which numbers callbacks may dial."""
    return Destinations(config.centre.country, config.router.callback_countries, config.centre.numbers)
