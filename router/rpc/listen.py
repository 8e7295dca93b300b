"""Where a router listens, and which role may ask what there."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from tierline.admin.v1 import admin_pb2_grpc
from tierline.agents.v1 import agents_pb2_grpc
from tierline.routing.v1 import routing_pb2_grpc

from ops import inner
from ops.inner import CONSOLE, EDGE, MEDIA
from router.keeper import Keeper
from router.rpc.admin import AdminService
from router.rpc.agents import AgentsService
from router.rpc.routing import ForEdges, ForMedia, RoutingService
from router.rpc.session import Desk

ANY = ""  # all roles at one address: behind TLS, and in tests
SOCKET_MODE = 0o660  # the owner and the group of the folder: the router's and the role's
# A vanished peer must not keep a session for long: HTTP/2 pings on idle streams.
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 3000),
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.bdp_probe", 0),  # pings to size windows that our small messages never fill: a wake-up on each side
)
ROUTE, SESSION = "/tierline.routing.v1.Routing/RouteCall", "/tierline.routing.v1.Routing/Session"
_FOR_CONSOLE = ("/tierline.agents.v1.Agents/", "/tierline.admin.v1.Admin/")
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def role_for(method: str) -> str:
    """The one role that may call a method; "" for a method that nobody may."""
    if method.startswith(_FOR_CONSOLE):
        return CONSOLE
    return {ROUTE: EDGE, SESSION: MEDIA}.get(method, "")


def serve(server: grpc.aio.Server, role: str, desk: Desk, keeper: Keeper) -> None:
    """Register what the role may ask."""
    config = keeper.config
    asked = desk, tuple(trunk.name for trunk in config.trunk), config.centre.numbers, config.centre.country
    routing = {EDGE: ForEdges, MEDIA: ForMedia, ANY: RoutingService}
    if role in routing:
        routing_pb2_grpc.add_RoutingServicer_to_server(routing[role](*asked), server)
    if role in (CONSOLE, ANY):
        agents_pb2_grpc.add_AgentsServicer_to_server(AgentsService(desk, keeper), server)
        admin_pb2_grpc.add_AdminServicer_to_server(AdminService(desk, keeper), server)


def listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
    """Bind host:port or unix:PATH; the port. Raises OSError."""
    path = Path(address.removeprefix(inner.UNIX)) if address.startswith(inner.UNIX) else None
    if path is not None:
        _vacant(path)
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
    if path is not None:
        path.chmod(SOCKET_MODE)
    return port


def _vacant(path: Path) -> None:
    """gRPC replaces a socket that is there, also that of another router which still serves."""
    if len(os.fsencode(path)) > inner.LONGEST:
        raise OSError(f"{path} is longer than the {inner.LONGEST} bytes of a socket's path: use a state folder with a shorter path")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise FileExistsError(f"another router serves {path}")


def credentials(identity: inner.Identity) -> grpc.ServerCredentials:
    """Only who has a certificate of the centre's authority may connect. Raises OSError."""
    pair = identity.private_key.read_bytes(), identity.certificate.read_bytes()
    return grpc.ssl_server_credentials([pair], identity.authority.read_bytes(), require_client_auth=True)


def names(auth: Mapping[str, Iterable[bytes]]) -> set[str]:
    """All names in the certificate that the other side showed."""
    return {name.decode("utf-8", "replace") for name in auth.get("x509_subject_alternative_name") or ()}


class Gate(grpc.aio.ServerInterceptor):
    """For an address at which several roles ask: a method is for whoever has the role's certificate."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler, behind the check."""
        handler = await continuation(handler_call_details)
        role = role_for(str(handler_call_details.method))
        if handler is None:
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                _checked(handler.unary_unary, role), handler.request_deserializer, handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            _checked(handler.stream_stream, role), handler.request_deserializer, handler.response_serializer
        )


def _checked(method: Any, role: str) -> Any:
    wanted = inner.certificate_name(role)

    async def check(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if not role or wanted not in names(context.auth_context()):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"a certificate of {wanted} is needed")
        return await method(request, context)

    return check
