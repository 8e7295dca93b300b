"""Routing: what edges and media nodes ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc as rpc

from router import frames
from router.core.commands import RouteAsk
from router.core.errors import RouterError
from router.core.events import Decision
from router.core.home import home_of
from router.core.route import SIP_STATUS, listed_as, refusal
from router.metrics import ROUTED, SESSIONS
from router.rpc import validate
from router.rpc.errors import Context, answer, refuse
from router.rpc.session import Desk, Session


class RoutingService(rpc.RoutingServicer):
    """What edges and media nodes ask. `trunks`: names of the carriers' connections; `numbers`: ours, () for all; `country`: how
    national numbers are read."""

    def __init__(self, desk: Desk, trunks: tuple[str, ...], numbers: tuple[str, ...], country: str) -> None:
        self.desk = desk
        self.trunks, self.numbers, self.country = trunks, numbers, country

    async def RouteCall(self, request: pb.RouteCallRequest, context: Context) -> pb.RouteCallReply:
        """See routing.proto."""
        return await answer(context, self._route(request))

    async def _route(self, r: pb.RouteCallRequest) -> pb.RouteCallReply:
        validate.tenant(r.tenant, self.desk.tenant)
        validate.call_id(r.call)
        validate.name("trunk", r.trunk)
        for field in ("called", "calling", "diversion"):
            validate.number(field, getattr(r, field))
        home = home_of(r.calling, self.country)
        refused = refusal(r.trunk, r.called, self.trunks, self.numbers, self.country)
        keys = listed_as(r.calling, self.country)
        ask = RouteAsk(r.call, r.trunk, r.calling, r.called, r.diversion, home.words(), keys, refused)
        decision = await self.desk.store.route(ask, self.desk.clock.now_ms())
        ROUTED.labels(decision.refused or "media").inc()
        reply = _reply(decision)
        reply.home.CopyFrom(frames.home(home))
        reply.vip = decision.vip
        return reply

    async def Session(  # type: ignore[override]  # the stub only knows generators; grpc.aio takes reader-writers as well
        self, request_iterator: AsyncIterator[pb.ToRouter], context: Context
    ) -> None:
        """See routing.proto and rpc/session.py."""
        SESSIONS.inc()
        try:
            await Session(self.desk).run(context)
        except RouterError as error:
            await refuse(context, error)
        finally:
            SESSIONS.dec()


class ForEdges(RoutingService):
    """Behind the edges' socket."""

    async def Session(  # type: ignore[override]  # as above
        self, request_iterator: AsyncIterator[pb.ToRouter], context: Context
    ) -> None:
        """Nobody becomes a media node here."""
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "this socket is for edges")


class ForMedia(RoutingService):
    """Behind the media nodes' socket."""

    async def RouteCall(self, request: pb.RouteCallRequest, context: Context) -> pb.RouteCallReply:
        """Nobody is an edge here."""
        return await context.abort(grpc.StatusCode.PERMISSION_DENIED, "this socket is for media nodes")


def _reply(decision: Decision) -> pb.RouteCallReply:
    if not decision.refused:
        return pb.RouteCallReply(media=pb.ToNode(node=decision.node, uri=decision.uri))
    status = SIP_STATUS.get(decision.refused, 403)
    return pb.RouteCallReply(refuse=pb.Refuse(sip_status=status, reason=frames.reason_number(decision.refused)))
