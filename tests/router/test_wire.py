"""The connection to Redis: order, errors, loss."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from ops.clock import SystemClock
from router.core.commands import Rules, Times
from router.core.errors import ConfigMissing, NotAllowed, ScriptFailed, StoreAway, UnknownAgent
from router.store.redis import Place, RedisStore
from router.store.replies import error_of
from router.store.wire import Wire, connect
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async

pytestmark = pytest.mark.real


@pytest.fixture
async def wire(redis_port: int) -> Wire:
    return await connect(f"redis://127.0.0.1:{redis_port}/5", error_of)


async def test_many_in_one_turn_come_back_in_order(wire: Wire) -> None:
    """A thousand commands of one turn of the loop are answered each with its own reply, after SELECT of the URL's database."""
    got = await asyncio.gather(*(wire.call(("ECHO", n)) for n in range(1000)))
    assert got == [str(n).encode() for n in range(1000)]
    assert b"db=5" in await wire.call(("CLIENT", "INFO"))


async def test_an_error_is_the_answer_of_one(wire: Wire) -> None:
    """An error reply fails its own call and no other."""
    before, bad, after = wire.call(("PING",)), wire.call(("NOSUCH",)), wire.call(("ECHO", "x"))
    assert (await before, await after) == (b"PONG", b"x")
    with pytest.raises(ScriptFailed, match="unknown command"):
        await bad


async def test_a_lost_connection_fails_what_waits(wire: Wire) -> None:
    """Everything under way and everything after it fails with StoreAway at once."""
    waiting = wire.call(("PING",))
    wire.abort()
    for call in (waiting, wire.call(("PING",))):
        with pytest.raises(StoreAway):
            await call


def test_replies_become_errors_by_name() -> None:
    """What scripts refuse has its class; what Redis refuses is StoreAway; a broken script is told as such."""
    import hiredis

    def of(text: str) -> Exception:
        return error_of(hiredis.ReplyError(text))

    assert isinstance(of("TL AGENT a1"), UnknownAgent)
    assert str(of("TL STATE ready does not take end_after_call")) == "ready does not take end_after_call"
    assert isinstance(of("TL STATE ready does not take x"), NotAllowed)
    assert isinstance(of("TL CONFIG gone"), ConfigMissing)
    for text in ("LOADING Redis is loading", "READONLY You can't write", "OOM command not allowed", "ERR Function not found"):
        assert type(of(text)) is StoreAway
    assert isinstance(of("ERR user_script:1: bad argument"), ScriptFailed)


def store_at(port: int) -> RedisStore:
    return RedisStore(Place(f"redis://127.0.0.1:{port}/0", "main", "r1", Times()), SystemClock())


async def test_a_redis_that_hangs_is_away(tmp_path: Path) -> None:
    """A stopped Redis keeps its connection open: what waits fails within seconds, and all works again afterwards."""
    with RedisServer(tmp_path) as server:
        store = store_at(server.port)
        await store.start(Rules(1, "x", (), ()), lambda _: None, lambda: None)
        await store.connected.wait()
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreAway):
                async with asyncio.timeout(5):
                    await store.login("a1", "801", (), 1)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        await until_async(store.connected.is_set, 10, "connected again")
        await store.login("a1", "801", (), 1)
        await store.close()


async def test_library_and_rules_come_back(redis_port: int) -> None:
    """An operator empties Redis and drops its functions: the first verb fails as away, the store sets all up again by itself."""
    store = store_at(redis_port)
    await store.start(Rules(1, "x", (), ()), lambda _: None, lambda: None)
    await store.connected.wait()
    admin = await connect(f"redis://127.0.0.1:{redis_port}/0", error_of)
    await admin.call(("FLUSHALL",))
    await admin.call(("FUNCTION", "FLUSH"))
    with pytest.raises(StoreAway):
        await store.login("a1", "801", (), 1)

    async def works() -> bool:
        try:
            await store.login("a1", "801", (), 1)
        except StoreAway:
            return False
        return bool(await admin.call(("EXISTS", "{main}:r:config")))

    await until_async(works, 5, "library and rules")
    admin.abort()
    await store.close()


async def test_an_answer_that_cannot_be_read_fails_its_own_call(wire: Wire) -> None:
    """A reply that its reader chokes on is told to whoever asked; the connection and the other answers live on."""
    bad, after = wire.call(("ECHO", "x"), int), wire.call(("ECHO", "7"), int)
    with pytest.raises(ValueError, match="invalid literal"):
        await bad
    assert await after == 7
