"""A routing service that answers, refuses, is slow or hangs, as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2, routing_pb2_grpc

from ops.inner import UNIX

Decide = Callable[[routing_pb2.RouteCallRequest], Awaitable[routing_pb2.RouteCallReply]]


def to_node(node: str, uri: str) -> routing_pb2.RouteCallReply:
    """The answer: to this media node."""
    home = common_pb2.HomeArea(country="CN", province="广东", city="深圳", carrier="移动")
    return routing_pb2.RouteCallReply(media=routing_pb2.ToNode(node=node, uri=uri), home=home)


def refusal(status: int, reason: int = common_pb2.REASON_BLACKLISTED) -> routing_pb2.RouteCallReply:
    """The answer: refuse."""
    return routing_pb2.RouteCallReply(refuse=routing_pb2.Refuse(sip_status=status, reason=reason))  # type: ignore[arg-type]


class FakeRouter(routing_pb2_grpc.RoutingServicer):
    """One server. `answer` is what it says; `delay` seconds before (None: never)."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._server: grpc.aio.Server | None = None
        self.forget()

    def forget(self) -> None:
        """As new: nothing was asked, every answer is empty and comes at once."""
        self.answer = routing_pb2.RouteCallReply()
        self.delay: float | None = 0.0
        self.error: grpc.StatusCode | None = None
        self.asked: list[routing_pb2.RouteCallRequest] = []

    async def start(self) -> FakeRouter:
        """Listen."""
        self._server = grpc.aio.server()
        routing_pb2_grpc.add_RoutingServicer_to_server(self, self._server)
        if self.address.startswith(UNIX):
            Path(self.address.removeprefix(UNIX)).parent.mkdir(parents=True, exist_ok=True)
        self._server.add_insecure_port(self.address)
        await self._server.start()
        return self

    async def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def RouteCall(self, request: routing_pb2.RouteCallRequest, context: Any) -> routing_pb2.RouteCallReply:
        self.asked.append(request)
        await asyncio.sleep(3600 if self.delay is None else self.delay)
        if self.error is not None:
            await context.abort(self.error, "as told")
        return self.answer

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[routing_pb2.ToMedia]:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no media here")
        yield routing_pb2.ToMedia()
