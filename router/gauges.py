"""Gauges of the centre's lines and nodes, read from the store when Prometheus asks."""

from __future__ import annotations

from collections import Counter

from ops.clock import Clock
from router.core.errors import StoreAway
from router.core.events import NodeSeen
from router.metrics import NODES, OLDEST, READY, STORE_UP, TALKING, WAITING
from router.store.base import Store


def state_of(node: NodeSeen) -> str:
    """live, draining or lost (the timers take its stream's holder away when it was silent for too long)."""
    if not node.holder:
        return "lost"
    return "draining" if node.draining else "live"


async def update(store: Store, clock: Clock) -> None:
    """Set them all; while the store is away only STORE_UP, the others stay as they were."""
    try:
        queues, nodes = await store.queues(), await store.nodes()
    except StoreAway:
        STORE_UP.set(0)
        return
    STORE_UP.set(1)
    now = clock.now_ms()
    for q in queues:
        WAITING.labels(q.queue).set(q.waiting)
        READY.labels(q.queue).set(q.ready)
        TALKING.labels(q.queue).set(q.talking)
        OLDEST.labels(q.queue).set(max(0, now - q.oldest_entered_ms) / 1000 if q.oldest_entered_ms else 0)
    states = Counter(state_of(node) for node in nodes)
    for state in ("live", "draining", "lost"):
        NODES.labels(state).set(states[state])
