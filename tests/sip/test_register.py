"""Seats register, and are reached by media nodes where they registered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import redis
from tierline.routing.v1 import routing_pb2

from ops import keys
from ops.node_secret import proof
from ops.provision import DigestSecrets
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.conftest import World, around, build
from tests.sip.edge_kit import EdgeKit, edge_config
from tests.sip.fake_router import FakeRouter
from tests.sip.seat_client import Seat, Wire
from tests.sip.sip_client import Address, Endpoint, Message, digest, request, respond, unique
from tests.sip.wires import Stream, WebSocket

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
CALL = "019ab000-0000-7000-8000-000000000001"
SEATS = [str(number) for number in range(1001, 1010)]
ORIGIN = "https://console.example"


@pytest.fixture(scope="module")
def centre_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The centre's Redis with two seats."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with server:
        yield server


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, centre_redis: RedisServer) -> Iterator[EdgeKit]:
    """An edge with seats 1001 and 1002 and a WebSocket for one origin only."""
    state: Path = tmp_path_factory.mktemp("edge")
    config = edge_config(state, origins=(ORIGIN,), wrong_passwords=5)
    config = replace(config, ports=replace(config.ports, redis=centre_redis.port))
    for seat in SEATS:
        secrets = DigestSecrets.of(seat, config.edge.realm, f"secret-{seat}").fields()
        redis.Redis(port=centre_redis.port).hset(keys.seat_auth("main", seat), mapping=secrets)
    with EdgeKit(config) as kit:
        yield kit


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


def phone(endpoint: Endpoint, edge: EdgeKit, seat: str = "1001", password: str = "") -> Seat:
    """A desk phone over UDP."""
    return Seat(endpoint, edge.sip, edge.config.edge.realm, seat, password or f"secret-{seat}")


def dial(world: World, seat: str, extra: str = "") -> str:
    """m1 sends an INVITE for a seat to the edge; its Call-ID."""
    node = world.m1.endpoint
    headers = {"From": "<sip:13812345678@tierline.local>;tag=n", "To": f"<sip:{seat}@tierline.local>", "Call-ID": unique("leg")}
    headers |= {"Contact": f"<sip:{CALL}.b1@{world.edge.sip[0]}:{world.edge.sip[1]}>", "User-Agent": f"node {node.port}"}
    text = request("INVITE", f"sip:{seat}@tierline.local", world.m1.via, headers, extra=f"X-Tierline-Call: {CALL}\r\n{extra}")
    node.send(text, world.edge.sip)
    return headers["Call-ID"]


def accept(invite: Message, contact: str, via: Wire, to: Address) -> None:
    """A seat answers."""
    via.send(respond(invite, 200, tag="seat", extra=f"Contact: {contact}\r\n"), to)


async def test_udp(world: World) -> None:
    """401, then 200 with the digest; a node's INVITE reaches the phone, the answer the node; then BYE goes out by the route."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge)
    assert (await seat.register()).status == 200
    dial(world, "1001")
    invite = await seat.endpoint.receive()  # type: ignore[attr-defined]
    assert invite.method == "INVITE"
    hidden = f":{world.m1.endpoint.port}".encode()
    assert hidden not in invite.raw
    assert b"ierline-" not in invite.raw
    accept(invite, seat.contact, seat.endpoint, invite.source)
    answer = await world.m1.endpoint.final()
    assert answer.status == 200
    assert f"a=n~{world.edge.label('media', 'm1')};b=s~1001~udp~" in answer.get("record-route")


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
async def test_streams(world: World, transport: str) -> None:
    """The same over TCP and TLS: registered, called over the connection the phone keeps, its BYE reaches the node."""
    tls = transport == "TLS"
    ports = world.edge.config.ports
    where = (world.edge.sip[0], ports.tls if tls else ports.sip)
    wire = await Stream.open(where, tls)
    seat = Seat(wire, where, world.edge.config.edge.realm, "1002", "secret-1002")
    seat.transport = transport
    seat.contact = f"<sip:1002@{wire.host}:{wire.port};transport={transport.lower()}>"
    assert (await seat.register()).status == 200
    dial(world, "1002")
    invite = await wire.receive()
    assert invite.method == "INVITE"
    accept(invite, seat.contact, wire, where)
    answer = await world.m1.endpoint.final()
    assert answer.status == 200
    wire.send(bye(invite, transport, f"{wire.host}:{wire.port}"), where)
    assert (await wire.final()).status == 200
    assert len(world.m1.of("BYE")) == 1
    wire.close()


