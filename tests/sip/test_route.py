"""A carrier's INVITE: asked, routed, refused, or relayed by the fallback; its end accounted for."""

from __future__ import annotations

import pytest
from tierline.routing.v1 import routing_pb2

from ops.inner import EDGE, target
from tests.kit.wait import until, until_async
from tests.sip.conftest import World
from tests.sip.edge_kit import CARRIER, STRANGER
from tests.sip.fake_router import refusal
from tests.sip.sip_client import Caller, Endpoint, Message, respond

pytestmark = pytest.mark.real


def outcome(world: World, call: str) -> dict[str, object]:
    """The edge_outcome of a call, once it is written."""
    until(lambda: call in world.edge.outcomes(), 3, "the outcome line is written")
    return world.edge.outcomes()[call]


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
    await until_async(lambda: len(world.m1.of("ACK")) == 1, 8, "the ACK reached the node")
    world.caller.bye(dialog)
    assert (await world.caller.endpoint.final()).status == 200
    assert len(world.m1.of("BYE")) == 1
    told = {"edge": "edge1", "sip_status": 200, "sip_reason": "Why", "routed_by": "router"}
    assert outcome(world, asked.call) == told


async def test_a_vip_is_told_to_the_node(world: World) -> None:
    """The level in the router's answer goes to the node; what a carrier wrote itself is taken off."""
    world.router.answer.vip = 2
    world.caller.invite(world.caller.dialog(), extra="X-Tierline-Vip: 9\r\n")
    assert (await world.caller.endpoint.final()).status == 200
    world.to(world.m2)
    world.caller.invite(world.caller.dialog(), extra="X-Tierline-Vip: 9\r\n")
    assert (await world.caller.endpoint.final()).status == 200
    assert [world.m1.invites()[0].all("x-tierline-vip"), world.m2.invites()[0].all("x-tierline-vip")] == [["2"], []]


async def test_other_node(world: World) -> None:
    """The second node gets the call when it is the one named."""
    world.to(world.m2)
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 200
    assert len(world.m2.invites()) == 1
    assert not world.m1.invites()


async def test_invite_is_accounted_at_entry(world: World) -> None:
    """The line of the INVITE tells trunk, numbers, source and SIP Call-ID, and carries the call's id."""
    dialog = world.caller.invite(world.caller.dialog("95588", "13900000000"))
    await world.caller.endpoint.final()
    call = world.router.asked[-1].call
    (fact,) = [fact for fact in world.edge.facts() if fact.id == f"{call}:e:invite"]
    told = {"edge": "edge1", "trunk": "carrier-a", "calling": "13900000000", "called": "95588"}
    assert fact.body == told | {"source_address": CARRIER, "sip_call_id": dialog.call_id}
    assert (fact.kind, fact.call, fact.source, fact.tenant) == ("edge_invite", call, "edge:edge1", "main")


async def test_retransmission_is_one_call(world: World) -> None:
    """The same INVITE twice is asked once, relayed once and accounted once."""
    dialog = world.caller.dialog()
    branch = {"Via": f"{world.caller.via};branch=z9hG4bKsame;rport", "Contact": world.caller.contact}
    world.m1.answer = lambda _: None
    world.caller.send(dialog, "INVITE", **branch)
    await world.caller.endpoint.receive()
    world.caller.send(dialog, "INVITE", **branch)
    await until_async(lambda: len(world.m1.invites()) == 1, 8, "the node has it")
    assert len(world.router.asked) == 1
    world.m1.reply(world.m1.invites()[0], 486)
    answer = await world.caller.endpoint.final()
    assert answer.status == 486


async def test_refusal_becomes_the_status(world: World) -> None:
    """A refusing router's status and reason go to the carrier, and no node hears of the call."""
    world.router.answer = refusal(603)
    world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final()
    assert answer.start == "SIP/2.0 603 Blacklisted"
    assert not world.m1.invites()
    told = outcome(world, world.router.asked[-1].call)
    assert (told["sip_status"], told["routed_by"]) == (603, "router")


