"""Callbacks go out by a carrier's trunk: only for media nodes, with nothing of the inside, accounted for at both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from ops import ids, keys
from ops.clock import SystemClock
from ops.facts import Fact
from tests.kit.ports import free_block
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until, until_async
from tests.sip.conftest import World, build
from tests.sip.edge_kit import CARRIER, EdgeKit, edge_config
from tests.sip.fake_node import FakeNode
from tests.sip.sip_client import Dialog, Endpoint, Message, request, respond, unique

pytestmark = pytest.mark.real
SWITCH = "127.2.0.1"  # of trunk carrier-b, which takes calls


@pytest.fixture(scope="module")
def centre_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Its Redis."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, centre_redis: RedisServer) -> Iterator[EdgeKit]:
    """An edge whose carrier-b takes calls of ours; carrier-a does not."""
    state: Path = tmp_path_factory.mktemp("edge")
    made = edge_config(state)
    made = replace(made, ports=replace(made.ports, redis=centre_redis.port))
    first, second = made.trunk
    config = replace(made, trunk=(first, replace(second, outbound=f"{SWITCH}:{free_block(1)}")))
    with EdgeKit(config) as kit:
        yield kit


@pytest.fixture
async def world(edge: EdgeKit) -> AsyncIterator[World]:
    """Nodes and callers around it."""
    made = await build(edge)
    yield made
    await made.router.stop()
    for endpoint in [made.caller.endpoint, *(node.endpoint for node in made.nodes)]:
        endpoint.close()


@pytest.fixture
async def switch(edge: EdgeKit) -> AsyncIterator[FakeNode]:
    """The carrier's switch, which answers calls."""
    host, _, port = edge.config.trunk[1].outbound.rpartition(":")
    endpoint = await Endpoint.open(host, int(port))
    carrier = FakeNode(endpoint, "switch", edge.sip)
    carrier.answer = lambda invite: answer(carrier, invite)
    yield carrier
    endpoint.close()


def answer(carrier: FakeNode, invite: Message) -> None:
    """200 with the switch's own Contact."""
    contact = f"Contact: <sip:gw@{carrier.endpoint.host}:{carrier.endpoint.port}>\r\n"
    carrier.endpoint.send(respond(invite, 200, reason="OK", tag="sw", extra=contact), invite.source)


def dial(node: FakeNode, call: str, trunk: str = "carrier-a", number: str = "13812345678") -> Dialog:
    """A media node calls a customer."""
    dialog = Dialog(unique("out"), f"<sip:95588@{node.edge[0]}>;tag={unique('f')}", f"<sip:{number}@tierline.local>", "")
    dialog.target, dialog.branch = f"sip:{number}@tierline.local", unique("b")
    contact = f"<sip:{call}.a@{node.edge[0]}:{node.edge[1]}>"
    inside = {"X-Tierline-Call": call, "X-Tierline-Dial": trunk, "Server": "inside m1"}
    headers = {"From": dialog.local, "To": dialog.remote, "Call-ID": dialog.call_id, "Contact": contact, **inside}
    node.endpoint.send(request("INVITE", dialog.target, node.via, headers), node.edge)
    return dialog


def within(end: FakeNode, dialog: Dialog, method: str, cseq: int) -> None:
    """A request of a dialog's end."""
    headers = {"From": dialog.local, "To": dialog.remote, "Call-ID": dialog.call_id, "CSeq": f"{cseq} {method}"}
    routes = "".join(f"Route: {route}\r\n" for route in dialog.routes)
    end.endpoint.send(request(method, dialog.target, end.via, headers, extra=routes), end.edge)


def accounted(world: World, call: str) -> list[Fact]:
    """Entry and outcome of a call, once both are written (by whichever process)."""
    until(lambda: len([f for f in world.edge.facts() if f.call == call]) == 2, 3, "both lines are written")
    return sorted((fact for fact in world.edge.facts() if fact.call == call), key=lambda fact: fact.kind)


def new_call() -> str:
    """A CallId."""
    return ids.uuid7(SystemClock().now_ms())


def store(world: World) -> redis.Redis:
    """The centre's Redis."""
    return redis.Redis(port=world.edge.config.ports.redis, decode_responses=True)


def authorised(world: World, number: str = "13812345678", trunk: str = "carrier-a") -> str:
    """A callback as the router leaves it when it offers one: its id."""
    call = new_call()
    store(world).set(keys.outside("main", call), f"{number} {trunk}", px=20_000)
    return call


