"""What one version of the rule book changes against another, and what of that people should know before they apply it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ops.centre import Agent, Queue
from ops.rule_checks import skills_of
from ops.rulebook import TABLES, RuleBook, plain

KEYS = {"queue": "id", "agent": "id", "calendar": "id", "branch": "id", "vip": "number", "blacklist": "number", "not_ready": "id"}


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one row. `old` or `new` is None where the row or field is not there; a whole row has field ""."""

    table: str
    row: str  # id of the row, "" for [shares]
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Warning:
    """Allowed, but to be known. `code` is for programs, `text` for people."""

    code: str
    row: str
    text: str


def diff(old: RuleBook, new: RuleBook) -> tuple[Change, ...]:
    """All changes, table by table; a change of order alone is one of the field "order"."""
    found: list[Change] = []
    for table in TABLES:
        one, other = getattr(old, table), getattr(new, table)
        if table == "shares":
            found += _row(table, "", plain(one, True), plain(other, True))
        else:
            found += _rows(table, _by_key(table, one), _by_key(table, other))
    return tuple(found)


def _by_key(table: str, rows: tuple[Any, ...]) -> dict[str, Any]:
    return {getattr(row, KEYS[table]): plain(row, True) for row in rows}


def _rows(table: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for name in old.keys() - new.keys():
        yield Change(table, name, "", old[name], None)
    for name, row in new.items():
        if name not in old:
            yield Change(table, name, "", None, row)
        else:
            yield from _row(table, name, old[name], row)
    both = [name for name in new if name in old]
    if both != [name for name in old if name in new]:
        yield Change(table, "", "order", [*old], [*new])


def _row(table: str, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    return (Change(table, name, field, old[field], new[field]) for field in new if old[field] != new[field])


def shown(change: Change) -> str:
    """One line for people."""
    where = f"{change.table} {change.row}".strip()
    if change.field:
        return f"~ {where}: {change.field}: {_short(change.old)} -> {_short(change.new)}"
    return f"- {where}" if change.new is None else f"+ {where}: {_short(change.new)}"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(item)}" for name, item in value.items() if item not in ("", 0, [], {}, False))
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return str(value) if value != "" else '""'


def warnings(
    old: RuleBook, new: RuleBook, waiting: Mapping[str, int] | None = None, at_work: Set[str] = frozenset()
) -> tuple[Warning, ...]:
    """`waiting`: calls in line by queue; `at_work`: agents logged in. Both as they are now."""
    return (*_unserved(old, new), *_removed(old, new, waiting or {}), *_gone(old, new, at_work))


def served_by(queue: Queue, agents: tuple[Agent, ...]) -> list[str]:
    """Agents that some rung of the queue asks for."""
    wanted = skills_of(queue)
    return [agent.id for agent in agents if agent.role == "agent" and not wanted.isdisjoint(agent.skills)]


def _unserved(old: RuleBook, new: RuleBook) -> Iterator[Warning]:
    before = {queue.id: bool(served_by(queue, old.agent)) for queue in old.queue}
    for queue in new.queue:
        if not served_by(queue, new.agent) and before.get(queue.id, True):
            text = f"queue {queue.id} has no agent (left) with the skill {queue.skill}: its callers wait until one has it"
            yield Warning("no_agents", queue.id, text)


def _removed(old: RuleBook, new: RuleBook, waiting: Mapping[str, int]) -> Iterator[Warning]:
    left = {queue.id for queue in new.queue}
    for queue in old.queue:
        if queue.id not in left:
            calls = waiting.get(queue.id, 0)
            told = f"; {calls} waiting calls in it are still answered" if calls else ""
            text = f"queue {queue.id} is removed: it takes no new calls{told}. The menu must not lead to it"
            yield Warning("queue_waiting" if calls else "queue_removed", queue.id, text)


def _gone(old: RuleBook, new: RuleBook, at_work: Set[str]) -> Iterator[Warning]:
    left = {agent.id for agent in new.agent if agent.role == "agent"}
    for agent in old.agent:
        if agent.id in at_work and agent.id not in left:
            yield Warning("agent_at_work", agent.id, f"{agent.id} is at work and is logged out; in a call: after it")
