"""One house and one Chromium for the tests of a file; nobody at work and no window open at the start of each. A media node each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tierline.agents.v1 import agents_pb2 as pb
from tierline.agents.v1.agents_pb2_grpc import AgentsStub

from ops.inner import CONSOLE, MEDIA, target
from tests.browser.house import House
from tests.browser.node import Node
from tests.browser.pages import chromium


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def house(built: House) -> House:
    with grpc.insecure_channel(target(built.config.routers[0], CONSOLE)) as channel:
        stub = AgentsStub(channel)
        for agent in stub.GetBoard(pb.BoardRequest(tenant="main"), timeout=10, wait_for_ready=True).agents:
            stub.Logout(pb.AgentRequest(tenant="main", agent=agent.agent), timeout=10)
    return built


@pytest_asyncio.fixture(loop_scope="module")
async def node(house: House) -> AsyncIterator[Node]:
    made = await Node(target(house.config.routers[0], MEDIA)).start()
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome() -> AsyncIterator[Browser]:
    async with chromium() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """Windows share nothing: each has a context of its own."""
    yield chrome
    for context in chrome.contexts:
        await context.close()
