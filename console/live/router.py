"""The console's way to the routers: services Agents and Admin over gRPC, with failover. Only here gRPC codes become exceptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import grpc
from tierline.admin.v1 import admin_pb2
from tierline.admin.v1.admin_pb2_grpc import AdminStub
from tierline.agents.v1 import agents_pb2 as pb
from tierline.agents.v1.agents_pb2_grpc import AgentsStub

from console.metrics import Metrics
from ops.channel import channel_to
from ops.inner import CONSOLE, ERROR, Identity

T = TypeVar("T")
DEADLINE_S = 1.5
APPLY_S = 10.0  # some 10,000 agents take a second
_TRY_NEXT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_OPTIONS = [
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.enable_http_proxy", 0),  # http_proxy of the environment is for the world outside
]


class RouterAway(ConnectionError):
    """No router answers, or its store is away."""


class Refused(ValueError):
    """The agent's state does not allow the verb; the text is the router's."""

    code = "state"  # for programs


class NoPhone(Refused):
    """The phone of the agent's seat is not registered."""

    code = "no_phone"


class UnknownAgent(LookupError):
    """The router does not know the agent: not logged in since it started."""


class RouterFault(RuntimeError):
    """The router answered with an error that is a defect."""


class Stub:
    """Both services of one router."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.agents, self.admin = AgentsStub(channel), AdminStub(channel)


class Routers:
    """Agents and Admin. Starts with the router that answered last; verbs may be repeated, so the next one may be asked."""

    def __init__(self, routers: Iterable[str], tenant: str, metrics: Metrics, identity: Identity | None = None) -> None:
        self.tenant, self.metrics = tenant, metrics
        self._channels = [channel_to(router, CONSOLE, identity, _OPTIONS) for router in routers]
        self._stubs = [Stub(channel) for channel in self._channels]
        self._current = 0
        self.up = True  # as the last call found it

    async def _call(self, verb: Callable[[Any], Callable[..., Awaitable[T]]], request: Any, deadline_s: float = DEADLINE_S) -> T:
        why = "no router is configured"
        for _ in self._stubs:
            try:
                reply = await verb(self._stubs[self._current])(request, timeout=deadline_s)
                self._told(True)
                return reply
            except grpc.aio.AioRpcError as error:
                if error.code() not in _TRY_NEXT:
                    self._told(True)
                    raise _named(error) from error
                why = f"{error.code().name}: {error.details()}"
                self._current = (self._current + 1) % len(self._stubs)
        self._told(False)
        raise RouterAway(why)

    def _told(self, up: bool) -> None:
        self.up = up
        self.metrics.router_up.set(up)

    async def login(self, agent: str, seat: str, skills: dict[str, int]) -> pb.AgentView:
        """Start work at a seat. Repeats are harmless."""
        levels = [pb.SkillLevel(skill=skill, level=level) for skill, level in skills.items()]
        request = pb.LoginRequest(tenant=self.tenant, agent=agent, seat=seat, skills=levels)
        return await self._call(lambda s: s.agents.Login, request)

    async def logout(self, agent: str) -> pb.AgentView:
        """Stop work; during a call after it."""
        return await self._call(lambda s: s.agents.Logout, self._agent(agent))

    async def ready(self, agent: str) -> pb.AgentView:
        """Take calls."""
        return await self._call(lambda s: s.agents.SetReady, self._agent(agent))

    async def not_ready(self, agent: str, reason: str) -> pb.AgentView:
        """Take no calls, for a reason."""
        return await self._call(lambda s: s.agents.SetNotReady, pb.NotReadyRequest(tenant=self.tenant, agent=agent, reason=reason))

    async def end_after_call(self, agent: str) -> pb.AgentView:
        """After-call work is done."""
        return await self._call(lambda s: s.agents.EndAfterCall, self._agent(agent))

    async def agent(self, agent: str) -> pb.AgentView:
        """The agent as it is. Raises UnknownAgent."""
        return await self._call(lambda s: s.agents.GetAgent, self._agent(agent))

    async def board(self, agents: Iterable[str] = ()) -> pb.Board:
        """All queues, and these agents (none named: all)."""
        return await self._call(lambda s: s.agents.GetBoard, pb.BoardRequest(tenant=self.tenant, agents=list(agents)))

    async def rules(self, have: str) -> admin_pb2.InForce:
        """The version of the rules in force, with its document unless its sha256 is `have`."""
        return await self._call(lambda s: s.admin.Get, admin_pb2.GetRequest(tenant=self.tenant, have=have))

    async def apply(self, version: int, document: str) -> admin_pb2.InForce:
        """Bring a version into force. Raises Refused when a newer one is."""
        request = admin_pb2.ApplyRequest(tenant=self.tenant, version=version, document=document)
        return await self._call(lambda s: s.admin.Apply, request, APPLY_S)

    def _agent(self, agent: str) -> pb.AgentRequest:
        return pb.AgentRequest(tenant=self.tenant, agent=agent)

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()


def _named(error: grpc.aio.AioRpcError) -> Exception:
    text = error.details() or ""
    if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
        told = dict(error.trailing_metadata() or ()).get(ERROR)
        return NoPhone(text) if told == "PHONE" else Refused(text)
    if error.code() == grpc.StatusCode.NOT_FOUND:
        return UnknownAgent(text)
    return RouterFault(f"{error.code().name}: {text}")
