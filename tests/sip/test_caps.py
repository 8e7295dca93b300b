"""How many calls a trunk and one of its callers may begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.conftest import World, around
from tests.sip.edge_kit import EdgeKit, edge_config
from tests.sip.fake_router import FakeRouter
from tests.sip.sip_client import Caller, Endpoint, Message, unique

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
A_SECOND, A_CALLER = 20, 3


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge whose first trunk has limits and whose second has none."""
    config = edge_config(tmp_path_factory.mktemp("edge"))
    limited, free = config.trunk
    config = replace(config, trunk=(replace(limited, calls_per_s=A_SECOND, calls_per_caller=A_CALLER), free))
    with RedisServer(config.state / "redis", config.ports.redis), EdgeKit(config) as kit:
        yield kit


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


async def calls(caller: Caller, *numbers: str, extra: str = "") -> list[Message]:
    """The answers to calls of these numbers, one after the other."""
    answers = []
    for number in numbers:
        dialog = caller.invite(caller.dialog(calling=number), extra=extra)
        answers.append(await caller.endpoint.final(of=dialog.call_id))
    return answers


async def test_one_caller(world: World) -> None:
    """A caller's calls beyond the limit are refused and kept as calls of the trunk, in whatever form the number is written."""
    before = world.edge.metric("refused_total", why="caller_full")
    forms = ("+8613900000001", "%2B8613900000001", "+8613900000001;cpc=ordinary", "+8613900000001", "+8613900000001;npdi")
    answers = await calls(world.caller, *forms)
    assert [answer.status for answer in answers] == [200] * A_CALLER + [486] * 2
    assert answers[-1].get("retry-after") == "60"
    assert [answer.status for answer in await calls(world.caller, "+8613900000002")] == [200]
    assert world.edge.metric("refused_total", why="caller_full") == before + 2
    assert [fact.body["sip_status"] for fact in world.edge.facts() if fact.kind == "edge_outcome"].count(486) == 2


async def test_the_asserted_caller_counts(world: World) -> None:
    """Another From each time does not help who is asserted to be the same; withheld callers share no limit."""
    told = "P-Asserted-Identity: <sip:+8613900000003@carrier.example>\r\n"
    numbers = [f"1380000000{digit}" for digit in range(A_CALLER + 1)]
    assert [answer.status for answer in await calls(world.caller, *numbers, extra=told)] == [200] * A_CALLER + [486]
    withheld = await calls(world.caller, *["anonymous"] * (A_CALLER + 2))
    assert {answer.status for answer in withheld} == {200}


async def test_one_trunk(world: World) -> None:
    """Beyond so many in a second a trunk's calls get 503 with Retry-After, another trunk's do not; the next second is a new one."""
    await asyncio.sleep(2.1)  # the calls of other tests are of other seconds
    burst = 3 * A_SECOND
    for _ in range(burst):
        world.caller.invite(world.caller.dialog(calling=unique("name")))
    answers = [await world.caller.endpoint.final() for _ in range(burst)]
    refused = [answer for answer in answers if answer.status == 503]
    assert burst - 2 * A_SECOND <= len(refused) <= burst - A_SECOND  # the burst may fall into two seconds
    assert {answer.get("retry-after") for answer in refused} == {"1"}
    free = Caller(await Endpoint.open("127.2.0.7"), world.edge.sip)
    assert {answer.status for answer in await calls(free, *["13900000009"] * (A_SECOND + 5))} == {200}

    async def heard() -> bool:
        return (await calls(world.caller, unique("name")))[0].status == 200

    await until_async(heard, 5, "the trunk's calls are taken again", pause=0.2)
    free.endpoint.close()
