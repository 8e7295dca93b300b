"""One centre for all tests of this folder; each test leaves it as it found it: nobody logged in, nobody calling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.kit import centre as centres
from tests.kit import phones
from tests.kit.centre import Centre

OWN_CENTRE = ("test_callback.py", "test_three_provinces.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is real; what shares the centre stays with one worker."""
    for item in items:
        if "tests/flow" in str(item.path):
            item.add_marker(pytest.mark.real)
            if item.path.name not in OWN_CENTRE and item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group("flow"))


@pytest.fixture(scope="package")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """A running province."""
    running = centres.start(tmp_path_factory.mktemp("centre"))
    try:
        yield running
    finally:
        centres.stop(running)


@pytest.fixture
async def many(centre: Centre) -> AsyncIterator[phones.Phones]:
    """Phones at that centre."""
    async with phones.at(centre.endpoints) as these:
        yield these
