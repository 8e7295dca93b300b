"""Long commands of the store: what makes them must not hold up the loop."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from router.core.commands import Rules
from router.store import redis as store
from router.store import rules as text
from router.store.wire import Word
from tests.contract.stores import RULES, redis_world
from tests.kit.redis_server import RedisServer


@pytest.mark.real
async def test_the_words_of_new_rules_are_put_together_beside_the_loop(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of 10,000 agents take long: another thread makes and packs them, and they reach Redis as one command."""
    threads: list[int] = []
    made = text.words

    def words(rules: Rules) -> tuple[Word, ...]:
        threads.append(threading.get_ident())
        return made(rules)

    monkeypatch.setattr(store, "rule_words", words)
    with RedisServer(tmp_path) as server:
        world = await redis_world(server.port).open()
        await world.agent("a1", ready=False)
        skills = tuple((f"a{n}", (("tech", 2),)) for n in range(500))
        await world.store.sync_config(replace(RULES, generation=2, digest="two", skills=skills), world.now)
        assert (await world.see("a1")).skills == (("tech", 2),)
        assert len(threads) == 2 and threading.get_ident() not in threads
        await world.store.close()
