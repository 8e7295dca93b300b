"""Real routers of several centres: mutual TLS, the whole way of a placed call, and what dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import redis
from tierline.agents.v1 import agents_pb2
from tierline.federation.v1 import federation_pb2 as pb
from tierline.federation.v1 import federation_pb2_grpc as rpc
from tierline.routing.v1 import routing_pb2

from ops import certificates
from ops import facts as facts_
from ops.facts import Fact
from router.federation.reconcile import differences
from router.federation.tls import Identity
from tests.kit.wait import until_async
from tests.router.federation.kit import NATION, Site, running, sites
from tests.router.kit import Console, MediaNode, call_id, end, settle, words

pytestmark = pytest.mark.real


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def facts(site: Site) -> list[Fact]:
    entries = redis.Redis(port=site.redis.port).xrange("{main}:facts")
    return [facts_.decode(entry[b"f"]) for _, entry in entries]  # type: ignore[union-attr,index]


async def state(console: Console, agent: str) -> str:
    view = await console.see(agent)
    return agents_pb2.AgentState.Name(view.state).removeprefix("AGENT_STATE_").lower()


@asynccontextmanager
async def lively(node: MediaNode) -> AsyncIterator[None]:
    """Heartbeats, as a real node sends them."""

    async def beat() -> None:
        while True:
            await node.send(heartbeat=routing_pb2.Heartbeat(calls=1))
            await asyncio.sleep(1)

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()


async def placed(node: MediaNode, call: str, seconds: float = 10) -> routing_pb2.Offer:
    """The offer of a seat elsewhere. The node lives meanwhile: one that is silent for ten seconds is lost with its calls."""
    async with lively(node):
        await until_async(lambda: any(f.offer.centre for f in node.got("offer", call)), seconds, f"a seat elsewhere for {call}")
    return next(f.offer for f in node.got("offer", call) if f.offer.centre)


async def test_a_call_is_answered_by_another_province(stack: ExitStack, tmp_path: Path) -> None:
    """Home's media node is told whom to dial; the agent there talks and is free afterwards; both ledgers agree."""
    made = sites(stack, tmp_path, ("hubei", "hunan"))
    for site in made.values():
        stack.enter_context(running(site))
    node, there = await MediaNode().open(made["hubei"].address), Console(made["hunan"].address)
    await there.ready("li", skill="sales")
    call = call_id()
    await node.say(enqueue=words(call))
    offer = await placed(node, call)
    assert (offer.centre, offer.agent, offer.uri) == ("hunan", "li@hunan", f"sip:8li@hunan.example;placement={offer.offer}")
    door = redis.Redis(port=made["hunan"].redis.port).get("{main}:placement:" + offer.offer)
    assert door == b"hubei 8li"
    await node.say(settle=settle(offer, 2))

    async def talks() -> bool:
        return await state(there, "li") == "talking"

    async def ready() -> bool:
        return await state(there, "li") == "ready"

    await until_async(talks, 5, "the agent there talks")
    await node.say(end=end(call, 3))
    await until_async(ready, 5, "the agent there is free")
    assert differences(facts(made["hubei"]), facts(made["hunan"])) == []
    assert [f.kind for f in facts(made["hunan"]) if f.call == call and f.kind != "agent_changed"] == [
        "placed",
        "bridged",
        "agent_released",
    ]
    await node.close()
    await there.close()


async def test_the_router_with_the_links_dies(stack: ExitStack, tmp_path: Path) -> None:
    """Home has two routers; the one that holds the links is killed: the other one takes them over and calls are placed again."""
    made = sites(stack, tmp_path, ("hubei", "hunan"), routers=2)
    stack.enter_context(running(made[NATION]))
    stack.enter_context(running(made["hunan"]))
    first = stack.enter_context(running(made["hubei"], 0))
    client = redis.Redis(port=made["hubei"].redis.port)
    await until_async(
        lambda: str(client.hget("{main}:r:links", "holder")).startswith("b'r1"), 5, "the first router holds the links"
    )
    stack.enter_context(running(made["hubei"], 1))
    node, there = await MediaNode().open(made["hubei"].config.routers[1]), Console(made["hunan"].address)
    await there.ready("li", skill="sales")
    call = call_id()
    await node.say(enqueue=words(call))  # by the second router: its Place goes to the first one's link
    await placed(node, call)
    os.kill(first, signal.SIGKILL)
    await node.say(end=end(call, 2))  # its Release may be lost: Holding makes it good
    again = call_id()
    await node.say(enqueue=words(again))
    offer = await placed(node, again, 40)
    assert offer.centre == "hunan"
    await node.close()
    await there.close()


