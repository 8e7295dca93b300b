"""Requests inside a dialog find the node that owns the call now."""

from __future__ import annotations

import os
import signal

import pytest
import redis

from ops import keys
from tests.kit.wait import until_async
from tests.sip.conftest import World
from tests.sip.fake_node import FakeNode
from tests.sip.sip_client import Dialog

pytestmark = pytest.mark.real


def store(world: World) -> redis.Redis:
    """The centre's Redis."""
    return redis.Redis(port=world.edge.config.ports.redis)


async def answered(world: World) -> tuple[Dialog, str]:
    """A call answered by m1, and its CallId."""
    dialog = world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final()
    world.caller.ack(dialog, answer)
    call = world.m1.invites()[-1].get("x-tierline-call")
    await until_async(lambda: bool(world.m1.of("ACK")), 8, "the ACK reached m1")
    return dialog, call


async def hang_up(world: World, dialog: Dialog, node: FakeNode) -> None:
    """The carrier's BYE is answered, and it was this node that got it."""
    world.caller.bye(dialog)
    assert (await world.caller.endpoint.final()).status == 200
    assert [bye.get("call-id") for bye in node.of("BYE")] == [dialog.call_id]


async def test_no_owner_known(world: World) -> None:
    """Without a lease the node of the Record-Route gets the request."""
    dialog, _ = await answered(world)
    await hang_up(world, dialog, world.m1)


async def test_owner_changed(world: World) -> None:
    """After another node took the call over, the BYE goes to that one."""
    dialog, call = await answered(world)
    store(world).set(keys.call_owner("main", call), f"2 {world.edge.config.media_uris['m2']}", ex=120)
    await hang_up(world, dialog, world.m2)
    assert not world.m1.of("BYE")


async def test_reinvite_follows(world: World) -> None:
    """A re-INVITE and its ACK go to the new owner, and no new call is made of it."""
    dialog, call = await answered(world)
    store(world).set(keys.call_owner("main", call), f"2 {world.edge.config.media_uris['m2']}", ex=120)
    asked = len(world.router.asked)
    dialog.cseq += 1
    world.caller.invite(dialog)
    answer = await world.caller.endpoint.final()
    assert answer.status == 200
    world.caller.send(dialog, "ACK")
    await until_async(lambda: bool(world.m2.of("ACK")), 8, "the ACK reached m2")
    assert len(world.router.asked) == asked


async def test_unknown_dialog(world: World) -> None:
    """A BYE for a call nobody knows, without a route: 481."""
    dialog = world.caller.dialog()
    dialog.target = f"sip:019ab000-0000-7000-8000-0000000000ff.a@{world.edge.sip[0]}:{world.edge.sip[1]}"
    dialog.remote += ";tag=x"
    world.caller.send(dialog, "BYE")
    assert (await world.caller.endpoint.final()).status == 481


async def test_redis_hangs(world: World) -> None:
    """With Redis stopped dead (SIGSTOP) a BYE is late by a tenth of a second at most and goes by the Record-Route."""
    dialog, _ = await answered(world)
    client = store(world)
    pid = int(client.info("server")["process_id"])
    client.close()

    os.kill(pid, signal.SIGSTOP)
    try:
        world.caller.bye(dialog)
        assert (await world.caller.endpoint.final(1.0)).status == 200
        assert len(world.m1.of("BYE")) == 1
    finally:
        os.kill(pid, signal.SIGCONT)
