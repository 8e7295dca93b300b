"""Drives rtpengine, Redis, the gRPC server and the echo of the floor bench: `python -m tests.bench.floor_load SPEC`.

A call here is what a call of the product asks of them, in the same order and over about the same time. What this process itself
takes is not in the sum: it uses our own clients for rtpengine and the edge's for gRPC.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError
from tierline.routing.v1 import routing_pb2 as pb

from media.rtp import sdp
from media.rtp.api import RtpError
from media.rtp.client import RtpEngine
from media.rtp.hold import connect
from media.ua.api import Leg
from ops.audio import RATE, au_bytes
from ops.clock import SystemClock
from ops.config import load
from ops.ids import CallId, LegId, uuid7
from tests.bench.floor_ask import Unary
from tests.kit.rtp_phone import voice

DATAGRAMS = 15  # that wake a media node for one call: 7 of SIP, 8 of rtpengine
BYTES = 600
FUNCTIONS = 4
TALK_S = 1.7
FACT = (
    '{"id":"01a2013f-06ae-7fa9-bac4-58c801d1e092:r:1795317237427:1","at_ms":1795317237427,"tenant":"centre","body":{"queue":"q"}}'
)
# As many commands of each kind as the product's functions carry out in a call, in as many calls.
LIBRARY = """#!lua name=floor
local function step(keys, args)
  for _ = 1, 3 do redis.call('HMGET', keys[1], 'a', 'b', 'c', 'd') end
  for _ = 1, 2 do redis.call('HSET', keys[1], 'a', args[1], 'b', args[2], 'c', args[1]) end
  redis.call('ZADD', keys[2], args[3], args[1])
  redis.call('ZRANGE', keys[2], 0, 0)
  redis.call('ZREM', keys[2], args[1])
  redis.call('XADD', keys[3], '*', 'f', args[2])
  redis.call('XADD', keys[3], '*', 'f', args[2])
  return redis.call('HGET', keys[1], 'a')
end
redis.register_function('step', step)
"""


class Floor:
    """What one call asks."""

    def __init__(self, spec: dict[str, Any], audio: RtpEngine, ask: Unary) -> None:
        self._spec, self._audio, self._ask = spec, audio, ask
        self._router, self._media, self._edge = (_redis(spec["redis"]) for _ in range(3))
        self._prompt = Path(spec["folder"]) / "prompt.au"
        self._echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.failed = 0

    async def prepare(self) -> None:
        """Prompt, function, socket."""
        self._prompt.write_bytes(au_bytes(voice(4, 2.0)[: 2 * RATE]))
        await self._router.function_load(LIBRARY, replace=True)
        self._echo.setblocking(False)
        self._echo.connect(("127.0.0.1", self._spec["echo"]))
        asyncio.get_running_loop().add_reader(self._echo, self._echoed)

    def _echoed(self) -> None:
        self._echo.recv(65_535)

    async def call(self) -> None:
        """Everything, four things at a time."""
        call = uuid7(SystemClock().now_ms())
        try:
            await asyncio.gather(self._rtp(call), self._redis(call), self._datagrams(), self._ask.ask(_question(call)))
        except (RtpError, RedisError, OSError) as error:
            self.failed += 1
            print(f"{type(error).__name__}: {error}", file=sys.stderr)

    async def _rtp(self, call: str) -> None:
        """Open, play, stop, open the other leg, pair, end: eight commands, two writes to Redis and a delete."""
        a, b = (Leg(CallId(call), LegId(name)) for name in ("a", "b1"))
        phone = sdp.Dummy("127.0.0.1", 50_000).text(("PCMA", "PCMU"))
        self._audio.located(a, "127.0.0.1")
        self._audio.located(b, "127.0.0.1")
        await self._audio.open_inbound(a, phone)
        await self._audio.play(a, self._prompt)
        await asyncio.sleep(0.02)
        await self._audio.stop(a)
        await self._audio.open_outbound(b)
        await asyncio.sleep(0.05)
        await self._audio.connect(a, b, phone)
        await asyncio.sleep(TALK_S)
        await self._audio.close_call(a)

    async def _redis(self, call: str) -> None:
        """The router's steps one by one, the node's facts and lease in three batches, the edge's two questions for the owner."""
        tag = "{centre}"
        for number in range(FUNCTIONS):
            if number == FUNCTIONS - 1:
                await asyncio.sleep(TALK_S)
            await self._router.fcall("step", 3, f"{tag}c:{call}", f"{tag}q", f"{tag}facts", call, FACT, str(number))
            if number < FUNCTIONS - 1:
                await self._batch(call, number)
            if number >= FUNCTIONS - 2:
                await self._edge.get(f"{tag}o:{call}")

    async def _batch(self, call: str, number: int) -> None:
        pipe = self._media.pipeline(transaction=False)
        pipe.xadd("{centre}facts", {"f": FACT})
        if number == 0:
            pipe.set("{centre}o:" + call, "1 sip:127.0.0.1:5200", ex=120)
        elif number == FUNCTIONS - 2:
            pipe.delete("{centre}o:" + call)
        await pipe.execute()

    async def _datagrams(self) -> None:
        for number in range(DATAGRAMS):
            self._echo.send(bytes(BYTES))
            await asyncio.sleep(TALK_S if number == DATAGRAMS - 4 else 0.01)


def _redis(port: int) -> redis.asyncio.Redis:
    """A service's few connections; who finds none free waits."""
    return redis.asyncio.Redis(connection_pool=redis.asyncio.BlockingConnectionPool(port=port, max_connections=3, timeout=20))


def _question(call: str) -> bytes:
    made = pb.RouteCallRequest(tenant="centre", call=call, edge="e1", trunk="carrier-a", called="95588", calling="13800000001")
    return made.SerializeToString()


async def main() -> None:
    """Drive `calls` calls at `rate`; prints `ready`, waits for a line, prints what failed."""
    spec = json.loads(sys.argv[1])
    ask = await Unary.open(f"127.0.0.1:{spec['grpc']}")
    async with connect(load(Path(spec["config"])), 0) as audio:
        floor = Floor(spec, audio, ask)
        await floor.prepare()
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.readline)
        begin, tasks = loop.time(), []
        for number in range(spec["calls"]):
            await asyncio.sleep(max(0.0, begin + number / spec["rate"] - loop.time()))
            tasks.append(asyncio.create_task(floor.call()))
        await asyncio.gather(*tasks)
    print(json.dumps({"failed": floor.failed}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
