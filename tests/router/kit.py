"""A router to talk to, and a media node to talk with."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from tierline.agents.v1 import agents_pb2, agents_pb2_grpc
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc

from ops.centre import Blacklisted, Centre, CentreConfig, Media, NotReadyReason, Ports, Queue, Router, Trunk
from ops.clock import Clock, SystemClock
from ops.config import dump
from ops.ids import uuid7
from ops.inner import CONSOLE, EDGE, MEDIA, UNIX, target
from tests.kit.ports import free_block
from tests.kit.wait import until, until_async

CLOCK = SystemClock()
PROFILE = pb.CallProfile(calling="13812345678", called="12345", trunk="t1", language="zh", menu_path=["root", "sales"])

MEDIA_NODES = Media(nodes=9)
NODES = CentreConfig(Centre("test"), media=MEDIA_NODES).media_uris


def now_ms() -> int:
    return CLOCK.now_ms()


def call_id(clock: Clock = CLOCK) -> str:
    return uuid7(clock.now_ms())


def centre(redis_port: int = 0, path: Path | None = None, routers: int = 1) -> CentreConfig:
    """A centre with two queues: sales with after-call work, tech without."""
    port = free_block(2 * routers)
    return CentreConfig(
        Centre("test", numbers=("12345",)),
        trunk=(Trunk("t1", ("127.0.0.2",)),),
        router=Router(instances=routers, ready_needs_phone=False),
        media=MEDIA_NODES,
        ports=Ports(router=port, router_metrics=port + routers, redis=redis_port or 1),
        queue=(Queue("sales", "sales", after_call_s=1, ring_s=2), Queue("tech", "tech", after_call_s=0, ring_s=20)),
        blacklist=(Blacklisted("13800000001"), Blacklisted("+86137*")),
        not_ready=(NotReadyReason("lunch", "午餐", "lunch"),),
        path=path or Path("centre.toml"),
        state=path.parent if path else Path(tempfile.mkdtemp(prefix="tierline-")),
    )


@contextmanager
def router_process(config: CentreConfig, folder: Path, index: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m router`; it need not answer yet. Ended at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "centre.json"
    path.write_text(dump(config))
    command = [sys.executable, "-m", "router", "--config", str(path), "--index", str(index)]
    with (folder / f"router{index}.log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


def serves(address: str) -> bool:
    """Something speaks gRPC there."""
    where = target(address, MEDIA)
    try:
        _reached(where)  # a channel that was refused tries again a second later
        with grpc.insecure_channel(where) as channel:
            grpc.channel_ready_future(channel).result(timeout=5)
    except (OSError, grpc.FutureTimeoutError):
        return False
    return True


def _reached(where: str) -> None:
    if where.startswith(UNIX):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(where.removeprefix(UNIX))
    else:
        host, _, port = where.rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()


def wait_for_router(address: str) -> None:
    until(lambda: serves(address), 60, f"a router at {address}")


class MediaNode:
    """The router's side of a media node: one stream at a time, what came in, and what is not acknowledged."""

    def __init__(self, name: str = "m1") -> None:
        self.name = name
        self.epoch = now_ms()
        self.seq = self.acked = 0
        self.frames: list[pb.RouterFrame] = []
        self.code: grpc.StatusCode | None = None
        self.detail = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, address: str) -> MediaNode:
        """A new stream with hello; returns when welcomed."""
        self.channel = grpc.aio.insecure_channel(target(address, MEDIA))
        self.stream = routing_pb2_grpc.RoutingStub(self.channel).Session()
        self.seq = self.acked = 0
        self.code = None
        seen = len(self.frames)
        self._tasks.append(asyncio.create_task(self._read(self.stream)))
        await self.send(hello=pb.Hello(node=self.name, uri=NODES.get(self.name, "sip:nobody"), epoch=self.epoch))
        await until_async(lambda: self.code is not None or any(f.HasField("welcome") for f in self.frames[seen:]), 5, "welcome")
        return self

    async def _read(self, stream: grpc.aio.StreamStreamCall[pb.ToRouter, pb.ToMedia]) -> None:
        try:
            while (message := await stream.read()) is not grpc.aio.EOF:
                assert isinstance(message, pb.ToMedia)
                self.frames += message.frames
                self.acked = max(self.acked, message.ack)
        except grpc.aio.AioRpcError as error:
            self.detail = error.details() or ""
        self.code = await stream.code()

    async def close(self) -> None:
        """Drop the stream and the connection."""
        self.stream.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channel.close()

    def frame(self, **body: object) -> pb.MediaFrame:
        """With the next number."""
        self.seq += 1
        return pb.MediaFrame(seq=self.seq, **body)  # type: ignore[arg-type]  # one of the bodies

    async def send(self, **body: object) -> None:
        """One frame in one message."""
        await self.stream.write(pb.ToRouter(frames=[self.frame(**body)]))

    async def say(self, **body: object) -> None:
        """Send, and wait until it is acknowledged."""
        await self.send(**body)
        await self.all_acked()

    async def all_acked(self) -> None:
        await until_async(lambda: self.acked == self.seq, 5, f"ack of {self.seq}, have {self.acked} ({self.code} {self.detail})")

    async def enqueue(self, call: str, queue: str = "sales", version: int = 1, entered: int = 0) -> None:
        await self.say(enqueue=words(call, queue, version, entered))

    async def expect(self, kind: str, call: str, seconds: float = 5) -> pb.RouterFrame:
        """The first frame of that kind for the call, ever."""
        await until_async(lambda: bool(self.got(kind, call)), seconds, f"{kind} for {call}; {self.code} {self.detail}")
        return self.got(kind, call)[0]

    def got(self, kind: str, call: str) -> list[pb.RouterFrame]:
        return [f for f in self.frames if f.WhichOneof("body") == kind and getattr(f, kind).call == call]


def words(call: str, queue: str = "sales", version: int = 1, entered: int = 0) -> pb.Enqueue:
    """An Enqueue."""
    return pb.Enqueue(call=call, version=version, queue=queue, priority=-1, entered_ms=entered or now_ms(), profile=PROFILE)


def settle(offer: pb.Offer, version: int = 2) -> pb.Settle:
    return pb.Settle(call=offer.call, version=version, offer=offer.offer, answered_ms=now_ms())


def end(call: str, version: int = 9) -> pb.End:
    outcome = common_pb2.Outcome(result=common_pb2.RESULT_ANSWERED, reason=common_pb2.REASON_HANGUP, side=common_pb2.SIDE_CALLER)
    return pb.End(call=call, version=version, outcome=outcome, ended_ms=now_ms())


class Console:
    """What a console asks, and what an edge asks."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(target(address, CONSOLE))
        self.edge = grpc.aio.insecure_channel(target(address, EDGE))
        self.agents = agents_pb2_grpc.AgentsStub(self.channel)
        self.routing = routing_pb2_grpc.RoutingStub(self.edge)

    async def ready(self, agent: str, seat: str = "", skill: str = "sales") -> agents_pb2.AgentView:
        skills = [agents_pb2.SkillLevel(skill=skill, level=1)]
        await self.agents.Login(agents_pb2.LoginRequest(agent=agent, seat=seat or f"8{agent}", skills=skills))
        return await self.agents.SetReady(agents_pb2.AgentRequest(agent=agent))

    async def see(self, agent: str) -> agents_pb2.AgentView:
        return await self.agents.GetAgent(agents_pb2.AgentRequest(agent=agent))

    async def close(self) -> None:
        await self.channel.close()
        await self.edge.close()
