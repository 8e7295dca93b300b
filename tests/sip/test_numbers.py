"""The caller's and the called number at the edge, by the rules of ops/numbers.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.kit.numbers import CALLERS, USERS
from tests.sip.conftest import World, around
from tests.sip.edge_kit import EdgeKit
from tests.sip.fake_router import FakeRouter
from tests.sip.sip_client import unique

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


@pytest.mark.parametrize(("user", "number"), [pair for pair in USERS if pair[1].lstrip("+").isdigit()])
async def test_every_form_of_a_number(world: World, user: str, number: str) -> None:
    """Router, journal and media node know the same caller and the same called number, in whatever form the carrier wrote it."""
    dialog = world.caller.dialog(called=user, calling=user)
    world.caller.invite(dialog, extra=f"P-Asserted-Identity: <sip:{user}@carrier.example>\r\n")
    assert (await world.caller.endpoint.final()).status == 200
    asked = world.router.asked[-1]
    assert (asked.called, asked.calling) == (number, number)
    (fact,) = [fact for fact in world.edge.facts() if fact.call == asked.call and fact.kind == "edge_invite"]
    assert (fact.body["called"], fact.body["calling"]) == (number, number)


@pytest.mark.parametrize(("asserted", "sender", "privacy", "shown"), CALLERS)
async def test_who_withholds(
    world: World, asserted: tuple[str, str] | None, sender: tuple[str, str], privacy: str, shown: str
) -> None:
    """The rule for callers who withhold their number holds at the edge: neither router nor journal learns it."""
    dialog = world.caller.dialog()
    dialog.local = f"<sip:{'@'.join(sender)}>;tag={unique('f')}"
    lines = f"P-Asserted-Identity: <sip:{'@'.join(asserted)}>\r\n" if asserted else ""
    world.caller.invite(dialog, extra=lines + (f"Privacy: {privacy}\r\n" if privacy else ""))
    assert (await world.caller.endpoint.final()).status == 200
    asked = world.router.asked[-1]
    assert asked.calling == shown
    (fact,) = [fact for fact in world.edge.facts() if fact.call == asked.call and fact.kind == "edge_invite"]
    assert fact.body.get("calling", "") == shown