async def test_a_customer_is_called(world: World, switch: FakeNode) -> None:
    """By the trunk that takes calls where the caller's own does not; the carrier sees the service number and nothing of the inside;
    ACK and BYE find their ways in both directions."""
    call, node = authorised(world), world.m1
    dialog = dial(node, call)
    reply = await node.endpoint.final()
    assert reply.status == 200
    (invite,) = switch.invites()
    assert invite.uri == f"sip:13812345678@{world.edge.config.trunk[1].outbound}"
    assert "95588@" in invite.get("from")
    raw = invite.raw.decode().lower()
    assert "x-tierline" not in raw
    assert f":{node.endpoint.port}" not in raw
    assert "inside m1" not in raw
    dialog.learn(reply)
    within(node, dialog, "ACK", 1)
    await until_async(lambda: len(switch.of("ACK")) == 1, 8, "the switch gets the ACK")
    theirs = Dialog(dialog.call_id, reply.get("to"), dialog.local, f"sip:{call}.a@{node.edge[0]}:{node.edge[1]}")
    theirs.routes = invite.all("record-route")
    within(switch, theirs, "BYE", 1)
    await until_async(lambda: len(node.of("BYE")) == 1, 8, "the node gets the BYE")
    entered, ended = accounted(world, call)
    assert (entered.body["trunk"], entered.body["called"], entered.body["calling"]) == ("carrier-b", "13812345678", "95588")
    assert (ended.body["sip_status"], ended.body["routed_by"]) == (200, "callback")
    assert entered.id.startswith(f"{call}:out:")


async def test_a_customer_who_is_busy(world: World, switch: FakeNode) -> None:
    """The carrier's refusal comes back to the node and into the account."""
    switch.answer = 486
    call = authorised(world, trunk="carrier-b")
    dialog = dial(world.m1, call, "carrier-b")
    assert (await world.m1.endpoint.final(of=dialog.call_id)).status == 486
    assert accounted(world, call)[1].body["sip_status"] == 486


async def test_only_numbers(world: World, switch: FakeNode) -> None:
    """What is no number goes to no carrier."""
    dialog = dial(world.m1, authorised(world, "boss"), number="boss")
    assert (await world.m1.endpoint.final(of=dialog.call_id)).status == 484
    assert switch.invites() == []


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "0",
        "13812345679 carrier-a",
        "13812345678 carrier-b",
        "13812345678",
        "138123456789 carrier-a",
        "+8613812345678 carrier-a",
        "13812345678 carrier-a more",
    ],
)
async def test_only_what_the_router_authorised(world: World, switch: FakeNode, said: str | None) -> None:
    """A media node that dials what no router authorised, another number or by another trunk, gets 403; nothing leaves the edge."""
    call = new_call()
    if said is not None:
        store(world).set(keys.outside("main", call), said)
    dialog = dial(world.m1, call)
    assert (await world.m1.endpoint.final(of=dialog.call_id)).status == 403
    assert accounted(world, call)[1].body["sip_status"] == 403
    assert switch.invites() == []


@pytest.mark.parametrize("call", ["", "boss", "*", "0"])
async def test_a_call_without_a_name(world: World, switch: FakeNode, call: str) -> None:
    """A media node that does not say which call of ours it is gets 403."""
    dialog = dial(world.m1, call)
    assert (await world.m1.endpoint.final(of=dialog.call_id)).status == 403
    assert switch.invites() == []


async def test_an_authorisation_counts_once(world: World, switch: FakeNode) -> None:
    """The word for one callback lets one INVITE out: the second, of whatever node, gets 403."""
    call = authorised(world)
    first = dial(world.m1, call)
    assert (await world.m1.endpoint.final(of=first.call_id)).status == 200
    second = dial(world.m2, call)
    assert (await world.m2.endpoint.final(of=second.call_id)).status == 403
    assert len(switch.invites()) == 1


async def test_only_media_nodes(world: World, switch: FakeNode) -> None:
    """A carrier that puts the inner header into its INVITE gets a call of its own, not a call to somewhere else."""
    rogue = FakeNode(await Endpoint.open(CARRIER), "rogue", world.edge.sip)
    dial(rogue, authorised(world))
    try:
        await until_async(lambda: len(world.m1.invites()) == 1, 8, "it is a caller like any other")
        assert switch.invites() == []
        assert world.m1.invites()[0].get("x-tierline-dial") == ""
    finally:
        rogue.endpoint.close()


async def test_while_redis_is_away(world: World, switch: FakeNode, centre_redis: RedisServer) -> None:
    """Nobody can say what is authorised: 503, and nothing goes out."""
    call = authorised(world)
    centre_redis.stop()
    try:
        dialog = dial(world.m1, call)
        assert (await world.m1.endpoint.final(of=dialog.call_id)).status == 503
    finally:
        centre_redis.start()
    assert switch.invites() == []
