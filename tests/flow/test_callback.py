"""A caller asks to be called back, hangs up, and is called when the turn comes: on the real components, one of which may die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from media.phone.line import Line, Phone
from media.phone.network import Network
from media.phone.rtp import Ticker
from router.store.keys import key
from tests.flow.test_one_call import channels, says
from tests.kit import centre as centres
from tests.kit import phones
from tests.kit.centre import TEST_CENTRE, Centre
from tests.kit.console import Person, login
from tests.kit.phones import Party, Phones
from tests.kit.ports import free_block
from tests.kit.wait import until_async

CARRIER = "127.0.0.2"
PORT = free_block(1)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """A centre whose trunk takes calls and whose queues have callbacks."""
    text = TEST_CENTRE.replace('addresses = ["127.0.0.2"]', f'addresses = ["127.0.0.2"]\noutbound = "{CARRIER}:{PORT}"')
    text = text.replace("ring_s = 4\n", "ring_s = 4\ncallback_from_s = 1\n")
    text = text.replace("[media]\n", "[router]\ncallback_every_s = 2\n[media]\n")
    running = centres.start(tmp_path_factory.mktemp("callback"), text)
    try:
        yield running
    finally:
        centres.stop(running)


@pytest.fixture
async def many(centre: Centre) -> AsyncIterator[Phones]:
    """Phones at that centre."""
    async with phones.at(centre.endpoints) as these:
        yield these


class Customer(Party):
    """The customer's phone behind the carrier: rings, and is answered or not as the test wants."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[Line] = []

    async def rings(self, count: int = 1, within: float = 20) -> Line:
        """The call that rings here."""
        await until_async(lambda: len(self.calls) >= count, within, f"{self.name} rings")
        self._line = self.calls[count - 1]
        return self._line

    def pick_up(self) -> None:
        """Answer and speak."""
        self.line.answer()
        self._speak()


@asynccontextmanager
async def customer() -> AsyncIterator[Customer]:
    """A phone at the address the trunk sends calls to."""
    network = await Network.open(CARRIER, port=PORT)
    phone = Phone(network.agent, CARRIER, Ticker())
    made = Customer("customer")

    def taken(line: Line) -> None:
        made.calls.append(line)
        line.ring()

    phone.on_call = taken
    try:
        yield made
    finally:  # also after a failure: the next test needs the port
        phone.close()
        await network.close()


async def wish(boss: Person, centre: Centre, many: Phones, number: str, already: int = 0) -> None:
    """Somebody calls while the only agent is away, is told of the wait, presses 1 and hangs up; the place is kept.
    `already`: so many wait before."""
    caller = await many.call(number=number, digits="31")
    await caller.answered()
    await boss.waiting_are(already + 1)
    call = next(f.call for f in reversed(centre.facts(("call_started",))) if str(f.body["calling"]).endswith(number))
    for _ in range(20):  # the key counts from when it was told, which a phone cannot hear
        await caller.press("1")
        if centre.facts(("callback_asked",), call):
            break
        await asyncio.sleep(0.5)
    assert centre.facts(("callback_asked",), call)
    await caller.hang_up()
    await boss.waiting_are(already + 1)


async def test_a_customer_is_called_back(centre: Centre, many: Phones) -> None:
    """Key, hang up; an agent gets free, the seat rings, then the customer's phone; both hear each other; row and recording fit."""
    async with login(centre, "1001") as agent, login(centre, "9001") as boss, customer() as phone:
        seat = await many.seat("8001")
        await agent.post("/api/agent/not-ready", reason="rest")
        await wish(boss, centre, many, "13800138021")
        await agent.ready()
        await seat.talks()
        line = await phone.rings()
        assert (line.called, line.calling) == ("13800138021", "95588")
        pop = (await agent.state_is("talking"))["call"]
        assert (pop["callback"], pop["menu_path"]) == (True, ["complaint", "fault"])
        phone.pick_up()
        await phone.hears(seat.voice)
        await seat.hears(phone.voice)
        await asyncio.sleep(1.5)  # a talk of some length: so much of both voices is looked for in the recording
        await phone.hang_up()
        assert (await seat.over()).by == "them"
        row = await boss.call_row("13800138021", result="answered", recording="filed")
        assert (row["side"], row["agent"], row["queue"]) == ("caller", "1001", "faults")
        left, right = channels(await boss.recording(row["id"]))
        assert says(left, phone.voice)
        assert says(right, seat.voice)
        kinds = [f["kind"] for f in (await boss.get(f"/api/calls/{row['id']}"))["facts"]]
        way = ["enqueued", "callback_asked", "offered", "callback_dialled", "bridged", "call_ended", "recorded"]
        assert [kind for kind in dict.fromkeys(kinds) if kind in way] == way
        assert kinds.count("call_ended") == 1


