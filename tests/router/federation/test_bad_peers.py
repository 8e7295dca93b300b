"""Centres that are not who they say, or say what makes no sense, against real routers."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from tierline.agents.v1 import agents_pb2
from tierline.federation.v1 import federation_pb2 as pb
from tierline.federation.v1 import federation_pb2_grpc as rpc

from ops import certificates
from router.federation.tls import Identity
from tests.kit.wait import until_async
from tests.router.federation.kit import NATION, Site, running, sites
from tests.router.federation.test_processes import joined, placed
from tests.router.kit import Console, MediaNode, call_id, end, settle, words

pytestmark = pytest.mark.real
JOIN = "/tierline.federation.v1.Federation/Join"
HUGE = 2**64 - 1


@dataclass
class Place:
    """The nation and Hunan, who are up, and Hubei, who is not."""

    made: dict[str, Site]
    tls: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("country")
    with ExitStack() as stack:
        made = sites(stack, folder, ("hubei", "hunan"), neighbours=True)
        for name in (NATION, "hunan"):
            stack.enter_context(running(made[name]))
        yield Place(made, folder / "tls")


def identity(folder: Path, name: str) -> Identity:
    pair, signer = certificates.issue(folder, name), certificates.authority(folder)
    return Identity(pair.certificate.read_bytes(), pair.private_key.read_bytes(), signer.certificate.read_bytes())


def expired(folder: Path, name: str) -> Identity:
    """A pair of the true authority that was good until yesterday."""
    good, signer = certificates.issue(folder, name), certificates.authority(folder)
    asked = _openssl("req", "-new", "-key", good.private_key, "-subj", f"/CN={name}")
    signed = ("-CA", signer.certificate, "-CAkey", signer.private_key, "-CAcreateserial")
    text = _openssl("x509", "-req", *signed, "-days", "-1", given=asked)
    return Identity(text, good.private_key.read_bytes(), signer.certificate.read_bytes())


def _openssl(*words: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


@asynccontextmanager
async def raw(site: Site, who: Identity) -> AsyncIterator[Any]:
    """A stream to the nation on which any bytes can be said."""
    async with who.channel(site.federation, NATION) as channel:
        stream: Any = channel.stream_stream(JOIN)()
        try:
            yield stream
        finally:
            stream.cancel()


async def say(site: Site, who: Identity, name: str, *frames: pb.FromCentre) -> None:
    """Join as `name` and say these; returns when the nation has read them (it ends a stream only after that)."""
    async with who.channel(site.federation, NATION) as channel:
        stream = rpc.FederationStub(channel).Join()
        for frame in (pb.FromCentre(hello=pb.Hello(tenant="main", centre=name)), *frames):
            await stream.write(frame)
        await stream.done_writing()
        async with asyncio.timeout(5):
            while await stream.read() is not grpc.aio.EOF:
                pass


async def test_an_expired_certificate_and_a_server_of_another_name(place: Place) -> None:
    """Neither is welcome: a centre whose certificate ran out, and one that stands where the nation should be."""
    made, tls = place.made, place.tls
    assert await joined(made[NATION], identity(tls, "hubei"), "hubei") is grpc.StatusCode.OK
    assert await joined(made[NATION], expired(tls, "hubei"), "hubei") is grpc.StatusCode.UNAVAILABLE
    assert await joined(made["hunan"], identity(tls, "hubei"), "hubei") is grpc.StatusCode.UNAVAILABLE


async def test_nonsense_over_the_wire_breaks_nothing(place: Place) -> None:
    """A centre says bytes that are no frame, a report with the largest numbers, and asks for what nobody has; afterwards a call is
    placed as ever and its agent is free again."""
    made, hubei = place.made, identity(place.tls, "hubei")
    async with raw(made[NATION], hubei) as stream:
        await stream.write(b"\xff\xff\xff not a frame")
        with pytest.raises(grpc.aio.AioRpcError):
            await stream.read()
    load = pb.SkillLoad(skill="sales", staffed=2**32 - 1, free=2**32 - 1, waiting=2**32 - 1, expected_ms=HUGE, lent=2**32 - 1)
    wild = pb.Report(at_ms=HUGE, share=2**32 - 1, penalty_ms=2**32 - 1, skills=[load, load, pb.SkillLoad(skill="?" * 1000)])
    nowhere = pb.Place(placement="x.p1", call="x", queue="nowhere", skill="nothing", entered_ms=HUGE, expires_ms=HUGE, at_ms=1)
    here = pb.Place(placement="y.p1", call="y", queue="nowhere", skill="sales", level=9, entered_ms=HUGE, expires_ms=HUGE)
    strange = pb.Confirm(placement="z.p1", answered_ms=HUGE, centre="hunan")
    there = Console(made["hunan"].address)
    await there.ready("li", skill="sales")
    told = [pb.FromCentre(report=wild), pb.FromCentre(place=nowhere), pb.FromCentre(place=here), pb.FromCentre(place=here)]
    await say(made[NATION], hubei, "hubei", *told, pb.FromCentre(confirm=strange), pb.FromCentre())
    with running(made["hubei"]):
        node = await MediaNode().open(made["hubei"].address)
        call = call_id()
        await node.say(enqueue=words(call))
        offer = await placed(node, call, 20)
        await node.say(settle=settle(offer, 2))
        await node.say(end=end(call, 3))
        await until_async(partial(free, there, "li"), 10, "the agent there is free")
        await node.close()
        await there.close()


async def free(console: Console, agent: str) -> bool:
    """The agent is ready."""
    return (await console.see(agent)).state == agents_pb2.AGENT_STATE_READY
