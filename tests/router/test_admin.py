"""Versions of the rules at a router: brought by gRPC, refused when wrong or old, followed by the others, kept over deaths."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from tierline.admin.v1 import admin_pb2 as pb
from tierline.admin.v1 import admin_pb2_grpc
from tierline.agents.v1 import agents_pb2

from ops import keys, rulebook
from ops.centre import Agent, Branch, Calendar, Holiday, Hours, NotReadyReason
from ops.inner import CONSOLE, target
from ops.rulebook import RuleBook
from router import app
from router.keeper import Keeper
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.router.kit import Console, MediaNode, call_id, centre, router_process, wait_for_router

SATURDAY = 1_760_148_000_000  # 2025-10-11 10:00 in Shanghai


class Admin:
    """A console that knows only rules."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(target(address, CONSOLE))
        self.stub = admin_pb2_grpc.AdminStub(self.channel)

    async def apply(self, book: RuleBook) -> pb.InForce:
        request = pb.ApplyRequest(version=book.version, document=rulebook.to_json(book))
        return await self.stub.Apply(request, wait_for_ready=True, timeout=10)

    async def get(self, have: str = "") -> pb.InForce:
        return await self.stub.Get(pb.GetRequest(have=have), wait_for_ready=True, timeout=10)

    async def refused(self, book: RuleBook) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.apply(book)
        return caught.value.code(), caught.value.details() or ""

    async def close(self) -> None:
        await self.channel.close()


@pytest.fixture
async def admin(address: str) -> Any:
    made = Admin(address)
    yield made
    await made.close()


def book(version: int, **tables: Any) -> RuleBook:
    """A version of the kit's centre with a table or two changed."""
    return replace(rulebook.seed(centre()), version=version, who="boss", why="test", at_ms=5, **tables)


async def test_apply_and_get(admin: Admin) -> None:
    """The file is version 1; a newer one comes into force, a repeat is harmless; the document comes only to who has another."""
    first = await admin.get()
    assert first.version == 1 and rulebook.from_json(first.document) == rulebook.seed(centre())
    second = book(2)
    for _ in range(2):
        assert (await admin.apply(second)).sha256 == rulebook.sha256(second)
    assert rulebook.from_json((await admin.get(first.sha256)).document) == second
    assert (await admin.get(rulebook.sha256(second))).document == ""


