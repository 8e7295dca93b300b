"""What the router tells Prometheus is what it did."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from prometheus_client import REGISTRY
from tierline.agents.v1 import agents_pb2

from ops.clock import SystemClock
from router import app, gauges
from router.store.memory import MemoryStore
from router.store.redis import RedisStore
from tests.kit.redis_server import RedisServer
from tests.router.kit import Console, MediaNode, call_id, centre, words


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"tierline_router_{name}", labels) or 0.0


async def test_offers_and_lines_are_counted(router: app.Router, node: MediaNode, console: Console) -> None:
    """An offer made by an agent's verb counts like one made by an Enqueue; gauges show the lines, nodes and sessions."""
    before = value("offers_total")
    first, second, third = call_id(), call_id(), call_id()
    await node.enqueue(first)
    await node.enqueue(third)
    await console.ready("a1")
    await node.expect("offer", first)
    await console.ready("a2", skill="tech")
    await node.enqueue(second, "tech")
    await node.expect("offer", second)
    assert value("offers_total") == before + 2
    assert isinstance(router.store, MemoryStore)
    await gauges.update(router.store, SystemClock())
    assert (value("waiting", queue="sales"), value("ready", queue="sales")) == (1, 0)
    assert (value("nodes", state="live"), value("sessions"), value("store_up")) == (1, 1, 1)


async def test_refusals_are_counted_by_code(node: MediaNode) -> None:
    """A frame that is refused counts under its reason."""
    before = value("refused_total", code="QUEUE")
    await node.say(enqueue=words(call_id(), "nix"))
    assert value("refused_total", code="QUEUE") == before + 1


@pytest.mark.real
async def test_verbs_are_timed(tmp_path: Path) -> None:
    """Each verb that Redis did is in its histogram once, with a time above nothing; one that was refused is not."""
    with RedisServer(tmp_path) as server:
        config = centre(server.port)
        store = app.redis_store(config, "r1", SystemClock())
        running = await app.start(config, store, SystemClock(), "r1", [app.Place("127.0.0.1:0")])
        assert isinstance(running.store, RedisStore)
        await running.store.connected.wait()
        done, spent = value("verb_seconds_count", verb="login"), value("verb_seconds_sum", verb="login")
        refused = value("verb_seconds_count", verb="logout")
        console = Console(f"127.0.0.1:{running.port}")
        await console.ready("a1")
        with pytest.raises(grpc.aio.AioRpcError):
            await console.agents.Logout(agents_pb2.AgentRequest(agent="nobody"))
        assert value("verb_seconds_count", verb="login") == done + 1
        assert value("verb_seconds_sum", verb="login") > spent
        assert value("verb_seconds_count", verb="logout") == refused
        await console.close()
        await running.close()
