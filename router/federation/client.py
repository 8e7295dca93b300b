"""One link: our stream to another centre's federation service, opened again whenever it is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from tierline.federation.v1 import federation_pb2 as pb
from tierline.federation.v1 import federation_pb2_grpc as rpc

from router.federation.tls import Identity

log = logging.getLogger(__name__)
AGAIN_S = (0.1, 0.2, 0.5, 1.0)
WELCOME_S = 3.0
Stream = grpc.aio.StreamStreamCall[Any, Any]


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told; all are called in the loop's thread and return at once."""

    hello: Callable[[], pb.FromCentre]
    opened: Callable[[str], None]
    closed: Callable[[str], None]
    frame: Callable[[str, pb.ToCentre], None]


class Link:
    """`run` until cancelled."""

    def __init__(self, peer: str, target: str, identity: Identity, ears: Ears) -> None:
        self.peer = peer
        self._target = target
        self._identity = identity
        self._ears = ears
        self._out: list[pb.FromCentre] = []
        self._wake = asyncio.Event()

    def send(self, frame: pb.FromCentre) -> None:
        """With what else goes out in this turn of the loop; forgotten if the link is gone before."""
        self._out.append(frame)
        self._wake.set()

    async def run(self) -> None:
        """Open, serve, open again."""
        async with self._identity.channel(self._target, self.peer) as channel:
            tries = 0
            while True:
                try:
                    if await self._once(rpc.FederationStub(channel).Join()):
                        tries = 0
                except grpc.aio.AioRpcError as error:
                    level = logging.WARNING if tries == 0 else logging.DEBUG
                    log.log(level, "link away", extra={"peer": self.peer, "why": f"{error.code().name} {error.details()}"})
                except Exception:  # a defect of ours must not leave a centre without its link until somebody starts it anew
                    log.exception("link failed", extra={"peer": self.peer})
                await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
                tries += 1

    async def _once(self, stream: Stream) -> bool:
        """One stream to its end; whether it was ever open."""
        self._out.clear()
        try:
            await stream.write(self._ears.hello())
            async with asyncio.timeout(WELCOME_S):
                first = await stream.read()
            if not isinstance(first, pb.ToCentre) or first.welcome.centre != self.peer:
                said = first.welcome.centre if isinstance(first, pb.ToCentre) else ""
                log.warning("link not welcomed", extra={"peer": self.peer, "by": said})
                return False
            await self._serve(stream, first)
            return True
        except TimeoutError:
            log.warning("link not welcomed", extra={"peer": self.peer})
            return False
        finally:
            stream.cancel()

    async def _serve(self, stream: Stream, welcome: pb.ToCentre) -> None:
        log.info("link open", extra={"peer": self.peer})
        writer = asyncio.create_task(self._write(stream))
        self._ears.opened(self.peer)
        self._ears.frame(self.peer, welcome)
        try:
            while isinstance(frame := await stream.read(), pb.ToCentre):
                self._ears.frame(self.peer, frame)
        finally:
            self._ears.closed(self.peer)
            writer.cancel()
            (ended,) = await asyncio.gather(writer, return_exceptions=True)  # not awaited: our cancelling must survive it
            if isinstance(ended, Exception) and not isinstance(ended, grpc.aio.AioRpcError):
                log.error("link failed", extra={"peer": self.peer}, exc_info=ended)

    async def _write(self, stream: Stream) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._out = self._out, []
            for frame in batch:
                try:
                    await stream.write(frame)
                except asyncio.InvalidStateError:
                    return  # the stream is over, which its reader is about to hear
