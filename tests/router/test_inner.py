"""Each role may ask a router what it needs, and nothing else: by its socket on one machine, by its certificate between machines."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from tierline.admin.v1 import admin_pb2, admin_pb2_grpc
from tierline.agents.v1 import agents_pb2, agents_pb2_grpc
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc

from ops import certificates, inner
from ops.channel import channel_to
from ops.clock import SystemClock
from ops.inner import CONSOLE, EDGE, MEDIA, ROLES, ROUTER
from router import app
from router.rpc.listen import role_for
from router.rules import times_of
from router.store.memory import MemoryStore
from sip.kemi.routers import PATH, Routers, now_ms
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.router.kit import NODES, call_id, centre

DENIED, AWAY = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE
SERVED = {  # what is not refused for the role: the answer itself is the business of other tests
    EDGE: {"route"},
    MEDIA: {"session"},
    CONSOLE: {"agents", "admin"},
}
VERBS = ("route", "session", "agents", "admin")


async def start(**changes: Any) -> app.Router:
    """A router in this process where its configuration says."""
    config = replace(centre(), **changes)
    return await app.start(config, MemoryStore("main", "r1", times_of(config)), SystemClock(), "r1", app.places(config, 0))


@pytest.fixture
async def on_one_machine() -> AsyncIterator[app.Router]:
    router = await start()
    yield router
    await router.close()


@pytest.fixture
async def between_machines(tmp_path: Path) -> AsyncIterator[app.Router]:
    """As for a router on another machine: TLS; the address is that of this one, so that the test needs no network."""
    for role in (*ROLES, ROUTER):
        certificates.issue(tmp_path, role, inner.certificate_name(role))
    config = centre()
    store = MemoryStore("main", "r1", times_of(config))
    place = app.Place(f"127.0.0.1:{free_port()}", identity=inner.identity(tmp_path, ROUTER))
    router = await app.start(config, store, SystemClock(), "r1", [place])
    yield router
    await router.close()


async def status(work: Awaitable[Any]) -> grpc.StatusCode:
    """What becomes of a call."""
    try:
        await work
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def welcome(channel: grpc.aio.Channel) -> None:
    """A session as media node m1."""
    stream = routing_pb2_grpc.RoutingStub(channel).Session()
    hello = pb.Hello(node="m1", uri=NODES["m1"], epoch=SystemClock().now_ms())
    with contextlib.suppress(asyncio.InvalidStateError):  # it has ended: read() tells how
        await stream.write(pb.ToRouter(frames=[pb.MediaFrame(seq=1, hello=hello)]))
    await stream.read()
    stream.cancel()


def asked(channel: grpc.aio.Channel) -> dict[str, Awaitable[Any]]:
    """Each thing that a router can be asked."""
    route = pb.RouteCallRequest(call=call_id(), edge="e", trunk="t1", called="999", calling="13812345678")
    return {
        "route": routing_pb2_grpc.RoutingStub(channel).RouteCall(route, timeout=5),
        "session": welcome(channel),
        "agents": agents_pb2_grpc.AgentsStub(channel).GetBoard(agents_pb2.BoardRequest(), timeout=5),
        "admin": admin_pb2_grpc.AdminStub(channel).Get(admin_pb2.GetRequest(), timeout=5),
    }


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_s_socket_serves_that_role_alone(on_one_machine: app.Router, role: str) -> None:
    """Behind the socket of a role its own calls are answered; those of the other roles are refused or unknown there."""
    async with channel_to(on_one_machine.config.routers[0], role, None, ()) as channel:
        for verb, work in asked(channel).items():
            code = await status(work)
            if verb in SERVED[role]:
                assert code is grpc.StatusCode.OK, verb
            else:
                assert code in (DENIED, grpc.StatusCode.UNIMPLEMENTED), verb


async def test_sockets_are_for_owner_and_group(on_one_machine: app.Router) -> None:
    """Nobody else may open one, and the folder of each role can be given to the group of its two services."""
    for role in ROLES:
        path = Path(inner.target(on_one_machine.config.routers[0], role).removeprefix(inner.UNIX))
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_second_router_does_not_take_the_socket_of_a_living_one(on_one_machine: app.Router) -> None:
    """The same instance started twice: the second says so and ends, and the first goes on serving."""
    with pytest.raises(OSError, match="another router serves"):
        await start(state=on_one_machine.config.state)
    async with channel_to(on_one_machine.config.routers[0], CONSOLE, None, ()) as channel:
        assert await status(asked(channel)["agents"]) is grpc.StatusCode.OK


@pytest.mark.parametrize("role", ROLES)
async def test_between_machines_a_certificate_is_for_its_role(between_machines: app.Router, tmp_path: Path, role: str) -> None:
    """With the certificate of a role its own calls are answered, all others are refused with the name that is needed."""
    async with channel_to(f"127.0.0.1:{between_machines.port}", role, inner.identity(tmp_path, role), ()) as channel:
        for verb, work in asked(channel).items():
            assert await status(work) is (grpc.StatusCode.OK if verb in SERVED[role] else DENIED), verb


async def test_between_machines_nobody_comes_in_without_a_certificate_of_the_centre(
    between_machines: app.Router, tmp_path: Path
) -> None:
    """No TLS, TLS without a certificate, one of another authority under the right name: no connection. A certificate of the
    authority for a centre, or for no known role: refused."""
    where = f"127.0.0.1:{between_machines.port}"
    certificates.issue(tmp_path / "other", MEDIA, inner.certificate_name(MEDIA))
    stranger = replace(inner.identity(tmp_path / "other", MEDIA), authority=tmp_path / "authority.pem")
    certificates.issue(tmp_path, "hubei")
    name = (("grpc.ssl_target_name_override", inner.certificate_name(ROUTER)),)
    trust = grpc.ssl_channel_credentials((tmp_path / "authority.pem").read_bytes())
    for channel, code in (
        (grpc.aio.insecure_channel(where), AWAY),
        (grpc.aio.secure_channel(where, trust, options=name), AWAY),
        (channel_to(where, MEDIA, stranger, ()), AWAY),
        (channel_to(where, MEDIA, inner.identity(tmp_path, "hubei"), ()), DENIED),
        (channel_to(where, MEDIA, inner.identity(tmp_path, ROUTER), ()), DENIED),
    ):
        async with channel:
            assert {await status(work) for work in asked(channel).values()} == {code}


@pytest.mark.parametrize("tls", [False, True])
async def test_the_edge_s_own_client_asks_both_ways(
    on_one_machine: app.Router, between_machines: app.Router, tmp_path: Path, tls: bool
) -> None:
    """The HTTP/2 client inside Kamailio gets its answer over a Unix socket and over mutual TLS."""

    class Host:
        def warn(self, text: str) -> None:
            raise AssertionError(text)

        def connected(self, address: str, up: bool) -> None:
            there.append(up)

    there: list[bool] = []
    answers: list[bytes | None] = []
    address = f"127.0.0.1:{between_machines.port}" if tls else inner.target(on_one_machine.config.routers[0], EDGE)
    routers = Routers((address,), Host(), inner.identity(tmp_path, EDGE).client() if tls else None)
    routers.connect()
    await until_async(lambda: there == [True], 5, "the client is connected")
    question = pb.RouteCallRequest(call=call_id(), edge="e", trunk="t1", called="999", calling="13812345678")
    routers.ask(question.SerializeToString(), now_ms() + 3000, lambda reply, why: answers.append(reply))
    await until_async(lambda: bool(answers), 5, "the router has answered")
    assert answers[0] is not None and pb.RouteCallReply.FromString(answers[0]).refuse.sip_status == 404


def test_every_method_of_the_contract_has_a_role() -> None:
    """A method that is added to a service is for nobody until it is given to a role."""
    modules = (routing_pb2_grpc, agents_pb2_grpc, admin_pb2_grpc)
    for module, descriptor in zip(modules, (pb, agents_pb2, admin_pb2), strict=True):
        assert module is not None
        for name, service in descriptor.DESCRIPTOR.services_by_name.items():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                assert role_for(path) in ROLES, (name, path)
    assert role_for("/tierline.federation.v1.Federation/Join") == role_for("/x") == role_for(PATH + "x") == ""
