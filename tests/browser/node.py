"""A media node of the tests' own: one Session stream to the router, callers without SIP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1.routing_pb2_grpc import RoutingStub

from ops.ids import uuid7
from tests.kit.wait import until_async

HOME = common_pb2.HomeArea(country="CN", province="四川", city="成都", carrier="中国移动")


@dataclass
class Caller:
    """A call that waits for an agent or talks with one."""

    id: str
    number: str
    entered_ms: int
    words: pb.Enqueue
    version: int = 1
    offers: asyncio.Queue[pb.Offer] = field(default_factory=asyncio.Queue)


class Node:
    """Acts as media node m1. `start`, then `call`, `answer`, `hang_up`."""

    def __init__(self, router: str) -> None:
        self.channel = grpc.aio.insecure_channel(router)
        self.out: asyncio.Queue[pb.MediaFrame] = asyncio.Queue()
        self.calls: dict[str, Caller] = {}
        self.welcome = asyncio.Event()
        self.refused: list[pb.Refused] = []
        self._seq = 0
        self._entered = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> Node:
        """Open the stream and be welcome."""
        await self.channel.channel_ready()
        hello = pb.Hello(node="m1", uri="sip:127.0.0.1:5200", epoch=_now())
        self.send(pb.MediaFrame(hello=hello))
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]
        async with asyncio.timeout(10):
            await self.welcome.wait()
        return self

    def send(self, frame: pb.MediaFrame) -> None:
        """Send one frame."""
        self._seq += 1
        frame.seq = self._seq
        self.out.put_nowait(frame)

    async def _frames(self) -> AsyncIterator[pb.ToRouter]:
        while True:
            yield pb.ToRouter(frames=[await self.out.get()])

    async def _listen(self) -> None:
        async for batch in RoutingStub(self.channel).Session(self._frames()):
            for frame in batch.frames:
                if frame.HasField("welcome"):
                    self.welcome.set()
                elif frame.HasField("offer"):
                    self.calls[frame.offer.call].offers.put_nowait(frame.offer)
                elif frame.HasField("refused"):
                    self.refused.append(frame.refused)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(2)
            self.send(pb.MediaFrame(heartbeat=pb.Heartbeat(calls=len(self.calls))))

    def call(self, number: str, queue: str = "bills", menu: tuple[str, ...] = ("bill", "statement")) -> Caller:
        """A caller enters a queue."""
        now = self._entered = max(_now(), self._entered + 1)  # no two in one millisecond: their order would be chance
        profile = pb.CallProfile(
            calling=number, called="95500", trunk="telecom", home=HOME, language="zh", menu_path=menu, arrived_ms=now - 8000
        )
        call = uuid7(now)
        frame = pb.Enqueue(call=call, version=1, queue=queue, priority=-1, entered_ms=now, profile=profile)
        caller = self.calls[call] = Caller(call, number, now, frame)
        self.send(pb.MediaFrame(enqueue=frame))
        return caller

    def wish(self, caller: Caller) -> None:
        """The caller hangs up and is to be called back."""
        caller.version += 1
        caller.words.version = caller.version
        self.send(pb.MediaFrame(callback=pb.Callback(enqueue=caller.words, number=caller.number)))

    async def answer(self, caller: Caller) -> pb.Offer:
        """The seat that is offered answers."""
        async with asyncio.timeout(10):
            offer = await caller.offers.get()
        caller.version += 1
        self.send(pb.MediaFrame(settle=pb.Settle(call=caller.id, version=caller.version, offer=offer.offer, answered_ms=_now())))
        return offer

    def hang_up(self, caller: Caller, side: int = common_pb2.SIDE_CALLER) -> None:
        """The conversation ends."""
        caller.version += 1
        outcome = common_pb2.Outcome(
            result=common_pb2.RESULT_ANSWERED, reason=common_pb2.REASON_HANGUP, side=common_pb2.Side.ValueType(side)
        )
        self.send(pb.MediaFrame(end=pb.End(call=caller.id, version=caller.version, outcome=outcome, ended_ms=_now())))
        self.calls.pop(caller.id, None)

    async def close(self) -> None:
        """Hang up what is left and end the stream."""
        for caller in list(self.calls.values()):
            self.hang_up(caller)
        await until_async(self.out.empty, 5, "the last frames are sent")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channel.close()


def _now() -> int:
    return time.time_ns() // 1_000_000
