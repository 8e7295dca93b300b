"""What connections cost the edge, and how long those live that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import redis

from ops import keys
from ops.clock import SystemClock
from ops.provision import DigestSecrets
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.conftest import World, around
from tests.sip.edge_kit import STRANGER, EdgeKit, edge_config
from tests.sip.fake_router import FakeRouter
from tests.sip.seat_client import Seat
from tests.sip.sip_client import request, unique
from tests.sip.wires import Stream

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SILENT_S = 2
MANY = 4200  # connections of one address that once took all of the shared memory
LONGEST_S = SILENT_S + 12  # the process that reads a connection keeps it for some seconds of its own
NOW_MS = SystemClock().mono_ms


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge that closes silent connections after two seconds."""
    config = edge_config(tmp_path_factory.mktemp("edge"), silent_s=SILENT_S)
    with RedisServer(config.state / "redis", config.ports.redis) as server:
        secrets = DigestSecrets.of("1001", config.edge.realm, "secret").fields()
        with redis.Redis(port=server.port) as store:
            store.hset(keys.seat_auth("main", "1001"), mapping=secrets)
        with EdgeKit(config) as kit:
            yield kit


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


async def closed_after(wire: Stream) -> float:
    """Seconds until the edge closes the connection; what it sends before is read."""
    start = NOW_MS()
    with contextlib.suppress(ConnectionResetError):
        while await asyncio.wait_for(wire.reader.read(4096), 30):
            pass
    return (NOW_MS() - start) / 1000


async def test_a_silent_connection_is_closed(world: World) -> None:
    """Over TCP and over TLS a connection that sends no whole request is closed, whether it has begun one or not."""
    tls = (world.edge.sip[0], world.edge.config.ports.tls)
    wires = [await Stream.open(world.edge.sip), await Stream.open(world.edge.sip), await Stream.open(tls, True)]
    wires[1].send("REGISTER sip:tierline.local SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n", world.edge.sip)
    ended = await asyncio.gather(*map(closed_after, wires))
    assert all(SILENT_S - 1 < seconds < LONGEST_S for seconds in ended), ended


async def test_who_registered_is_kept(world: World) -> None:
    """Who asked something has a minute to answer the challenge; who registered keeps the connection for an hour."""
    wire = await Stream.open(world.edge.sip)
    seat = Seat(wire, world.edge.sip, world.edge.config.edge.realm, "1001", "secret")
    seat.transport, seat.contact = "TCP", f"<sip:1001@{wire.host}:{wire.port};transport=tcp>"
    assert (await seat.send()).status == 401
    assert lifetime(world, wire) == 60
    assert (await seat.register()).status == 200
    await until_async(lambda: lifetime(world, wire) > 3600, 8, "the connection of a registered phone is kept")
    ids = {"From": "<sip:1001@tierline.local>;tag=o", "To": "<sip:tierline.local>", "Call-ID": unique("o")}
    via = f"SIP/2.0/TCP {wire.host}:{wire.port}"
    wire.send(request("OPTIONS", "sip:tierline.local", via, ids), world.edge.sip)
    assert (await wire.final()).status == 200
    assert lifetime(world, wire) > 3600  # what a registered phone asks later does not make it a stranger again
    wire.close()


def lifetime(world: World, wire: Stream) -> int:
    """Seconds that the edge keeps a connection after the last that it heard on it."""
    (found,) = [one for one in world.edge.rpc("core.tcp_list") if (one["src_ip"], one["src_port"]) == (wire.host, wire.port)]
    return int(found["lifetime"])


async def test_thousands_of_silent_connections(world: World) -> None:
    """One address that opens thousands of connections and says nothing stops neither calls nor phones nor the health check."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 1000:
        pytest.skip(f"this machine allows {hard} open files, {MANY + 1000} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (MANY + 1000, hard))
    held: list[socket.socket] = []
    try:
        for _ in range(MANY):
            one = socket.socket()
            held.append(one)
            one.bind((STRANGER, 0))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(world.edge.sip)
            if len(held) % 50 == 0:
                await asyncio.sleep(0.01)
        assert world.edge.get("/healthz") == "ok\n"
        wire = await Stream.open(world.edge.sip)
        ids = {"From": "<sip:1001@tierline.local>;tag=1", "To": "<sip:1001@tierline.local>", "Call-ID": unique("many")}
        via = f"SIP/2.0/TCP {wire.host}:{wire.port}"
        wire.send(request("REGISTER", "sip:tierline.local", via, ids | {"Contact": f"<sip:1001@{wire.host}>"}), world.edge.sip)
        assert (await wire.final()).status == 401
        wire.close()
        world.caller.invite(world.caller.dialog())
        assert (await world.caller.endpoint.final()).status == 200
        used = world.edge.rpc("core.shmmem")
        assert used["used"] < used["total"] // 2, used
        await until_async(lambda: world.edge.metric("core_current_connections") < 100, 30, "all of them were closed", 0.5)
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_web_requests_count_as_a_flood(world: World) -> None:
    """Requests of HTTP over TLS count like those of SIP: beyond the limit of their address they are dropped unanswered."""
    wire = await Stream.open((world.edge.sip[0], world.edge.config.ports.tls), tls=True)
    before = world.edge.metric("refused_total", why="flood")
    limit = world.edge.config.edge.flood_per_2s
    wire.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" * (3 * limit), world.edge.sip)
    reading = asyncio.create_task(wire.reader.read(1 << 24))
    await until_async(lambda: world.edge.metric("refused_total", why="flood") > before, 10, "the flood is noticed")
    reading.cancel()
    wire.close()
