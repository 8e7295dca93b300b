"""Bad input gets a clear answer, and the next good request is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.conftest import World, around
from tests.sip.edge_kit import STRANGER, EdgeKit, edge_config
from tests.sip.fake_router import FakeRouter
from tests.sip.sip_client import Caller, Endpoint, request, unique
from tests.sip.wires import Stream

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge that takes 200 requests in two seconds for a flood."""
    config = edge_config(tmp_path_factory.mktemp("edge"), flood_per_2s=200)
    with RedisServer(config.state / "redis", config.ports.redis), EdgeKit(config) as kit:
        yield kit


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


def options(world: World, via: str, extra: str = "", method: str = "OPTIONS", uri: str = "", **headers: str) -> str:
    """A request outside any dialog."""
    usual = {"From": "<sip:a@carrier.example>;tag=1", "To": "<sip:b@centre.example>", "Call-ID": unique("bad")}
    usual["Contact"] = "<sip:a@127.0.0.2:9>"
    return request(method, uri or f"sip:{world.edge.sip[0]}:{world.edge.sip[1]}", via, usual | headers, extra=extra)


async def ask(world: World, text: str | bytes) -> int:
    """Send as the carrier; the status of the answer."""
    world.caller.endpoint.send(text, world.edge.sip)
    return (await world.caller.endpoint.final()).status


async def well(world: World) -> bool:
    """A normal request is answered."""
    return await ask(world, options(world, world.caller.via)) == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"method": "FROBNICATE"}, 405),
        ({"uri": "http://127.0.0.1/"}, 416),
        ({"uri": "xyz:95588"}, 416),
        ({"Max-Forwards": "0"}, 483),
        ({"CSeq": "1 INVITE"}, 400),
        ({"CSeq": "99999999999 OPTIONS"}, 400),
        ({"method": "SUBSCRIBE"}, 405),
        ({"User-Agent": "caf\udce9"}, 200),
        ({"uri": "sip:caf\udce9@127.0.0.1"}, 400),
        ({"extra": "X-Long: " + "a" * 20_000 + "\r\n"}, 513),
    ],
)
async def test_refused(world: World, change: dict[str, str], status: int) -> None:
    """Each of these has its own answer; bytes that are no UTF-8 in a header nobody reads are no fault."""
    strange = Caller(await Endpoint.open(STRANGER), world.edge.sip)
    strange.endpoint.send(options(world, strange.via, **change), world.edge.sip)
    assert (await strange.endpoint.final()).status == status
    strange.endpoint.close()
    assert await well(world)


async def test_method_not_allowed_names_the_allowed(world: World) -> None:
    """405 carries Allow (RFC 3261 §21.4.6)."""
    world.caller.endpoint.send(options(world, world.caller.via, method="FROBNICATE"), world.edge.sip)
    assert "INVITE" in (await world.caller.endpoint.final()).get("allow")


async def test_folded_headers(world: World) -> None:
    """Folded headers are legal (RFC 3261 §7.3.1): the call is routed, its numbers read."""
    dialog = world.caller.dialog()
    dialog.local = dialog.local.replace(";tag", "\r\n ;tag")
    world.caller.invite(dialog, extra="Subject: a\r\n\tb\r\n  c\r\n")
    assert (await world.caller.endpoint.final()).status == 200
    assert world.router.asked[-1].calling == "13812345678"


async def test_content_length_too_long(world: World) -> None:
    """A Content-Length beyond the datagram: 400, accounted for as a refused call of the trunk."""
    dialog = world.caller.dialog()
    world.caller.invite(dialog)
    text = world.caller.endpoint
    ok = await text.final()
    assert ok.status == 200
    raw = options(world, world.caller.via, method="INVITE").replace("Content-Length: 0", "Content-Length: 500")
    assert await ask(world, raw) == 400
    refused = [f for f in world.edge.facts() if f.kind == "edge_outcome" and f.body["sip_status"] == 400]
    assert refused
    assert refused[-1].body["routed_by"] == "edge"


