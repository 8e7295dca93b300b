"""A router of the test's own, real gRPC, that keeps what it hears and says what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc as rpc

from ops.inner import UNIX


class FakeRouter(rpc.RoutingServicer):
    """`heard`: frames of the stream now; `streams`: of each stream before and now. `mute`: acknowledge nothing."""

    def __init__(self, port: int = 0, address: str = "") -> None:
        self.port, self.address, self.mute = port, address or f"127.0.0.1:{port}", False
        self.streams: list[list[pb.MediaFrame]] = []
        self._out: asyncio.Queue[pb.ToMedia | None] = asyncio.Queue()
        self._server: grpc.aio.Server | None = None

    @property
    def heard(self) -> list[pb.MediaFrame]:
        """Frames of the newest stream."""
        return self.streams[-1] if self.streams else []

    def kinds(self) -> list[str]:
        """What they are, heartbeats left out."""
        return [str(kind) for frame in self.heard if (kind := frame.WhichOneof("body")) != "heartbeat"]

    async def start(self) -> FakeRouter:
        """Listen."""
        self._server = grpc.aio.server()
        rpc.add_RoutingServicer_to_server(self, self._server)
        if self.address.startswith(UNIX):
            Path(self.address.removeprefix(UNIX)).parent.mkdir(parents=True, exist_ok=True)
        self._server.add_insecure_port(self.address)
        await self._server.start()
        return self

    async def stop(self) -> None:
        """Gone, streams broken off."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def say(self, **frame: Any) -> None:
        """A frame to the node."""
        self._out.put_nowait(pb.ToMedia(frames=[pb.RouterFrame(**frame)]))

    def hang_up(self) -> None:
        """End the stream from our side."""
        self._out.put_nowait(None)

    async def RouteCall(self, request: pb.RouteCallRequest, context: Any) -> pb.RouteCallReply:
        """Not asked by media nodes."""
        raise AssertionError("a media node does not ask this")

    async def Session(self, request_iterator: AsyncIterator[pb.ToRouter], context: Any) -> AsyncIterator[pb.ToMedia]:
        """Welcome, then acks and what the test says."""
        heard: list[pb.MediaFrame] = []
        self.streams.append(heard)
        self._out = asyncio.Queue()
        reader = asyncio.create_task(self._read(request_iterator, heard))
        self._out.put_nowait(pb.ToMedia(frames=[pb.RouterFrame(welcome=pb.Welcome(router="fake", now_ms=0))]))
        try:
            while (message := await self._out.get()) is not None:
                yield message
        finally:
            reader.cancel()

    async def _read(self, requests: AsyncIterator[pb.ToRouter], heard: list[pb.MediaFrame]) -> None:
        async for batch in requests:
            heard.extend(batch.frames)
            if not self.mute:
                self._out.put_nowait(pb.ToMedia(ack=batch.frames[-1].seq))
