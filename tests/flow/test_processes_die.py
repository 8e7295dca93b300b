"""A process dies, the callers keep what they have: kill -9 on the real thing."""

from __future__ import annotations

import asyncio
import signal

from tests.kit import centre as centres
from tests.kit.centre import Centre
from tests.kit.console import login
from tests.kit.phones import Phones
from tests.kit.wait import until_async


async def test_router_killed_under_ten_waiting_callers(centre: Centre, many: Phones) -> None:
    """kill -9 of the router while ten callers wait: all ten are answered after it is back, in their order, no fact missing."""
    seat = await many.seat("8001")
    callers = []
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        for n in range(10):
            callers.append(await many.call(number=f"1371000{n:04d}", digits="31"))
            await boss.waiting_are(n + 1)
        old = await centre.kill("router1")
        await centre.restarted("router1", old)
        await boss.waiting_are(10)
        await agent.ready()
        for caller in callers:
            line = await seat.rings(within=15)
            assert line.calling.endswith(caller.number), "in their order"
            await caller.hears(seat.voice)
            await caller.hang_up()
        for caller in callers:
            row = await boss.call_row(caller.number, result="answered", recording="filed")
            kinds = {f["kind"] for f in (await boss.get(f"/api/calls/{row['id']}"))["facts"]}
            assert {"edge_invite", "routed", "call_started", "enqueued", "offered", "bridged", "call_ended", "recorded"} <= kinds


async def test_the_edge_routes_on_without_a_router(centre: Centre, many: Phones) -> None:
    """A call that comes while no router lives is answered all the same, and served when the router is back."""
    seat = await many.seat("8001")
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        await agent.ready()
        old = await centre.kill("router1", signal.SIGSTOP)
        try:
            caller = await many.call(number="13720000001", digits="31")
        finally:
            await centre.kill("router1", signal.SIGKILL)
        await centre.restarted("router1", old)
        await seat.talks(within=20)
        await caller.hears(seat.voice)
        await caller.hang_up()
        row = await boss.call_row("13720000001", result="answered")
        outcome = [f for f in (await boss.get(f"/api/calls/{row['id']}"))["facts"] if f["kind"] == "edge_outcome"]
        assert outcome[0]["body"]["routed_by"].startswith("fallback")


async def test_redis_killed_under_a_conversation(centre: Centre, many: Phones) -> None:
    """kill -9 of Redis: who talks talks on, who comes is answered, and afterwards both are in the ledger."""
    seat = await many.seat("8001")
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        await agent.ready()
        talking = await many.call(number="13730000001", digits="31")
        await talking.hears(seat.voice)
        old = await centre.kill("redis")
        coming = await many.call(number="13730000002")
        await coming.answered(within=8)
        await centre.restarted("redis", old)
        assert talking.hears_now(seat.voice)
        await coming.hang_up()
        await talking.hang_up()
        await boss.call_row("13730000001", within=20, result="answered", recording="filed")
        await boss.call_row("13730000002", within=20, result="self_served")
        await agent.state_is("ready", within=15)


async def test_rtpengine_killed_under_a_conversation(centre: Centre, many: Phones) -> None:
    """kill -9 of rtpengine: the audio is back within seconds, on the same ports, and the call ends as it should."""
    seat = await many.seat("8001")
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        await agent.ready()
        caller = await many.call(number="13740000001", digits="31")
        await caller.hears(seat.voice)
        engine = (await centre.node_of("13740000001")).replace("m", "rtpengine")
        old = await centre.kill(engine)
        await centre.restarted(engine, old)
        before = caller.line.port.listener.packets if caller.line.port else 0
        await until_async(lambda: bool(caller.line.port and caller.line.port.listener.packets > before + 100), 10, "audio again")
        assert caller.hears_now(seat.voice)
        await caller.hang_up()
        await boss.call_row("13740000001", within=15, result="answered")


async def test_an_agents_phone_vanishes(centre: Centre, many: Phones) -> None:
    """A registered seat whose phone is dead never keeps a call: the next agent gets it, the seat is not ready with the reason."""
    words = [centres.TIERLINE, "seat", "--state", str(centre.state), "--seat", "8001", "--json"]
    phone = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert phone.stdout is not None
    while b"registered" not in await asyncio.wait_for(phone.stdout.readline(), 15):
        pass
    phone.kill()
    await phone.wait()
    alive = await many.seat("8002")
    async with login(centre, "1001") as first, login(centre, "1002") as second:
        await first.ready()
        caller = await many.call(digits="0")
        gone = await first.state_is("not_ready", within=12)
        assert gone["reason"] in ("no_answer", "unreachable")
        await second.ready()
        await alive.talks()
        await caller.hears(alive.voice)
        await caller.hang_up()


async def test_a_console_and_a_shipper_killed_lose_nothing(centre: Centre, many: Phones) -> None:
    """kill -9 of console and shipper during a call: when they are back, the ledger has the whole call once."""
    seat = await many.seat("8001")
    async with login(centre, "1001") as agent:
        await agent.ready()
        caller = await many.call(number="13750000001", digits="31")
        await seat.talks()
        killed = {name: await centre.kill(name) for name in ("console", "ship")}
        await caller.hang_up()
        for name, old in killed.items():
            await centre.restarted(name, old)
    async with login(centre, "9001") as boss:
        row = await boss.call_row("13750000001", within=15, result="answered", recording="filed")
        facts = (await boss.get(f"/api/calls/{row['id']}"))["facts"]
        assert len({f["id"] for f in facts}) == len(facts)
        assert sum(f["kind"] == "edge_invite" for f in facts) == 1


async def test_a_media_node_killed_frees_the_agent(centre: Centre, many: Phones) -> None:
    """kill -9 of a media node under a conversation: the agent is freed, the ledger closes the call and says why."""
    seat = await many.seat("8001")
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        await agent.ready()
        caller = await many.call(number="13760000001", digits="31")
        await caller.hears(seat.voice)
        node = (await centre.node_of("13760000001")).replace("m", "media")
        old = await centre.kill(node)
        await centre.restarted(node, old)
        await agent.state_is("ready", within=25)
        row = await boss.call_row("13760000001", within=25)
        assert row["reason"] == "node_lost"
        caller.line.hang_up()


async def test_a_drained_node_lets_people_finish(centre: Centre, many: Phones) -> None:
    """SIGTERM of a media node: who talks there talks on to the end, new calls go to the other node, then it ends."""
    seat = await many.seat("8001")
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        await agent.ready()
        talking = await many.call(number="13770000001", digits="31")
        await talking.hears(seat.voice)
        draining = await centre.node_of("13770000001")
        old = await centre.kill(draining.replace("m", "media"), signal.SIGTERM)
        for n in range(4):
            other = await many.call(number=f"1377000001{n}")
            await other.answered()
            assert (await centre.node_of(f"1377000001{n}")) != draining
            await other.hang_up()
        assert talking.hears_now(seat.voice)
        await talking.hang_up()
        await centre.restarted(draining.replace("m", "media"), old)
        await boss.call_row("13770000001", result="answered", recording="filed")
