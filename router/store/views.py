"""Look-ups that need no script: what the boards show. Read in small pipelines, so that ten thousand agents do not hold up Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from router.core.events import AgentSeen, NodeSeen
from router.store import rows
from router.store.keys import key

Ask = Callable[[tuple[str | bytes | int | float, ...]], Awaitable[Any]]
CHUNK = 200
NODE = ("uri", "epoch", "sess", "draining", "calls", "routed", "seen", "holder")


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[n : n + CHUNK] for n in range(0, len(ids), CHUNK))


async def _members(ask: Ask, name: str) -> list[str]:
    return sorted(member.decode() for member in await ask(("SMEMBERS", name)))


async def agents(ask: Ask, tenant: str, only: Sequence[str]) -> list[AgentSeen]:
    """Agents by id, with the call they have or had last."""
    ids = sorted(set(only)) if only else await _members(ask, key(tenant, "agents"))
    found: list[AgentSeen] = []
    for chunk in _chunks(ids):
        found += await _some_agents(ask, tenant, chunk)
    return found


async def _some_agents(ask: Ask, tenant: str, ids: Sequence[str]) -> list[AgentSeen]:
    got = await asyncio.gather(*(ask(("HMGET", key(tenant, "agent", a), *rows.VIEW_AGENT, "call")) for a in ids))
    calls = sorted({row[-1].decode() for row in got if row[-1]})
    views = await asyncio.gather(*(ask(("HMGET", key(tenant, "call", c), *rows.VIEW_CALL)) for c in calls))
    seen = {call: rows.call_seen(call, view) for call, view in zip(calls, views, strict=True)}
    there = ((agent, row) for agent, row in zip(ids, got, strict=True) if row[0] is not None)
    return [rows.agent_seen(agent, row[:-1], seen.get(rows.text(row[-1]))) for agent, row in there]


async def nodes(ask: Ask, tenant: str) -> list[NodeSeen]:
    """All media nodes by id."""
    ids = await _members(ask, key(tenant, "nodes"))
    got = await asyncio.gather(*(ask(("HMGET", key(tenant, "node", node), *NODE)) for node in ids))
    return [_node(node, row) for node, row in zip(ids, got, strict=True)]


def _node(node: str, row: Sequence[bytes | None]) -> NodeSeen:
    uri, epoch, session, draining, calls, routed, seen, holder = (rows.text(v) for v in row)
    return NodeSeen(node, uri, int(epoch), int(session), draining == "1", int(calls), int(routed), int(seen), holder)
