"""Agents: what the console asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tierline.agents.v1 import agents_pb2 as pb
from tierline.agents.v1 import agents_pb2_grpc as rpc

from router import frames
from router.core.agent import AgentState
from router.core.errors import BadInput, NoPhone
from router.core.events import AgentSeen, Effect
from router.core.match import CONSOLE_REASONS
from router.keeper import Keeper
from router.rpc import validate
from router.rpc.errors import Context, answer
from router.rpc.session import Desk

NEEDS_PHONE = (AgentState.NOT_READY, AgentState.AFTER_CALL)  # before it may get ready
Verb = Callable[[str, int], Awaitable[list[Effect]]]


class AgentsService(rpc.AgentsServicer):
    """`keeper` knows the reasons for being not ready that the rules have; none: any is taken."""

    def __init__(self, desk: Desk, keeper: Keeper) -> None:
        self.desk = desk
        self.keeper = keeper

    async def _do(self, tenant: str, agent: str, verb: Verb) -> pb.AgentView:
        validate.tenant(tenant, self.desk.tenant)
        validate.name("agent", agent)
        effects = await verb(agent, self.desk.clock.now_ms())
        self.desk.post.send(effects)
        return frames.agent_view(next(e for e in effects if isinstance(e, AgentSeen)))

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.AgentView:
        """See agents.proto."""

        def verb(agent: str, now: int) -> Awaitable[list[Effect]]:
            seat = validate.name("seat", request.seat)
            return self.desk.store.login(agent, seat, validate.skills(request.skills), now)

        return await answer(context, self._do(request.tenant, request.agent, verb))

    async def Logout(self, request: pb.AgentRequest, context: Context) -> pb.AgentView:
        """See agents.proto."""
        return await answer(context, self._do(request.tenant, request.agent, self.desk.store.logout))

    async def SetReady(self, request: pb.AgentRequest, context: Context) -> pb.AgentView:
        """See agents.proto."""
        return await answer(context, self._do(request.tenant, request.agent, self._ready))

    async def _ready(self, agent: str, now: int) -> list[Effect]:
        """Only with a phone. An agent in a call has one."""
        missing, store = self.desk.missing, self.desk.store
        if missing is not None:
            seen = next(e for e in await store.agent(agent, now) if isinstance(e, AgentSeen))
            if seen.state in NEEDS_PHONE and await missing(seen.seat, now):
                raise NoPhone(seen.seat)
        return await store.ready(agent, now)

    async def SetNotReady(self, request: pb.NotReadyRequest, context: Context) -> pb.AgentView:
        """See agents.proto."""

        def verb(agent: str, now: int) -> Awaitable[list[Effect]]:
            if request.reason:
                validate.name("reason", request.reason)
            reasons = self.keeper.reasons
            if request.reason and reasons and request.reason not in (*reasons, *CONSOLE_REASONS):
                raise BadInput("reason", f"want one of {', '.join(reasons)}")
            return self.desk.store.not_ready(agent, request.reason, now)

        return await answer(context, self._do(request.tenant, request.agent, verb))

    async def EndAfterCall(self, request: pb.AgentRequest, context: Context) -> pb.AgentView:
        """See agents.proto."""
        return await answer(context, self._do(request.tenant, request.agent, self.desk.store.end_after_call))

    async def GetAgent(self, request: pb.AgentRequest, context: Context) -> pb.AgentView:
        """See agents.proto."""
        return await answer(context, self._do(request.tenant, request.agent, self.desk.store.agent))

    async def GetBoard(self, request: pb.BoardRequest, context: Context) -> pb.Board:
        """See agents.proto."""
        return await answer(context, self._board(request))

    async def _board(self, request: pb.BoardRequest) -> pb.Board:
        validate.tenant(request.tenant, self.desk.tenant)
        store = self.desk.store
        queues, agents = await asyncio.gather(store.queues(), store.agents(tuple(request.agents)))
        wanted = set(request.queues)
        return pb.Board(
            queues=(
                pb.QueueView(
                    queue=q.queue,
                    waiting=q.waiting,
                    oldest_entered_ms=q.oldest_entered_ms,
                    ready=q.ready,
                    talking=q.talking,
                    callbacks=q.callbacks,
                    resting=q.resting,
                )
                for q in queues
                if not wanted or q.queue in wanted
            ),
            agents=map(frames.agent_view, agents),
            now_ms=self.desk.clock.now_ms(),
        )