async def test_seat_that_is_not_there(world: World) -> None:
    """A router may send a call to a seat direct; one that is not registered gives 404, with its outcome."""
    world.router.answer = routing_pb2.RouteCallReply(seat=routing_pb2.ToSeat(seat="1001"))
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 404
    told = outcome(world, world.router.asked[-1].call)
    assert (told["sip_status"], told["routed_by"]) == (404, "router")


@pytest.mark.parametrize(
    ("lines", "calling", "diversion"),
    [
        ("P-Asserted-Identity: <sip:+8675512345678@carrier.example>\r\n", "+8675512345678", ""),
        ("P-Asserted-Identity: <tel:+8675512345678>\r\n", "+8675512345678", ""),
        ("P-Asserted-Identity: <sip:1390@c.example>\r\nPrivacy: id\r\n", "", ""),
        ("Diversion: <sip:10010@c.example>;reason=busy\r\nDiversion: <sip:10086@c.example>\r\n", "13812345678", "10010"),
        ("History-Info: <sip:1@c.example>;index=1\r\nHistory-Info: <sip:2@c.example>;index=1.1\r\n", "13812345678", "2"),
    ],
)
async def test_who_calls(world: World, lines: str, calling: str, diversion: str) -> None:
    """The router is told the asserted caller, nothing of one who withholds it, and who was called before."""
    world.caller.invite(world.caller.dialog(), extra=lines)
    await world.caller.endpoint.final()
    asked = world.router.asked[-1]
    assert (asked.calling, asked.diversion) == (calling, diversion)


async def test_router_hangs(world: World) -> None:
    """A router that never answers costs 200 ms: the call goes to a live node, marked as open."""
    world.router.delay = None
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 200
    (invite,) = world.m1.invites() + world.m2.invites()
    assert invite.get("x-tierline-routed") == "fallback:deadline_exceeded"
    assert "x-tierline-home" not in invite.names
    assert outcome(world, invite.get("x-tierline-call"))["routed_by"] == "fallback:deadline_exceeded"


async def test_breaker(world: World) -> None:
    """After a few time-outs calls no longer wait for a hanging router, and ask it again once it is well."""
    world.router.delay = None
    for at_once in (6, 1):
        for _ in range(at_once):
            world.caller.invite(world.caller.dialog())
        for _ in range(at_once):
            assert (await world.caller.endpoint.final()).status == 200
    ways = [invite.get("x-tierline-routed") for invite in world.m1.invites() + world.m2.invites()]
    assert sorted(ways) == ["fallback:breaker"] + 6 * ["fallback:deadline_exceeded"]
    world.router.delay = 0

    async def routed() -> bool:
        world.caller.invite(world.caller.dialog())
        await world.caller.endpoint.final()
        return any(i.get("x-tierline-routed") == "router" for i in world.m1.invites())

    await until_async(routed, 5, "the router is asked again", pause=0.1)


async def test_router_away(world: World) -> None:
    """With no router listening the call is relayed at once by the fallback; back again, it is asked again."""
    await world.router.stop()
    up = target(world.edge.config.routers[0], EDGE)
    await until_async(lambda: world.edge.metric("router_up", router=up) == 0, 5, "the edge sees the router go")
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 200
    (invite,) = world.m1.invites() + world.m2.invites()
    assert invite.get("x-tierline-routed") == "fallback:unavailable"
    await world.router.start()
    await until_async(lambda: world.edge.metric("router_up", router=up) == 1, 5, "the edge is connected again")
    world.caller.invite(world.caller.dialog())
    await world.caller.endpoint.final()
    assert world.m1.invites()[-1].get("x-tierline-routed") == "router"


async def test_unusable_reply(world: World) -> None:
    """A reply without a decision counts as none: fallback."""
    world.router.answer = routing_pb2.RouteCallReply()
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 200
    (invite,) = world.m1.invites() + world.m2.invites()
    assert invite.get("x-tierline-routed") == "fallback:bad_reply"


