"""One link's life, over streams that a test breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tierline.federation.v1 import federation_pb2 as pb
from tierline.federation.v1 import federation_pb2_grpc

from router.federation import client
from router.federation.client import Ears, Link
from router.federation.tls import Identity
from tests.kit.wait import until_async


class Stream:
    """Welcomes; is over as soon as something is written into it, and then `write` fails with `error`, as grpc.aio's does."""

    def __init__(self, error: Exception) -> None:
        self._error, self._said, self._over = error, 0, asyncio.Event()

    async def write(self, frame: pb.FromCentre) -> None:
        self._said += 1
        if self._said > 1:
            self._over.set()
            raise type(self._error)(*self._error.args)

    async def read(self) -> Any:
        if not self._said or self._over.is_set():
            return None
        if self._said == 1 and not getattr(self, "_welcomed", False):
            self._welcomed = True
            return pb.ToCentre(welcome=pb.Welcome(centre="nation"))
        await self._over.wait()
        await asyncio.sleep(0)  # so the writer has failed before the reader hears of the end
        return None

    def cancel(self) -> None:
        self._over.set()


class Channel:
    """Nothing."""

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize("error", [asyncio.InvalidStateError("RPC already finished."), RuntimeError("a defect")])
async def test_a_frame_into_a_stream_that_is_over(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A report is written in the moment in which the link is cut: the link is opened again all the same, and again."""
    joined: list[Stream] = []

    class Stub:
        def __init__(self, channel: Channel) -> None:
            pass

        def Join(self) -> Stream:
            joined.append(Stream(error))
            return joined[-1]

    monkeypatch.setattr(federation_pb2_grpc, "FederationStub", Stub)
    monkeypatch.setattr(Identity, "channel", lambda *_: Channel())
    monkeypatch.setattr(client, "AGAIN_S", (0.001,))
    report = pb.FromCentre(report=pb.Report())
    ears = Ears(lambda: pb.FromCentre(hello=pb.Hello()), lambda _: link.send(report), lambda _: None, lambda *_: None)
    link = Link("nation", "nowhere:1", Identity(b"", b"", b""), ears)
    task = asyncio.create_task(link.run())
    try:
        await until_async(lambda: len(joined) > 2 or task.done(), 5, "it is opened again")
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
