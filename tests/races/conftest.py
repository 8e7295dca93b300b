"""Two routers and a Redis for all races. After each of them nothing may be left: no caller, no talk, nobody at work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.races import kit
from tests.races.kit import Console, House, Node


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the house is real, and stays with one worker."""
    for item in items:
        if "tests/races" in str(item.path) and "house" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group("races"))


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with kit.house(tmp_path_factory.mktemp("races")) as made:
        yield made


@pytest.fixture
async def console(house: House) -> AsyncIterator[Console]:
    """At the second router, while `node` is at the first: what one does reaches the other through Redis."""
    made = Console(house.addresses[1])
    yield made
    await made.everybody_home()
    await made.close()


@pytest.fixture
async def node(house: House, console: Console) -> AsyncIterator[Node]:
    made = await Node("m1").open(house.addresses[0])
    yield made
    await made.stop()


@pytest.fixture
async def other(house: House, console: Console) -> AsyncIterator[Node]:
    """Another media node, at the other router."""
    made = await Node("m2").open(house.addresses[1])
    yield made
    await made.stop()