async def test_full_node(world: World) -> None:
    """A node that answers 503 is passed over: the other one gets the call and the Record-Route names it alone."""
    world.m1.answer = 503
    world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final()
    assert answer.status == 200
    (invite,) = world.m2.invites()
    (route,) = answer.all("record-route")
    assert f"b=n~{world.edge.label('media', 'm2')};" in route
    assert len(invite.all("x-tierline-call")) == 1
    assert invite.get("x-tierline-call") == world.m1.invites()[0].get("x-tierline-call")


async def test_second_node_refuses(world: World) -> None:
    """One node full, the other one busy: the carrier gets the busy, stripped like any other reply, and one outcome."""
    world.m1.answer, world.m2.answer = 503, 486
    world.m2.extra = "X-Tierline-Secret: 1\r\nServer: node\r\n"
    world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final()
    assert answer.status == 486
    assert "server" not in answer.names
    assert b"ierline" not in answer.raw
    call = world.router.asked[-1].call
    assert outcome(world, call)["sip_status"] == 486
    assert sum(f.id == f"{call}:e:outcome" for f in world.edge.facts()) == 1


async def test_silent_node(world: World) -> None:
    """A node that says nothing for a second loses the call to the other one."""
    world.m1.answer = lambda _: None
    world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final(5)
    assert answer.status == 200
    assert len(world.m2.invites()) == 1


async def test_no_node(world: World) -> None:
    """All nodes full: 503 with Retry-After, accounted for."""
    world.m1.answer = world.m2.answer = 503
    world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final(5)
    assert answer.status == 503
    assert answer.get("retry-after") == "5"
    assert outcome(world, world.router.asked[-1].call)["sip_status"] == 503


async def test_dead_node_is_not_tried(world: World) -> None:
    """A node that does not answer probes gets no call, even if a router still names it."""
    world.m1.alive = False
    await until_async(lambda: world.edge.live_nodes() == 1, 15, "the probes miss the node")
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final(0.8)).status == 200
    assert not world.m1.invites()


async def test_no_node_answers_probes(world: World) -> None:
    """When the probes call every node dead, the node that the router names still gets the call."""
    world.m1.probed = world.m2.probed = False
    await until_async(lambda: world.edge.live_nodes() == 0, 15, "the probes miss both nodes")
    world.to(world.m2)
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 200
    assert len(world.m2.invites()) == 1


async def test_busy_is_passed_on(world: World) -> None:
    """A node's 4xx is the carrier's answer; no other node is tried."""
    world.m1.answer = 486
    world.caller.invite(world.caller.dialog())
    assert (await world.caller.endpoint.final()).status == 486
    assert not world.m2.invites()
    assert outcome(world, world.router.asked[-1].call)["sip_status"] == 486


async def test_cancel_while_ringing(world: World) -> None:
    """CANCEL reaches the node; the carrier gets 200 and 487; the outcome is 487."""
    world.m1.answer = lambda invite: world.m1.reply(invite, 180)
    dialog = world.caller.invite(world.caller.dialog())
    while (await world.caller.endpoint.receive()).status != 180:
        pass
    world.caller.cancel(dialog)
    await until_async(lambda: len(world.m1.of("CANCEL")) == 1, 8, "the node is told")
    world.m1.reply(world.m1.invites()[0], 487)
    answers = {(await world.caller.endpoint.final()).start.split()[1] for _ in range(2)}
    assert answers == {"200", "487"}
    assert outcome(world, world.router.asked[-1].call)["sip_status"] == 487


async def test_cancel_while_asking(world: World) -> None:
    """CANCEL before the router has answered: 200 and 487 at once, no node hears of it, the outcome is written."""
    world.router.delay = 0.15
    dialog = world.caller.invite(world.caller.dialog())
    while (await world.caller.endpoint.receive()).status != 100:
        pass
    world.caller.cancel(dialog)
    answers = [await world.caller.endpoint.final() for _ in range(2)]
    assert {answer.status for answer in answers} == {200, 487}
    world.caller.ack(dialog, next(answer for answer in answers if answer.status == 487))
    await until_async(lambda: bool(world.router.asked), 8, "the router was asked")
    told = outcome(world, world.router.asked[-1].call)
    assert (told["sip_status"], told["routed_by"]) == (487, "edge")
    assert not world.m1.invites()