async def test_what_is_refused(admin: Admin) -> None:
    """An older version, another book of the same version, and what is no rule book, with the path of each mistake."""
    await admin.apply(book(5))
    assert await admin.refused(book(4)) == (grpc.StatusCode.FAILED_PRECONDITION, "version 5 is in force")
    assert (await admin.refused(replace(book(5), why="other")))[0] is grpc.StatusCode.FAILED_PRECONDITION
    code, text = await admin.refused(book(6, agent=(Agent("a", "A", seat="1", skills={"none": 1}),)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT and "agent[1].skills" in text
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.stub.Apply(pb.ApplyRequest(version=7, document=rulebook.to_json(book(6))))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await admin.get()).version == 5


async def test_a_version_is_one_fact_and_holds_at_once(admin: Admin, router: app.Router, node: MediaNode, console: Console) -> None:
    """Reasons, skills and queues are those of the new version with its answer; the ledger has who and why."""
    await console.ready("a1", skill="tech")
    call = call_id()
    await node.enqueue(call, "sales")
    agents = (Agent("a1", "A", seat="8001", skills={"sales": 1}),)
    changed = book(2, agent=agents, not_ready=(NotReadyReason("audit", "质检", "Audit"),))
    await admin.apply(changed)
    await until_async(lambda: any(f.HasField("offer") and f.offer.call == call for f in node.frames), 5, "the call is offered")
    facts = [f for f in router.store.desk.facts if f.kind == "rules_changed"]  # type: ignore[attr-defined]
    assert [(f.body["version"], f.body.get("who", ""), f.body["why"]) for f in facts] == [
        (1, "", "centre.toml"),
        (2, "boss", "test"),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await console.agents.SetNotReady(agents_pb2.NotReadyRequest(agent="a1", reason="lunch"))
    assert "want one of audit" in (caught.value.details() or "")


def test_queue_and_branch_must_both_be_open() -> None:
    """The branch is known by the dialled number, else by the caller's city; an emergency goes before the calendar."""
    office = Calendar("office", "Asia/Shanghai", (Hours("mon-fri", "08:30", "17:30"),), (Holiday("2025-10-13"),))
    base = centre()
    queues = (replace(base.queue[0], calendar="office"), base.queue[1])
    branches = (
        Branch("wuhan", numbers=("02712345",), cities=("武汉",), calendar="office"),
        Branch("yichang", cities=("宜昌市",), closed="flood"),
    )
    keeper = Keeper(replace(base, queue=queues, branch=branches, calendar=(office,)))
    hour, day = 3_600_000, 86_400_000
    friday, monday, tuesday = SATURDAY - day, SATURDAY + 2 * day, SATURDAY + 3 * day
    shut, openly = ("REASON_CLOSED", ""), ("", "")
    assert keeper.closed("sales", "12345", "", SATURDAY) == shut
    assert keeper.closed("sales", "12345", "", friday) == openly and keeper.closed("sales", "12345", "", friday + 8 * hour) == shut
    assert keeper.closed("sales", "12345", "", monday) == shut and keeper.closed("sales", "12345", "", tuesday) == openly
    assert keeper.closed("tech", "12345", "", SATURDAY) == openly
    assert keeper.closed("tech", "12345", "武汉市", SATURDAY) == shut, "its branch is closed"
    assert keeper.closed("tech", "02712345", "宜昌", SATURDAY) == shut, "the number goes before the city"
    assert keeper.closed("tech", "12345", "宜昌市", friday) == ("REASON_EMERGENCY", "flood")
    assert keeper.closed("nowhere", "12345", "", friday) == openly, "unknown queues are the store's to refuse"


# ---- real processes on a real Redis
@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as running:
        yield running


async def takes(console: Console, reason: str) -> bool:
    """Whether the router knows this reason for being not ready."""
    try:
        await console.agents.SetNotReady(agents_pb2.NotReadyRequest(agent="a1", reason=reason), timeout=5)
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
        return False
    return True


@pytest.mark.real
async def test_every_router_follows_and_a_restarted_one_has_it(server: RedisServer, tmp_path: Path) -> None:
    """A version brought to one router is the other's at once; kill -9, a file that says otherwise, an emptied Redis: it stays."""
    path = tmp_path / "centre.json"
    config = centre(server.port, path, routers=2)
    newer = replace(rulebook.seed(config), version=7, who="boss", why="x", not_ready=(NotReadyReason("audit", "质检", "Audit"),))
    one, two = config.routers
    with router_process(config, tmp_path, 0) as first, router_process(config, tmp_path, 1):
        for address in (one, two):
            wait_for_router(address)
        admin, other, console = Admin(one), Admin(two), Console(two)
        await until_async(lambda: bool(redis.Redis(port=server.port).exists(keys.rules("main"))), 5, "the store has rules")
        await console.ready("a1", skill="tech")
        assert await takes(console, "lunch")
        await admin.apply(newer)
        await until_async(lambda: takes(console, "audit"), 8, "the other router follows")
        assert not await takes(console, "lunch")
        os.kill(first.pid, signal.SIGKILL)
        first.wait(5)
        redis.Redis(port=server.port).flushall()  # the living one has it still
        await until_async(lambda: bool(redis.Redis(port=server.port).exists(keys.rules("main"))), 5, "the store has rules again")
        assert (await other.get()).version == 7
        with router_process(replace(config, queue=config.queue[:1]), tmp_path / "again", 0):
            wait_for_router(one)
            again = Admin(one)
            found = rulebook.from_json((await again.get()).document)
            assert found == newer and len(found.queue) == 2, "not what its file says"
            await again.close()
        for closing in (admin, other, console):
            await closing.close()
