"""The stream to a router: one at a time, to any router of the centre, always anew.

Frames go out in company: those that nobody waits for (company.py) are held back for a moment, because a message costs a
hundred times what a frame in it costs.
After every reconnect the node says who it is, repeats what was not acknowledged (debts.py) and asserts all calls that it
holds. While there is no router calls simply wait.

    away --stream--> greeting --Welcome--> up --any end--> away (back-off with jitter, next router)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol, TypeAlias

import grpc
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1.routing_pb2_grpc import RoutingStub

from media.call import events as on
from media.call.frames import Assert, Frame
from media.rpc.company import Company
from media.rpc.debts import Debts
from media.rpc.wire import from_router, to_router
from ops.channel import channel_to
from ops.clock import Clock
from ops.inner import MEDIA, Identity

log = logging.getLogger(__name__)
HEARTBEAT_S = 2.0
PATIENCE_S = 0.1  # so long a frame that nobody waits for is held back for others to go along
SILENCE_MS = 6_000  # a router that acknowledges nothing for so long is not there
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 2.0
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # no back-off shared with the channel before
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.http2.bdp_probe", 0),  # as the router: no pings for the size of windows
    ("grpc.enable_http_proxy", 0),  # http_proxy of the environment is for the world outside
)
Stream: TypeAlias = "grpc.aio.StreamStreamCall[pb.ToRouter, pb.ToMedia]"
BROKEN = (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


@dataclass(frozen=True, slots=True)
class Myself:
    """Who says hello."""

    tenant: str
    node: str
    uri: str
    epoch: int  # start of this process, UTC ms


class Calls(Protocol):
    """What the session needs of the calls (media/call/engine.py)."""

    draining: bool

    def held(self) -> Iterable[Assert]:
        """All calls that a router must know, the longest waiting first."""

    def on_router(self, call: str, event: on.FromRouter) -> None:
        """A frame about a call."""

    def __len__(self) -> int: ...


class Session:
    """`send` from the start on; `run` once, until it is cancelled. `calls` must be set before `run`."""

    calls: Calls

    def __init__(self, routers: Sequence[str], myself: Myself, clock: Clock, identity: Identity | None = None) -> None:
        self._routers, self._myself, self._clock, self._identity = routers, myself, clock, identity
        self._debts = Debts()
        self._company = Company()
        self._pending: list[tuple[int, Frame | pb.MediaFrame]] = []
        self._wake = asyncio.Event()
        self._tick: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._stream: Stream | None = None
        self._seq = 0
        self._ahead_ms = 0
        self._heard_ms = 0
        self._failures = 0
        self._paid = asyncio.Event()
        self._paid.set()
        self.up = False

    # ---- call.ports.Router --------------------------------------------------------------------------------------
    def send(self, frame: Frame) -> None:
        """Send it with the next message; without a router it is owed, or asserted later."""
        order = self._debts.owe(frame)
        self._company.said(frame)
        if len(self._debts):
            self._paid.clear()
        if self._stream is None:
            return
        self._pending.append((order, frame))
        if self._company.may_wait(frame):
            self._soon()
        else:
            self._wake.set()

    def _soon(self) -> None:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(PATIENCE_S, self._wake.set)

    @property
    def owed(self) -> int:
        """Frames whose effect is not known to be stored."""
        return len(self._debts)

    async def paid(self) -> None:
        """Wait until no frame is owed."""
        await self._paid.wait()

    def beat(self) -> None:
        """Say how we are now (also: that we drain)."""
        if self._stream is None:
            return
        if self._clock.mono_ms() - self._heard_ms > SILENCE_MS:
            log.warning("the router is silent")
            self._stream.cancel()
            return
        beat = pb.Heartbeat(draining=self.calls.draining, calls=len(self.calls))
        self._pending.append((0, pb.MediaFrame(heartbeat=beat)))
        self._soon()

    def _beat_on(self) -> None:
        self.beat()
        self._beat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat_on)

    # ---- the life of streams ------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Keep a stream to one router or another."""
        try:
            for router in cycle(self._routers):
                await self._one(router)
                self._failures += 1
                await asyncio.sleep(self._pause())
        finally:
            if self._beat is not None:
                self._beat.cancel()

    def _pause(self) -> float:
        longest: float = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        return longest * random.uniform(0.5, 1.0)

    async def _one(self, router: str) -> None:
        async with channel_to(router, MEDIA, self._identity, OPTIONS) as channel:
            stream = RoutingStub(channel).Session()
            self._begin(stream)
            writer = asyncio.create_task(self._write(stream))
            try:
                async for message in stream:
                    self._got(message)
                log.info("the router ended the stream", extra={"router": router})
            except BROKEN as error:
                self._failed(router, error)
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
            finally:
                self._end()
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError, *BROKEN):
                    await writer

    def _begin(self, stream: Stream) -> None:
        me = self._myself
        hello = pb.Hello(
            tenant=me.tenant, node=me.node, uri=me.uri, epoch=me.epoch, draining=self.calls.draining, calls=len(self.calls)
        )
        self._seq, self._stream, self._heard_ms = 0, stream, self._clock.mono_ms()
        self._pending = [(0, pb.MediaFrame(hello=hello)), *self._debts.restart(self.calls.held(), self._heard_ms)]
        self._wake.set()
        if self._beat is None:
            self._beat_on()

    def _end(self) -> None:
        self._stream, self.up = None, False
        self._pending = []

    def _failed(self, router: str, error: BaseException) -> None:
        told = (
            {"code": error.code().name, "why": error.details()} if isinstance(error, grpc.aio.AioRpcError) else {"why": repr(error)}
        )
        level = logging.WARNING if self.up or self._failures == 0 else logging.DEBUG
        log.log(level, "no stream to the router", extra={"router": router, **told})

    # ---- out ----------------------------------------------------------------------------------------------------
    async def _write(self, stream: Stream) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._tick is not None:
                self._tick.cancel()
                self._tick = None
            if self._pending:
                await stream.write(self._batch())

    def _batch(self) -> pb.ToRouter:
        pending, self._pending = self._pending, []
        return pb.ToRouter(frames=[self._numbered(order, frame) for order, frame in pending])

    def _numbered(self, order: int, frame: Frame | pb.MediaFrame) -> pb.MediaFrame:
        self._seq += 1
        if isinstance(frame, pb.MediaFrame):
            frame.seq = self._seq
            return frame
        self._debts.sent(self._seq, order, frame)
        return to_router(self._seq, frame)

    # ---- in -----------------------------------------------------------------------------------------------------
    def _got(self, message: pb.ToMedia) -> None:
        self._heard_ms = self._clock.mono_ms()
        for frame in message.frames:
            if frame.HasField("welcome"):
                self._welcome(frame.welcome)
            elif (got := from_router(frame, self._ahead_ms, self._debts.frame)) is not None:
                self._company.heard(*got)
                self.calls.on_router(*got)
        self._debts.acked(message.ack, self._heard_ms)
        if not len(self._debts):
            self._paid.set()

    def _welcome(self, welcome: pb.Welcome) -> None:
        self._ahead_ms = welcome.now_ms - self._clock.now_ms()
        self._failures, self.up = 0, True
        log.info("session with a router", extra={"router": welcome.router, "calls": len(self.calls), "ahead_ms": self._ahead_ms})