async def test_the_nation_dies_and_neighbours_help(stack: ExitStack, tmp_path: Path) -> None:
    """The national router is killed: the next call goes to the neighbour directly; when it is back calls go by it again."""
    made = sites(stack, tmp_path, ("hubei", "hunan"), neighbours=True)
    for name in ("hubei", "hunan"):
        stack.enter_context(running(made[name]))
    node, there = await MediaNode().open(made["hubei"].address), Console(made["hunan"].address)
    await there.ready("li", skill="sales")
    with ExitStack() as brief:
        pid = brief.enter_context(running(made[NATION]))
        await served(node, there)
        os.kill(pid, signal.SIGKILL)
    await served(node, there)
    with running(made[NATION]):
        await served(node, there)
    assert differences(facts(made["hubei"]), facts(made["hunan"])) == []
    await node.close()
    await there.close()


async def served(node: MediaNode, there: Console) -> None:
    """One call from the queue to its end, by the agent there."""
    call = call_id()
    await node.say(enqueue=words(call))
    offer = await placed(node, call, 60)
    await node.say(settle=settle(offer, 2))
    await node.say(end=end(call, 3))

    async def ready() -> bool:
        return await state(there, "li") == "ready"

    async with lively(node):
        await until_async(ready, 10, "the agent there is free")


async def joined(site: Site, identity: Identity, name: str) -> grpc.StatusCode:
    """What becomes of somebody who says to be `name`: the code that ends the stream, OK if it is welcome."""
    async with identity.channel(site.federation, NATION) as channel:
        stream = rpc.FederationStub(channel).Join()
        try:
            await stream.write(pb.FromCentre(hello=pb.Hello(tenant="main", centre=name)))
            async with asyncio.timeout(5):
                first = await stream.read()
            return grpc.StatusCode.OK if isinstance(first, pb.ToCentre) else await stream.code()
        except grpc.aio.AioRpcError as error:
            return error.code()
        finally:
            stream.cancel()


async def test_only_known_centres_with_their_own_certificate_may_join(stack: ExitStack, tmp_path: Path) -> None:
    """Welcome with the own certificate; refused: a foreign name, an unknown centre, a foreign authority, no certificate."""
    made = sites(stack, tmp_path, ("hubei",))
    nation = made[NATION]
    stack.enter_context(running(nation))

    def pems(folder: Path, name: str) -> Identity:
        pair, signer = certificates.issue(folder, name), certificates.authority(tmp_path / "tls")
        return Identity(pair.certificate.read_bytes(), pair.private_key.read_bytes(), signer.certificate.read_bytes())

    assert await joined(nation, pems(tmp_path / "tls", "hubei"), "hubei") is grpc.StatusCode.OK
    assert await joined(nation, pems(tmp_path / "tls", "hubei"), "hunan") is grpc.StatusCode.PERMISSION_DENIED
    assert await joined(nation, pems(tmp_path / "tls", "stranger"), "stranger") is grpc.StatusCode.PERMISSION_DENIED
    assert await joined(nation, pems(tmp_path / "forged", "hubei"), "hubei") is grpc.StatusCode.UNAVAILABLE
    bare = grpc.aio.insecure_channel(nation.federation)
    with pytest.raises(grpc.aio.AioRpcError):
        await rpc.FederationStub(bare).Join().read()
    await bare.close()


async def test_a_paused_centre_is_not_asked(stack: ExitStack, tmp_path: Path) -> None:
    """Its agents are ready, but the call waits at home, and the ledger says once that nobody was found."""
    made = sites(stack, tmp_path, ("hubei", "hunan"))
    made["hunan"].config = replace(made["hunan"].config, federation=replace(made["hunan"].config.federation, paused=True))
    for site in made.values():
        stack.enter_context(running(site))
    node, there = await MediaNode().open(made["hubei"].address), Console(made["hunan"].address)
    await there.ready("li", skill="sales")
    call = call_id()
    await node.say(enqueue=words(call))

    def failed() -> list[str]:
        return [f.body["reason"] for f in facts(made["hubei"]) if f.kind == "place_failed"]

    await until_async(lambda: "REASON_BUSY" in failed(), 10, "nobody takes it")
    assert not node.got("offer", call) and await state(there, "li") == "ready"
    await node.close()
    await there.close()
