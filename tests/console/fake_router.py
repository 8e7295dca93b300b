"""A small Agents server of the tests' own that follows agents.proto, for what the real router cannot be made to do on demand."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import grpc
from tierline.admin.v1 import admin_pb2, admin_pb2_grpc
from tierline.agents.v1 import agents_pb2 as pb
from tierline.agents.v1 import agents_pb2_grpc as rpc
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2

from ops.clock import Clock, SystemClock
from ops.inner import ERROR, UNIX

HOME = common_pb2.HomeArea(country="CN", province="四川", city="成都", carrier="中国移动")


class FakeRouter(rpc.AgentsServicer, admin_pb2_grpc.AdminServicer):
    """Agents and queues in memory. Tests call `rings`, `talks`, `hangs_up`; every change is handed to `changed`."""

    def __init__(self, queues: tuple[str, ...] = ("bills",), clock: Clock | None = None) -> None:
        self.agents: dict[str, pb.AgentView] = {}
        self.queues = {queue: pb.QueueView(queue=queue) for queue in queues}
        self.clock = clock or SystemClock()
        self.boards = 0  # how often the board was asked for
        self.asked: list[str] = []
        self.store_away = False
        self.without_phone: set[str] = set()  # agents
        self.rules = admin_pb2.InForce()  # none yet
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> FakeRouter:
        """Serve at unix:PATH."""
        Path(address.removeprefix(UNIX)).parent.mkdir(parents=True, exist_ok=True)
        self._server = grpc.aio.server()
        rpc.add_AgentsServicer_to_server(self, self._server)
        admin_pb2_grpc.add_AdminServicer_to_server(self, self._server)
        self._server.add_insecure_port(address)
        await self._server.start()
        return self

    async def stop(self) -> None:
        """Vanish."""
        if self._server is not None:
            await self._server.stop(0)

    def put(self, agent: str, state: int, **more: Any) -> pb.AgentView:
        """Set an agent's state."""
        view = self.agents.setdefault(agent, pb.AgentView(agent=agent))
        view.state, view.since_ms, view.version = pb.AgentState.ValueType(state), self.clock.now_ms(), view.version + 1
        view.ClearField("reason")
        view.ClearField("next")
        for name, value in more.items():
            setattr(view, name, value)
        return view

    def rings(self, agent: str, call: str, calling: str, queue: str = "bills") -> pb.AgentView:
        """A call is offered to the agent."""
        now = self.clock.now_ms()
        profile = routing_pb2.CallProfile(
            calling=calling, called="95500", trunk="t", home=HOME, language="zh", menu_path=["main", "bill"], arrived_ms=now - 9000
        )
        view = self.put(agent, pb.AGENT_STATE_OFFERED)
        view.call.CopyFrom(
            pb.CallView(call=call, state="offered", queue=queue, agent=agent, entered_ms=now - 5000, profile=profile)
        )
        return view

    def talks(self, agent: str) -> pb.AgentView:
        """The agent answered."""
        view = self.put(agent, pb.AGENT_STATE_TALKING)
        view.call.state, view.call.answered_ms = "talking", self.clock.now_ms()
        return view

    def hangs_up(self, agent: str, after_call_s: int = 30) -> pb.AgentView:
        """The call is over."""
        view = self.put(agent, pb.AGENT_STATE_AFTER_CALL, after_call_until_ms=self.clock.now_ms() + after_call_s * 1000)
        view.call.state = "ended"
        return view

    async def _known(self, request: Any, context: Any, verb: str) -> pb.AgentView:
        self.asked.append(f"{verb} {request.agent}")
        if self.store_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "store away")
        if request.agent not in self.agents:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown agent {request.agent}")
        view = self.agents[request.agent]
        if view.state == pb.AGENT_STATE_LOGGED_OUT and verb not in ("GetAgent", "Logout"):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"logged_out does not take {verb}")
        return view

    def _wish(self, view: pb.AgentView, wish: str, state: int, **more: Any) -> pb.AgentView:
        if view.state in (pb.AGENT_STATE_OFFERED, pb.AGENT_STATE_TALKING):
            view.next, view.version = wish, view.version + 1
            return view
        view.ClearField("call")
        return self.put(view.agent, state, **more)

    async def Login(self, request: pb.LoginRequest, context: Any) -> pb.AgentView:
        self.asked.append(f"Login {request.agent}")
        if self.store_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "store away")
        view = self.put(request.agent, pb.AGENT_STATE_NOT_READY, seat=request.seat, reason="login")
        del view.skills[:]
        view.skills.extend(request.skills)
        return view

    async def Logout(self, request: pb.AgentRequest, context: Any) -> pb.AgentView:
        return self._wish(await self._known(request, context, "Logout"), "logged_out", pb.AGENT_STATE_LOGGED_OUT)

    async def SetReady(self, request: pb.AgentRequest, context: Any) -> pb.AgentView:
        view = await self._known(request, context, "SetReady")
        if request.agent in self.without_phone:
            text = f"seat {view.seat} has no registered phone"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, text, ((ERROR, "PHONE"),))
        return self._wish(view, "", pb.AGENT_STATE_READY)

    async def SetNotReady(self, request: pb.NotReadyRequest, context: Any) -> pb.AgentView:
        view = await self._known(request, context, "SetNotReady")
        return self._wish(view, f"not_ready:{request.reason}", pb.AGENT_STATE_NOT_READY, reason=request.reason)

    async def EndAfterCall(self, request: pb.AgentRequest, context: Any) -> pb.AgentView:
        view = await self._known(request, context, "EndAfterCall")
        if view.state != pb.AGENT_STATE_AFTER_CALL:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{view.state} does not take EndAfterCall")
        return self._wish(view, "", pb.AGENT_STATE_READY)

    async def GetAgent(self, request: pb.AgentRequest, context: Any) -> pb.AgentView:
        return await self._known(request, context, "GetAgent")

    async def GetBoard(self, request: pb.BoardRequest, context: Any) -> pb.Board:
        self.boards += 1
        if self.store_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "store away")
        agents = [view for name, view in self.agents.items() if not request.agents or name in request.agents]
        return pb.Board(queues=self.queues.values(), agents=agents, now_ms=self.clock.now_ms())

    async def Get(self, request: admin_pb2.GetRequest, context: Any) -> admin_pb2.InForce:
        found = self.rules
        return admin_pb2.InForce(
            version=found.version, sha256=found.sha256, document="" if request.have == found.sha256 else found.document
        )

    async def Apply(self, request: admin_pb2.ApplyRequest, context: Any) -> admin_pb2.InForce:
        if self.store_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "store away")
        if request.version < self.rules.version:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"version {self.rules.version} is in force")
        sha256 = hashlib.sha256(request.document.encode()).hexdigest()
        self.rules = admin_pb2.InForce(version=request.version, sha256=sha256, document=request.document)
        return admin_pb2.InForce(version=request.version, sha256=sha256)
