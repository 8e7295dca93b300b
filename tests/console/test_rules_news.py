"""A console that is told of another one's rules does not wait until it would look."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from console.ledger.rulebooks import RuleBooks
from console.live import rules
from ops.facts import Fact
from tests.console.desk import Desk
from tests.kit.wait import until_async


def taken(desk: Desk, version: int) -> bool:
    return desk.app.rules.book.version == version


async def test_a_version_of_another_console_is_taken_when_its_fact_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console asks for what another one has brought when the fact tells it, however long it would have waited."""
    monkeypatch.setattr(rules, "CALM_S", 60.0)
    await until_async(lambda: desk.app.rules.told.in_force, 5, "it has nothing to bring")
    for version in (2, 3):  # the wait before 2 may have begun before the time was changed
        other = replace(desk.app.rules.book, version=version, who="other", why="elsewhere")
        assert RuleBooks(desk.app.ctx.database, "main").add(other, other.at_ms)
        await desk.fact(Fact(f"rules:main:{version}:0", other.at_ms, "main", "router:r1", "rules_changed", {"version": version}))
        await until_async(partial(taken, desk, version), 5, f"version {version} is taken")