async def test_unknown_trunk(world: World) -> None:
    """An INVITE from an address in no trunk: 403 and counted; it leaves no fact, and nobody is asked."""
    before = world.edge.metric("refused_total", why="unknown_trunk")
    stranger = Caller(await Endpoint.open(STRANGER), world.edge.sip)
    dialog = stranger.invite(stranger.dialog())
    assert (await stranger.endpoint.final()).status == 403
    assert not world.router.asked
    assert world.edge.metric("refused_total", why="unknown_trunk") == before + 1
    assert dialog.call_id not in [fact.body.get("sip_call_id") for fact in world.edge.facts()]
    stranger.endpoint.close()


async def test_trunk_by_network(world: World) -> None:
    """A trunk given as a network takes any address in it."""
    caller = Caller(await Endpoint.open("127.2.34.56"), world.edge.sip)
    caller.invite(caller.dialog())
    assert (await caller.endpoint.final()).status == 200
    assert world.router.asked[-1].trunk == "carrier-b"
    caller.endpoint.close()


async def test_no_platform_header_passes(world: World) -> None:
    """A carrier cannot inject X-Tierline headers, and gets none, in requests, replies and inside the dialog."""
    world.m1.extra = "X-Tierline-Call: inner\r\nx-tierline-secret: 1\r\nServer: node 127.0.0.1:5200\r\n"
    dialog = world.caller.invite(world.caller.dialog(), extra="X-Tierline-Call: forged\r\nX-TIERLINE-Foo: forged\r\n")
    answer = await world.caller.endpoint.final()
    assert not {name for name in answer.names if name.startswith("x-tierline") or name == "server"}
    (invite,) = world.m1.invites()
    assert b"forged" not in invite.raw
    assert len(invite.all("x-tierline-call")) == 1
    world.caller.ack(dialog, answer)
    dialog.cseq += 1
    world.caller.send(dialog, "BYE", extra="X-Tierline-Call: forged\r\n")
    answer = await world.caller.endpoint.final()
    assert answer.status == 200
    assert b"ierline" not in answer.raw
    assert b"forged" not in world.m1.of("BYE")[0].raw


async def test_node_stays_hidden(world: World) -> None:
    """Nothing a carrier gets shows the media node's address and port: reply, and a request of the node in the dialog."""
    hidden = f":{world.m1.endpoint.port}".encode()
    world.m1.extra = f"Server: node 127.0.0.1:{world.m1.endpoint.port}\r\n"
    dialog = world.caller.invite(world.caller.dialog())
    answer = await world.caller.endpoint.final()
    assert hidden not in answer.raw
    world.caller.ack(dialog, answer)
    invite = world.m1.invites()[0]
    world.m1.endpoint.send(node_request(world, invite, "BYE"), world.edge.sip)
    bye = await world.caller.endpoint.receive()
    assert bye.method == "BYE"
    assert hidden not in bye.raw
    world.caller.endpoint.send(respond(bye, 200), bye.source)
    reply = await world.m1.endpoint.final()
    assert reply.status == 200
    assert reply.get("via").startswith(f"SIP/2.0/UDP 127.0.0.1:{world.m1.endpoint.port};branch=z9hG4bKnode")
    assert len(reply.all("via")) == 1


def node_request(world: World, invite: Message, method: str) -> str:
    """A request of the node inside the dialog of an INVITE it got."""
    via = f"SIP/2.0/UDP 127.0.0.1:{world.m1.endpoint.port};branch=z9hG4bKnode{method}{invite.get('call-id')}"
    via = world.m1.proved(via)
    target = invite.get("contact").strip("<>")
    lines = [f"Via: {via}", *(f"Route: {route}" for route in invite.all("record-route"))]
    lines += [f"From: {invite.get('to')};tag={world.m1.name}-{invite.get('call-id')}", f"To: {invite.get('from')}"]
    lines += [f"Call-ID: {invite.get('call-id')}", f"CSeq: 1 {method}", "Max-Forwards: 70", "User-Agent: node", "Content-Length: 0"]
    return f"{method} {target} SIP/2.0\r\n" + "\r\n".join(lines) + "\r\n\r\n"