async def test_nothing_of_it_hangs_on_a_node(centre: Centre, many: Phones) -> None:
    """kill -9 of the node that took the wish, then a customer who is busy: called again a while later, with the place kept."""
    async with login(centre, "1001") as agent, login(centre, "9001") as boss, customer() as phone:
        seat = await many.seat("8001")
        await agent.post("/api/agent/not-ready", reason="rest")
        await wish(boss, centre, many, "13800138022")
        node = await centre.node_of("13800138022")
        old = await centre.kill(f"media{node[1:]}")
        await boss.waiting_are(1)
        await agent.ready()
        await seat.talks(within=15)
        (await phone.rings()).refuse(486)
        await phone.rings(2)
        phone.pick_up()
        await phone.hears(seat.voice)
        await seat.hang_up()
        row = await boss.call_row("13800138022", result="answered")
        facts = (await boss.get(f"/api/calls/{row['id']}"))["facts"]
        failed = [f["body"] for f in facts if f["kind"] == "callback_failed"]
        assert [(f["reason"], f["tries"]) for f in failed] == [("REASON_BUSY", 1)]
        await centre.restarted(f"media{node[1:]}", old)


WAY = ["enqueued", "callback_asked", "offered", "callback_dialled", "callback_failed", "bridged", "call_ended"]


async def way(boss: Person, number: str) -> list[str]:
    """The facts of a call in their order, those of WAY; each of them once by id."""
    row = await boss.call_row(number, within=20, result="answered", recording="filed")
    facts = (await boss.get(f"/api/calls/{row['id']}"))["facts"]
    assert len({fact["id"] for fact in facts}) == len(facts)
    return [fact["kind"] for fact in facts if fact["kind"] in WAY]


async def test_a_router_dies_under_callbacks(centre: Centre, many: Phones) -> None:
    """kill -9 of the router while three wait to be called back, and again while one is being dialled, who picks up while no router
    is there: each is called once, in the order they came, and nobody is called again afterwards."""
    numbers = [f"1380013803{n}" for n in range(3)]
    async with login(centre, "1001") as agent, login(centre, "9001") as boss, customer() as phone:
        seat = await many.seat("8001")
        await agent.post("/api/agent/not-ready", reason="rest")
        for n, number in enumerate(numbers):
            await wish(boss, centre, many, number, already=n)
        old = await centre.kill("router1")
        await centre.restarted("router1", old)
        await boss.waiting_are(3)
        await agent.ready()
        await phone.rings()
        old = await centre.kill("router1")
        phone.pick_up()
        await phone.hears(seat.voice)
        await centre.restarted("router1", old)
        await agent.state_is("talking")
        await phone.hang_up()
        for n in (2, 3):
            await phone.rings(n)
            phone.pick_up()
            await phone.hears(seat.voice)
            await phone.hang_up()
        assert [line.called for line in phone.calls] == numbers
        await agent.state_is("ready")
        for number in numbers:
            assert await way(boss, number) == [kind for kind in WAY if kind != "callback_failed"]


async def test_redis_dies_under_callbacks(centre: Centre, many: Phones) -> None:
    """kill -9 of Redis while two wait to be called back, the last wish hardly said: both are called once, in their order."""
    numbers = ["13800138041", "13800138042"]
    async with login(centre, "1001") as agent, login(centre, "9001") as boss, customer() as phone:
        seat = await many.seat("8001")
        await agent.post("/api/agent/not-ready", reason="rest")
        for n, number in enumerate(numbers):
            await wish(boss, centre, many, number, already=n)
        old = await centre.kill("redis")
        await centre.restarted("redis", old)
        await boss.waiting_are(2, within=15)
        await agent.ready()
        for n in (1, 2):
            await phone.rings(n)
            phone.pick_up()
            await phone.hears(seat.voice)
            await phone.hang_up()
        assert [line.called for line in phone.calls] == numbers
        await agent.state_is("ready")
        for number in numbers:
            assert await way(boss, number) == [kind for kind in WAY if kind != "callback_failed"]


async def test_the_node_dies_that_calls_the_customer(centre: Centre, many: Phones) -> None:
    """kill -9 of the node while the customer's phone rings: the call is back with its old time when that phone may be silent,
    a try is counted, and there is one conversation."""
    number = "13800138051"
    async with login(centre, "1001") as agent, login(centre, "9001") as boss, customer() as phone:
        seat = await many.seat("8001")
        await agent.post("/api/agent/not-ready", reason="rest")
        await wish(boss, centre, many, number)
        await agent.ready()
        dead = await phone.rings()
        node = await holder(centre, number)
        old = await centre.kill(f"media{node[1:]}")
        await seat.hang_up()
        await phone.rings(2, within=30)
        phone.pick_up()
        await phone.hears(seat.voice)
        await seat.hears(phone.voice)
        dead.refuse(480)
        await phone.hang_up()
        await centre.restarted(f"media{node[1:]}", old)
        await agent.state_is("ready", within=15)
        again = ["callback_failed", "offered", "callback_dialled"]
        assert await way(boss, number) == [*WAY[:4], *again, "bridged", "call_ended"]
        assert len(phone.calls) == 2


async def holder(centre: Centre, number: str) -> str:
    """The media node that makes the call back to `number`."""
    call = next(f.call for f in reversed(centre.facts(("call_started",))) if str(f.body["calling"]).endswith(number))
    node: Any = centre.redis.hget(key(centre.endpoints["tenant"], "call", call), "node")
    return str(node.decode())
