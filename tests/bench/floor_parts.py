"""Processes of the floor bench that hold nothing but a library: `python -m tests.bench.floor_parts PART PORT`.

server   grpc.aio: RouteCall and Session of the contract, answered at once, nothing done
client   grpc.aio: one Session stream, a message written for each line on standard input, what comes back is dropped
echo     asyncio: each datagram is sent back, in a wake-up of its own
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc as rpc

from ops.lifecycle import tune_gc

CALL = "019a0000-0000-7000-8000-000000000001"
PROFILE = pb.CallProfile(calling="13800000001", called="95588", trunk="carrier-a", language="zh", menu_path=["agent"])


class Nothing(rpc.RoutingServicer):
    """Answers and does nothing."""

    async def RouteCall(self, request: pb.RouteCallRequest, context: Any) -> pb.RouteCallReply:
        """A node."""
        return pb.RouteCallReply(media=pb.ToNode(node="m1", uri="sip:127.0.0.1:5200"))

    async def Session(self, request_iterator: AsyncIterator[pb.ToRouter], context: Any) -> AsyncIterator[pb.ToMedia]:
        """One message back for each."""
        async for message in request_iterator:
            offer = pb.Offer(call=CALL, offer=CALL, agent="a0001", seat="8001", expires_ms=1)
            yield pb.ToMedia(frames=[pb.RouterFrame(offer=offer)], ack=message.frames[-1].seq)


async def server(port: int) -> None:
    """Serve until killed."""
    made = grpc.aio.server()
    rpc.add_RoutingServicer_to_server(Nothing(), made)  # type: ignore[no-untyped-call, unused-ignore]
    made.add_insecure_port(f"127.0.0.1:{port}")
    await made.start()
    print("ready", flush=True)
    await made.wait_for_termination()


async def client(port: int) -> None:
    """A message a line: the frames of a call are one Settle, one End, one Enqueue."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream: Any = rpc.RoutingStub(channel).Session()
        loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes]()
        loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(os.read(sys.stdin.fileno(), 64)))
        reader = asyncio.create_task(_drop(stream))
        print("ready", flush=True)
        while await lines.get():
            await stream.write(pb.ToRouter(frames=_frames()))
        await stream.done_writing()
        await reader


async def _drop(stream: Any) -> None:
    async for _ in stream:
        pass


def _frames() -> list[pb.MediaFrame]:
    settle = pb.Settle(call=CALL, version=2, offer=CALL, answered_ms=1)
    end = pb.End(call=CALL, version=3, ended_ms=1)
    enqueue = pb.Enqueue(call=CALL, version=1, queue="billing", entered_ms=1, profile=PROFILE)
    return [pb.MediaFrame(seq=1, settle=settle), pb.MediaFrame(seq=2, end=end), pb.MediaFrame(seq=3, enqueue=enqueue)]


async def echo(port: int) -> None:
    """Send back what comes."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", port))
        one.setblocking(False)

        def readable() -> None:
            data, source = one.recvfrom(65_535)
            one.sendto(data, source)

        loop.add_reader(one, readable)
        print("ready", flush=True)
        await loop.create_future()


async def _run(part: str, port: int) -> None:
    tune_gc()
    await {"server": server, "client": client, "echo": echo}[part](port)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
