"""A carrier's INVITE: asked, routed, refused, or relayed by the fallback."""

from __future__ import annotations

import asyncio

import pytest

from tests.kit.wait import until_async
from tests.sip.conftest import World

pytestmark = pytest.mark.real


async def test_router_names_the_node(world: World) -> None:
    """The INVITE goes to the node the router named, with the platform's headers, and the answer comes back."""
    dialog = world.caller.invite(world.caller.dialog("95588", "13812345678"))
    answer = await world.caller.endpoint.final()
    assert answer.status == 200
    world.caller.ack(dialog, answer)
    (invite,) = world.m1.invites()
    asked = world.router.asked[-1]
    assert (asked.called, asked.calling, asked.trunk, asked.edge) == ("95588", "13812345678", "carrier-a", "edge1")
    assert invite.get("x-tierline-call") == asked.call
    assert invite.get("x-tierline-trunk") == "carrier-a"
    assert invite.get("x-tierline-routed") == "router"
    assert invite.get("x-tierline-home") == "CN;%E5%B9%BF%E4%B8%9C;%E6%B7%B1%E5%9C%B3;%E7%A7%BB%E5%8A%A8"
    await until_async(lambda: len(world.m1.of("ACK")) == 1, 2, "the ACK reached the node")
    world.caller.bye(dialog)
    assert (await world.caller.endpoint.final()).status == 200
    assert len(world.m1.of("BYE")) == 1
    assert world.edge.outcomes()[asked.call] == {
        "edge": "edge1", "sip_status": 200, "sip_reason": "Why", "routed_by": "router"
    }  # fmt: skip


async def test_other_node(world: World) -> None:
    """The second node gets the call when it is the one named."""
    world.to(world.m2)
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 200
    assert len(world.m2.invites()) == 1
    assert not world.m1.invites()
    await asyncio.sleep(0)
