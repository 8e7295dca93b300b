"""A caller asks to be called back, hangs up, and is called when the turn comes: on the real components, one of which may die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from media.phone.line import Line, Phone
from media.phone.network import Network
from media.phone.rtp import Ticker
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
    text = text.replace("[media]\n", "[router]\nnode_lost_s = 4\ncallback_every_s = 2\n[media]\n")
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
    yield made
    phone.close()
    await network.close()


async def wish(boss: Person, centre: Centre, many: Phones, number: str) -> None:
    """Somebody calls while the only agent is away, is told of the wait, presses 1 and hangs up; the place is kept."""
    caller = await many.call(number=number, digits="31")
    await caller.answered()
    await boss.waiting_are(1)
    call = next(f.call for f in reversed(centre.facts(("call_started",))) if str(f.body["calling"]).endswith(number))
    for _ in range(20):  # the key counts from when it was told, which a phone cannot hear
        await caller.press("1")
        if centre.facts(("callback_asked",), call):
            break
        await asyncio.sleep(0.5)
    assert centre.facts(("callback_asked",), call)
    await caller.hang_up()
    await boss.waiting_are(1)


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