async def test_octets_behind_the_body(world: World) -> None:
    """What stands in a datagram behind the Content-Length is ignored (RFC 3261 §18.3), by the edge and by the media node."""
    assert await ask(world, options(world, world.caller.via) + "INVITE sip:x SIP/2.0") == 200
    world.caller.invite(world.caller.dialog(), extra="X-A: b\r\nContent-Length: 0\r\n\r\ntrailing")
    assert (await world.caller.endpoint.final()).status == 200


async def test_no_utf8_invite(world: World) -> None:
    """An INVITE with bytes that are no UTF-8 where the edge must read: 400 and a fact, not silence."""
    raw = options(world, world.caller.via, method="INVITE", uri="sip:\udcff\udcfe@127.0.0.1")
    assert await ask(world, raw) == 400
    assert any(f.body.get("sip_status") == 400 for f in world.edge.facts())


async def test_gbk_display_name(world: World) -> None:
    """A display name in GBK is not ours to read: the call goes through, with the bytes as they came."""
    dialog = world.caller.dialog()
    name = "张三".encode("gbk").decode("utf-8", "surrogateescape")
    dialog.local = f'"{name}" {dialog.local}'
    world.caller.invite(dialog, extra="X-Tierline-Forged: 1\r\n")
    assert (await world.caller.endpoint.final()).status == 200
    (invite,) = world.m1.invites()
    assert "张三".encode("gbk") in invite.raw
    assert b"Forged" not in invite.raw


async def test_too_long_over_tcp(world: World) -> None:
    """Too long over TCP: 513, and the connection serves the next one; what no buffer takes ends its connection."""
    wire = await Stream.open(world.edge.sip)
    via = f"SIP/2.0/TCP {wire.host}:{wire.port}"
    longest = world.edge.config.edge.max_message_bytes
    wire.send(options(world, via, extra="X-Long: " + "a" * longest + "\r\n"), world.edge.sip)
    assert (await wire.final()).status == 513
    wire.send(options(world, via), world.edge.sip)
    assert (await wire.final()).status == 200
    wire.send(options(world, via, extra="X-Long: " + "a" * 65_000 + "\r\n"), world.edge.sip)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await wire.receive()
    assert await well(world)


async def test_endless_header_over_tcp(world: World) -> None:
    """More than the edge will ever read: it hangs up, and lives."""
    wire = await Stream.open(world.edge.sip)
    wire.send("OPTIONS sip:a@b SIP/2.0\r\nX-Long: " + "a" * 400_000, world.edge.sip)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await wire.receive()
    assert await well(world)


async def test_garbage(world: World) -> None:
    """Bytes that are no SIP are dropped and counted; the edge lives."""
    before = world.edge.metric("core_bad_msg_hdr") + world.edge.metric("core_rcv_requests")
    world.caller.endpoint.send(b"\x00\x01GARBAGE\r\n\r\n" * 3, world.edge.sip)
    world.caller.endpoint.send(b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n", world.edge.sip)
    assert await well(world)
    assert world.edge.metric("core_bad_msg_hdr") + world.edge.metric("core_rcv_requests") > before


async def test_flood(world: World) -> None:
    """Too many requests from an unknown address: dropped. As many from a trunk: all answered."""
    limit = 3 * world.edge.config.edge.flood_per_2s  # the first time pike takes not quite two times as many
    flooder = Caller(await Endpoint.open("127.0.0.67"), world.edge.sip)
    before = world.edge.metric("refused_total", why="flood")
    inbox = world.caller.endpoint.inbox

    async def answered(count: int) -> None:
        await until_async(lambda: inbox.qsize() >= count, 10, "the trunk is answered each time", 0.001)

    for n in range(limit):
        for sender in (flooder, world.caller):
            sender.endpoint.send(options(world, sender.via), world.edge.sip)
        await answered(n - 100)  # no more under way than sockets keep: what the kernel drops is not the edge's
    await answered(limit)
    assert world.edge.metric("refused_total", why="flood") > before
    assert flooder.endpoint.inbox.qsize() < limit
    flooder.endpoint.close()
