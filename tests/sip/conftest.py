"""What the tests of the edge share: one edge, its media nodes, a router and a carrier, all on free ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ops.inner import EDGE, target
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.edge_kit import CARRIER, EdgeKit, edge_config
from tests.sip.fake_node import FakeNode
from tests.sip.fake_router import FakeRouter, to_node
from tests.sip.sip_client import Caller, Endpoint


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge with its Redis, shared by the tests of a module."""
    state: Path = tmp_path_factory.mktemp("edge")
    config = edge_config(state)
    with RedisServer(state / "redis", config.ports.redis), EdgeKit(config) as kit:
        yield kit


@dataclass
class World:
    """Everything around the edge."""

    edge: EdgeKit
    router: FakeRouter
    nodes: list[FakeNode]
    caller: Caller

    @property
    def m1(self) -> FakeNode:
        return self.nodes[0]

    @property
    def m2(self) -> FakeNode:
        return self.nodes[1]

    def to(self, node: FakeNode) -> None:
        """The router sends calls to this node."""
        self.router.answer = to_node(node.name, self.edge.config.media_uris[node.name])


async def build(edge: EdgeKit, router: FakeRouter | None = None) -> World:
    """Nodes alive and known to be, the router (a new one unless given) answers with m1."""
    nodes = []
    for name in edge.config.media_uris:
        port = edge.config.ports.media_sip + int(name[1:]) - 1
        nodes.append(FakeNode(await Endpoint.open(edge.config.media.address, port), name, edge.sip, edge.secret))
    router = router or await FakeRouter(target(edge.config.routers[0], EDGE)).start()
    world = World(edge, router, nodes, Caller(await Endpoint.open(CARRIER), edge.sip))
    world.to(world.m1)
    first = target(edge.config.routers[0], EDGE)
    await until_async(lambda: edge.metric("router_up", router=first) == 1, 10, "the edge is connected to the router")
    await until_async(lambda: edge.live_nodes() == len(nodes), 10, "the probes found the nodes")
    return world


@pytest.fixture
async def world(edge: EdgeKit) -> AsyncIterator[World]:
    """A fresh world around the module's edge."""
    made = await build(edge)
    yield made
    await made.router.stop()
    close(made)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(edge: EdgeKit) -> AsyncIterator[FakeRouter]:
    """One for the tests of a module, for those that ask it little: the edge takes up to a second until it connects again."""
    made = await FakeRouter(target(edge.config.routers[0], EDGE)).start()
    yield made
    await made.stop()


@asynccontextmanager
async def around(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """A fresh world, but for the edge and the router."""
    router.forget()
    made = await build(edge, router)
    yield made
    close(made)


def close(world: World) -> None:
    """Nodes and caller go."""
    for endpoint in [world.caller.endpoint, *(node.endpoint for node in world.nodes)]:
        endpoint.close()
