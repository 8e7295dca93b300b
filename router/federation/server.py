"""The federation service: streams of other centres, known by their certificates. What is done with frames is a role's: the national
router places (NationRole), a province answers neighbours (NeighbourRole)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
from tierline.federation.v1 import federation_pb2 as pb
from tierline.federation.v1 import federation_pb2_grpc as rpc

from ops.clock import Clock
from router.federation import frames, gate
from router.federation.clerk import Clerk
from router.federation.national import National, Out
from router.federation.tasks import Tasks
from router.federation.tls import common_name

log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]
TICK_S = 0.1
MOST_UNREAD = 20_000  # frames that wait for a peer to read
MOST_AT_ONCE = 1_000  # frames of neighbours that wait for the store


class Stream:
    """To one centre."""

    def __init__(self, centre: str) -> None:
        self.centre = centre
        self._out: list[pb.ToCentre] = []
        self._wake = asyncio.Event()
        self.over = False

    def send(self, frame: pb.ToCentre) -> None:
        """With what else goes out in this turn of the loop."""
        if len(self._out) >= MOST_UNREAD:  # a peer that does not read must not fill our memory; it joins anew
            self.over = True
        else:
            self._out.append(frame)
        self._wake.set()

    @property
    def unread(self) -> int:
        """Frames that wait for the peer to read."""
        return len(self._out)

    def end(self) -> None:
        """No more; what is there still goes out."""
        self.over = True
        self._wake.set()

    async def write(self, context: Context) -> None:
        """Until it is ended."""
        while not self.over or self._out:
            await self._wake.wait()
            self._wake.clear()
            batch, self._out = self._out, []
            for frame in batch:
                await context.write(frame)


class FederationService(rpc.FederationServicer):
    """`peers`: centres that may come; `ours`: our name."""

    def __init__(self, ours: str, tenant: str, peers: frozenset[str], role: NationRole | NeighbourRole, clock: Clock) -> None:
        self.ours, self.tenant, self.peers = ours, tenant, peers
        self.role: NationRole | NeighbourRole = role
        self.clock = clock
        self.stop = asyncio.Event()
        self.complaints = gate.Complaints()

    async def Join(  # type: ignore[override]  # the stub only knows generators; grpc.aio takes reader-writers as well
        self, request_iterator: AsyncIterator[pb.FromCentre], context: Context
    ) -> None:
        """See federation.proto."""
        name = common_name(context.auth_context())
        first = await context.read()
        await self._check(name, first, context)
        stream = Stream(name)
        stream.send(pb.ToCentre(welcome=pb.Welcome(centre=self.ours, now_ms=self.clock.now_ms())))
        self.role.joined(stream)
        log.info("centre joined", extra={"centre": name})
        reader = asyncio.create_task(self._read(context, stream))
        stop = asyncio.create_task(self.stop.wait())
        stop.add_done_callback(lambda _: stream.end())
        try:
            await stream.write(context)
        finally:
            self.role.left(stream)
            reader.cancel()
            stop.cancel()
            await asyncio.gather(reader, stop, return_exceptions=True)
            log.info("centre left", extra={"centre": name})

    async def _check(self, name: str, first: Any, context: Context) -> None:
        if not name:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no certificate of the centres' authority")
        if name not in self.peers:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{name} is not a centre we know")
        if first is grpc.aio.EOF or first.WhichOneof("body") != "hello":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "hello: must be the first frame")
        if first.hello.centre != name or (first.hello.tenant or "main") != self.tenant:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"the certificate is {name}'s of {self.tenant}")

    async def _read(self, context: Context, stream: Stream) -> None:
        try:
            while (frame := await context.read()) is not grpc.aio.EOF:
                self._take(stream, frame)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError) as error:
            log.info("stream broke", extra={"centre": stream.centre, "why": repr(error)})
        except Exception:  # a defect of ours must not leave a stream that nobody reads
            log.exception("frame failed", extra={"centre": stream.centre})
        finally:
            stream.end()

    def _take(self, stream: Stream, frame: pb.FromCentre) -> None:
        try:
            gate.sense(frame)
            self.role.take(stream, frame)
        except gate.Refused as why:
            self.complaints.tell(stream.centre, frame, why)


class NationRole:
    """Places."""

    def __init__(self, provinces: Mapping[str, str], clock: Clock) -> None:
        self.national = National(provinces)
        self.clock = clock
        self._streams: dict[str, Stream] = {}

    def joined(self, stream: Stream) -> None:
        """A centre has come; an older stream of it is ended."""
        old = self._streams.get(stream.centre)
        self._streams[stream.centre] = stream
        if old is not None:
            old.end()
        self.national.joined(stream.centre)

    def left(self, stream: Stream) -> None:
        """A stream is gone."""
        if self._streams.get(stream.centre) is stream:
            del self._streams[stream.centre]
            self._send(self.national.left(stream.centre, self.clock.now_ms()))

    def take(self, stream: Stream, frame: pb.FromCentre) -> None:
        """A frame."""
        self._send(self.national.take(stream.centre, frame, self.clock.now_ms()))

    async def run(self) -> None:
        """Time goes on, until cancelled."""
        while True:
            if not self.national.idle:
                self._send(self.national.tick(self.clock.now_ms()))
            await asyncio.sleep(TICK_S)

    def _send(self, out: list[Out]) -> None:
        for centre, frame in out:
            stream = self._streams.get(centre)
            if stream is not None:
                stream.send(frame)


class NeighbourRole:
    """Answers Place of neighbours with our own agents, and tells them how busy we are."""

    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk
        self._streams: dict[str, Stream] = {}
        self._tasks = Tasks()

    @property
    def listened(self) -> bool:
        """Whether somebody wants reports."""
        return bool(self._streams)

    def joined(self, stream: Stream) -> None:
        """A centre has come; an older stream of it is ended."""
        old = self._streams.get(stream.centre)
        self._streams[stream.centre] = stream
        if old is not None:
            old.end()

    def left(self, stream: Stream) -> None:
        """A stream is gone."""
        if self._streams.get(stream.centre) is stream:
            del self._streams[stream.centre]

    def report(self, report: pb.Report) -> None:
        """To all who joined."""
        for stream in self._streams.values():
            stream.send(pb.ToCentre(report=report))

    def take(self, stream: Stream, frame: pb.FromCentre) -> None:
        """A frame. Raises gate.Refused when the store is behind: a Place is asked again, and Holding tells the rest."""
        if len(self._tasks) >= MOST_AT_ONCE:
            raise gate.Refused("the store is behind")
        self._tasks.start(self._take(stream, frame))

    async def _take(self, stream: Stream, frame: pb.FromCentre) -> None:
        kind = frame.WhichOneof("body")
        if kind == "place":
            held = await self.clerk.reserve(stream.centre, frame.place)
            if self._streams.get(stream.centre) is not stream:
                await self.clerk.give_back(held)
            stream.send(frames.placed(held, self.clerk.ours.centre, self.clerk.uri(held)))
        elif kind != "report":
            await self.clerk.take(stream.centre, frame)