async def test_wss(world: World) -> None:
    """A browser's phone: handshake with an allowed origin, digest, a call both ways through the socket."""
    ports = world.edge.config.ports
    socket = await WebSocket.open("127.0.0.1", ports.tls, ORIGIN)
    seat = Seat(socket, world.edge.sip, world.edge.config.edge.realm, "1005", "secret-1005")
    seat.transport = "WSS"
    seat.contact = "<sip:1005@browser.invalid;transport=ws>"
    assert (await seat.register()).status == 200
    dial(world, "1005")
    invite = await socket.receive()
    assert invite.method == "INVITE"
    accept(invite, seat.contact, socket, world.edge.sip)
    answer = await world.m1.endpoint.final()
    assert answer.status == 200
    world.m1.endpoint.send(node_bye(world, answer), world.edge.sip)
    got = await socket.receive()
    assert got.method == "BYE"
    socket.send(respond(got, 200), world.edge.sip)
    assert (await world.m1.endpoint.final()).status == 200
    await socket.close()


def bye(invite: Message, transport: str, sent_by: str) -> str:
    """The seat hangs up."""
    routes = "".join(f"Route: {route}\r\n" for route in invite.all("record-route"))
    headers = {"From": f"{invite.get('to')};tag=seat", "To": invite.get("from"), "Call-ID": invite.get("call-id")}
    target = invite.get("contact").strip("<>")
    return request("BYE", target, f"SIP/2.0/{transport} {sent_by}", headers | {"CSeq": "7 BYE"}, extra=routes)


def node_bye(world: World, answer: Message) -> str:
    """The node hangs up."""
    routes = "".join(f"Route: {route}\r\n" for route in reversed(answer.all("record-route")))
    headers = {"From": answer.get("from"), "To": answer.get("to"), "Call-ID": answer.get("call-id"), "CSeq": "2 BYE"}
    return request("BYE", answer.get("contact").strip("<>"), world.m1.via, headers, extra=routes)


async def test_foreign_origin(world: World) -> None:
    """A page of another origin cannot open the socket."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await WebSocket.open("127.0.0.1", world.edge.config.ports.tls, "https://evil.example")
    assert refused.value.status == 403


async def test_behind_nat(world: World) -> None:
    """A phone that tells a wrong address is called at the one it really sends from, also inside the dialog."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge, "1004")
    seat.contact = "<sip:1004@10.1.2.3:5060>"
    assert (await seat.register()).status == 200
    dial(world, "1004")
    invite = await seat.endpoint.final()
    assert invite.method == "INVITE"
    accept(invite, seat.contact, seat.endpoint, invite.source)
    answer = await world.m1.endpoint.final()
    world.m1.endpoint.send(node_bye(world, answer), world.edge.sip)
    assert (await seat.endpoint.final()).method == "BYE"


async def over_tcp(world: World, via: str, extra: str = "") -> Stream:
    """An INVITE for seat 1006 over TCP from any port of the node's host."""
    wire = await Stream.open(world.edge.sip)
    headers = {"From": "<sip:1@tierline.local>;tag=n", "To": "<sip:1006@tierline.local>", "Call-ID": unique("tcp")}
    headers |= {"Contact": f"<sip:{CALL}.b1@{world.edge.sip[0]}:{world.edge.sip[1]};transport=tcp>"}
    wire.send(request("INVITE", "sip:1006@tierline.local", via, headers, extra=extra), world.edge.sip)
    return wire


async def test_node_over_tcp(world: World) -> None:
    """A media node's INVITE over TCP, from whatever port, is known by its proof; the phone sees nothing of it."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge, "1006")
    assert (await seat.register()).status == 200
    wire = await over_tcp(world, world.m1.proved(f"SIP/2.0/TCP 127.0.0.1:{world.m1.endpoint.port};branch=z9hG4bK{unique('t')}"))
    invite = await seat.endpoint.final()
    assert f":{world.m1.endpoint.port}".encode() not in invite.raw
    assert b"proof" not in invite.raw
    seat.endpoint.send(respond(invite, 486), invite.source)
    assert (await wire.final()).status == 486
    wire.close()


@pytest.mark.parametrize("how", ["none", "of another Via", "of a wrong secret", "of another port"])
@pytest.mark.parametrize("extra", ["", "X-Tierline-Dial: any\r\n"])
async def test_a_local_program_is_no_media_node(world: World, how: str, extra: str) -> None:
    """Whoever shares the host of a media node and writes its Via rings no seat and dials nobody without the node's proof."""
    via = f"SIP/2.0/TCP 127.0.0.1:{world.m1.endpoint.port};branch=z9hG4bK{unique('t')}"
    vias = {
        "none": via,
        "of another Via": f"{via};proof={proof(world.edge.secret, via + 'x')}",
        "of a wrong secret": f"{via};proof={proof('guessed', via)}",
        "of another port": world.m1.proved(f"SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{unique('t')}"),
    }
    wire = await over_tcp(world, vias[how], extra)
    assert (await wire.final()).status == 403
    wire.close()


