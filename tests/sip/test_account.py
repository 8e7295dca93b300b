"""The accounting lines survive what the edge does not."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.kit.redis_server import RedisServer
from tests.kit.wait import until, until_async
from tests.sip.conftest import build
from tests.sip.edge_kit import EdgeKit, edge_config

pytestmark = pytest.mark.real
CALLS = 40
SUPERVISOR = [sys.executable, "-c", "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"]


async def test_complete_after_kill(tmp_path: Path) -> None:
    """kill -9 of the edge in the middle of calls: each INVITE it passed on has its line; no process is left; it starts again."""
    config = edge_config(tmp_path)
    with RedisServer(tmp_path / "redis", config.ports.redis), EdgeKit(config) as kit:
        world = await build(kit)
        for _ in range(CALLS):
            world.caller.invite(world.caller.dialog())
        await until_async(lambda: len(world.m1.invites()) >= CALLS // 2, 5, "calls are under way")
        kit.kill()
        passed_on = {invite.get("x-tierline-call") for invite in world.m1.invites()}
        entered = {fact.call for fact in kit.facts() if fact.kind == "edge_invite"}
        assert passed_on <= entered
        assert kit.processes() == []
        kit.start()
        await until_async(lambda: kit.live_nodes() == 2, 10, "the nodes are known again")
        for endpoint in [world.caller.endpoint, *(node.endpoint for node in world.nodes)]:
            endpoint.close()
        await world.router.stop()


async def test_end_of_each_call(tmp_path: Path) -> None:
    """Every INVITE has exactly one outcome, whether answered, refused, or routed by the fallback."""
    config = edge_config(tmp_path)
    with RedisServer(tmp_path / "redis", config.ports.redis), EdgeKit(config) as kit:
        world = await build(kit)
        for n in range(CALLS):
            world.m1.answer = (200, 486, 404)[n % 3]
            world.caller.invite(world.caller.dialog())
            await world.caller.endpoint.final()
        await until_async(lambda: len(kit.facts()) >= 2 * CALLS, 5, "the lines are written: each worker does that after its answer")
        assert len({fact.id for fact in kit.facts()}) == len(kit.facts()) == 2 * CALLS
        await world.router.stop()


def test_redis_away_at_start(tmp_path: Path) -> None:
    """The edge starts without Redis and is healthy: calls need it for nothing."""
    with EdgeKit(edge_config(tmp_path)) as kit:
        assert kit.get("/healthz") == "ok\n"


def test_orphans_are_cleaned_up(tmp_path: Path) -> None:
    """A second start in the same state folder ends what the first one left."""
    config = edge_config(tmp_path)
    with EdgeKit(config) as first:
        left = first.processes()
        second = EdgeKit(config)
        second.start()
        until(lambda: not set(left) & set(second.processes()), 5, "the first edge's processes are gone")
        until(second.healthy, 10, "the second edge serves")
        second.stop()


def test_supervisor_killed(tmp_path: Path) -> None:
    """kill -9 of the process that started the edge leaves all of the edge alive and answering; its own end ends all of it."""
    kit = EdgeKit(edge_config(tmp_path)).start(*SUPERVISOR)
    assert kit.process is not None
    before, main = kit.processes(), int((tmp_path / "edge" / "kamailio.pid").read_text())
    kit.process.kill()
    kit.process.wait(5)
    try:
        assert kit.get("/healthz") == "ok\n"
        assert set(kit.processes()) == set(before)
    finally:
        os.kill(main, signal.SIGKILL)
        until(lambda: not kit.processes(), 5, "the children died with the main process")
