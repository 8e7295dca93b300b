"""The load of the router bench, in a process of its own: one media node's stream that runs whole cycles at a given rate.

A cycle: Enqueue -> Offer -> Settle(answered) and End. Ends when all are acknowledged; prints one JSON line before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

import grpc
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc

from ops.ids import uuid7

TICK_S = 0.005
IN_FLIGHT = 90  # fewer than agents, so that each call is matched at once
PROFILE = pb.CallProfile(calling="13812345678", called="12345", trunk="t1", language="zh", menu_path=["root", "agent"])
OUTCOME = common_pb2.Outcome(result=common_pb2.RESULT_ANSWERED, reason=common_pb2.REASON_HANGUP, side=common_pb2.SIDE_CALLER)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Load:
    """Frames out in one message a tick; offers in start the second half of a cycle."""

    def __init__(self, stream: grpc.aio.StreamStreamCall[pb.ToRouter, pb.ToMedia]) -> None:
        self.stream = stream
        self.seq = self.acked = 0
        self.out: list[pb.MediaFrame] = []
        self.begun = self.ended = 0
        self.refused = 0
        self.asked: dict[str, float] = {}
        self.waits_ms: list[float] = []  # Enqueue handed to the stream -> Offer read

    def add(self, **body: object) -> None:
        self.seq += 1
        self.out.append(pb.MediaFrame(seq=self.seq, **body))  # type: ignore[arg-type]  # one of the bodies

    def enqueue(self, queue: str) -> None:
        now = now_ms()
        call = uuid7(now)
        self.asked[call] = time.monotonic()
        words = pb.Enqueue(call=call, version=1, queue=queue, priority=-1, entered_ms=now, profile=PROFILE)
        self.add(enqueue=words)

    def answer(self, offer: pb.Offer) -> None:
        now = now_ms()
        self.waits_ms.append((time.monotonic() - self.asked.pop(offer.call)) * 1000)
        self.add(settle=pb.Settle(call=offer.call, version=2, offer=offer.offer, answered_ms=now))
        self.add(end=pb.End(call=offer.call, version=3, outcome=OUTCOME, ended_ms=now))
        self.ended += 1

    async def read(self) -> None:
        while (message := await self.stream.read()) is not grpc.aio.EOF:
            assert isinstance(message, pb.ToMedia)
            self.acked = max(self.acked, message.ack)
            for frame in message.frames:
                kind = frame.WhichOneof("body")
                if kind == "offer":
                    self.answer(frame.offer)
                elif kind == "refused":
                    self.refused += 1

    async def flush(self) -> None:
        if self.out:
            batch, self.out = self.out, []
            await self.stream.write(pb.ToRouter(frames=batch))

    async def settle(self) -> None:
        """All that was sent is acknowledged."""
        while self.out or self.acked < self.seq:
            await self.flush()
            await asyncio.sleep(TICK_S)

    async def run(self, rate: int, seconds: float) -> float:
        """Cycles at `rate` for so long; the seconds it took."""
        start = time.monotonic()
        beat = start
        while (now := time.monotonic()) < start + seconds:
            due = int((now - start) * rate) - self.begun
            for _ in range(min(due, IN_FLIGHT - (self.begun - self.ended))):
                self.enqueue("bench")
                self.begun += 1
            if now > beat + 2:
                beat = now
                self.add(heartbeat=pb.Heartbeat(calls=1))
            await self.flush()
            await asyncio.sleep(TICK_S)
        while self.ended < self.begun:
            await self.flush()
            await asyncio.sleep(TICK_S)
        await self.settle()
        return time.monotonic() - start


async def asked_word() -> str:
    """The bench's next word; the stream goes on meanwhile."""
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


async def window(load: Load, rate: int, seconds: float) -> dict[str, float]:
    """One measurement."""
    load.begun = load.ended = 0
    load.waits_ms.clear()
    took = await load.run(rate, seconds)
    waits = sorted(load.waits_ms)
    p50, p99 = (round(waits[int(len(waits) * share)], 1) for share in (0.5, 0.99))
    return {"cycles": load.ended, "seconds": took, "refused": load.refused, "p50_ms": p50, "p99_ms": p99}


async def beat(load: Load) -> None:
    """Between windows the node must not fall silent."""
    while True:
        load.add(heartbeat=pb.Heartbeat(calls=1))
        await load.flush()
        await asyncio.sleep(2)


async def main(address: str, rate: int, seconds: float, parked: int) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        load = Load(routing_pb2_grpc.RoutingStub(channel).Session())
        load.add(hello=pb.Hello(node="m1", uri="sip:127.0.0.1:5200", epoch=now_ms()))
        reader = asyncio.create_task(load.read())
        for _ in range(parked):
            load.enqueue("parked")
        await load.settle()
        await load.run(rate, 1.0)  # warm
        print(json.dumps({"ready": True}), flush=True)
        beats = asyncio.create_task(beat(load))
        while await asked_word() == "window":
            beats.cancel()
            print(json.dumps(await window(load, rate, seconds)), flush=True)
            beats = asyncio.create_task(beat(load))
        beats.cancel()
        await load.stream.done_writing()
        reader.cancel()


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("address")
    words.add_argument("--rate", type=int, required=True)
    words.add_argument("--seconds", type=float, required=True)
    words.add_argument("--parked", type=int, required=True)
    asked = words.parse_args()
    asyncio.run(main(asked.address, asked.rate, asked.seconds, asked.parked))