async def test_two_phones_decline(world: World) -> None:
    """Two phones of one seat ring; both decline, one after the other: one answer, with the node's own Via and nothing forged."""
    phones = [phone(await Endpoint.open("127.0.0.1"), world.edge, "1008") for _ in range(2)]
    for one in phones:
        assert (await one.register()).status == 200
    call = dial(world, "1008")
    for one, status in zip(phones, (486, 480), strict=True):
        invite = await one.endpoint.final()
        one.endpoint.send(respond(invite, status, extra="X-Tierline-Call: forged\r\n"), invite.source)
    answer = await world.m1.endpoint.final(of=call)
    assert answer.status in (480, 486)
    assert [via.partition(";")[0] for via in answer.all("via")] == [f"SIP/2.0/UDP 127.0.0.1:{world.m1.endpoint.port}"]
    assert b"forged" not in answer.raw
    assert await world.m1.endpoint.quiet(0.2)


async def test_not_registered(world: World) -> None:
    """A seat that is not registered: 404 to the node."""
    call = dial(world, "4711")
    assert (await world.m1.endpoint.final(of=call)).status == 404


async def test_router_sends_to_a_seat(world: World) -> None:
    """A call that the router sends to a seat direct rings there, is answered, accounted for and hung up by the carrier."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge, "1007")
    assert (await seat.register()).status == 200
    world.router.answer = routing_pb2.RouteCallReply(seat=routing_pb2.ToSeat(seat="1007"))
    dialog = world.caller.invite(world.caller.dialog(), extra="X-Tierline-Call: forged\r\n")
    invite = await seat.endpoint.final()
    assert b"ierline-" not in invite.raw
    accept(invite, seat.contact, seat.endpoint, invite.source)
    answer = await world.caller.endpoint.final()
    assert answer.status == 200
    world.caller.ack(dialog, answer)
    assert (await seat.endpoint.final()).method == "ACK"
    world.caller.bye(dialog)
    bye = await seat.endpoint.final()
    assert bye.method == "BYE"
    told = world.edge.outcomes()[world.router.asked[-1].call]
    assert (told["sip_status"], told["routed_by"]) == (200, "router")


async def test_unregister(world: World) -> None:
    """Expires 0 takes the registration away."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge, "1003")
    await seat.register()
    assert (await seat.register(expires=0)).status == 200
    call = dial(world, "1003")
    assert (await world.m1.endpoint.final(of=call)).status == 404


async def test_other_address_of_record(world: World) -> None:
    """A right password for one seat does not register another: 403."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge)
    assert (await seat.register(user="1002")).status == 403


async def test_replayed_digest(world: World) -> None:
    """The same Authorization a second time is challenged anew, not accepted."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge)
    assert (await seat.register()).status == 200
    replay = await seat.send(seat.authorization)
    assert replay.status == 401
    assert replay.get("www-authenticate")


async def test_nonce_count_goes_on(world: World) -> None:
    """A re-registration with the same nonce and the next count is accepted without a challenge."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge)
    first = await seat.send()
    uri = f"sip:{seat.realm}"
    for count in (1, 2):
        authorization = digest(first.get("www-authenticate"), seat.seat, seat.password, uri, count=count)
        assert (await seat.send(authorization)).status == 200


async def test_registered_over_a_restart(tmp_path: Path) -> None:
    """kill -9 of the edge: a phone that registered before is reached after, without a new registration."""
    config = edge_config(tmp_path)
    with RedisServer(tmp_path / "redis", config.ports.redis) as server, EdgeKit(config) as kit:
        secrets = DigestSecrets.of("1001", config.edge.realm, "secret-1001").fields()
        redis.Redis(port=server.port).hset(keys.seat_auth("main", "1001"), mapping=secrets)
        world = await build(kit)
        seat = phone(await Endpoint.open("127.0.0.1"), kit)
        assert (await seat.register()).status == 200
        kit.kill()
        kit.start()
        dial(world, "1001")
        assert (await seat.endpoint.final()).method == "INVITE"
        await world.router.stop()


async def test_redis_away(world: World, centre_redis: RedisServer) -> None:
    """While Redis is away a REGISTER gets 503 with Retry-After; afterwards it works again without a restart."""
    seat = phone(await Endpoint.open("127.0.0.1"), world.edge)
    challenged = await seat.send()
    authorization = digest(challenged.get("www-authenticate"), seat.seat, seat.password, f"sip:{seat.realm}")
    centre_redis.stop(kill=True)
    answer = await seat.send(authorization)
    assert answer.status == 503
    assert answer.get("retry-after") == "5"
    centre_redis.start()

    async def registers() -> bool:
        return (await seat.register()).status == 200

    await until_async(registers, 10, "registration works again", pause=0.3)
