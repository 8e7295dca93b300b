"""Three provinces and the nation in real processes, real calls: who answers whom, and what a cut of the national link does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.kit import phones
from tests.kit.books import differences
from tests.kit.console import Person, login
from tests.kit.country import PROVINCES, Country, running
from tests.kit.phones import Caller, Phones, Seat
from tests.kit.province_link import cut_between
from tests.kit.wait import until_async

QUEUES = ("22", "31", "32")  # keys that lead to billing, faults, complaints
WUHAN = "1397100{:04d}"  # numbers of the home area of Hubei
LONG_S = 16.0  # longer than a media node or a stream may be away before it is given up
LOAD_EVERY_S = 2.0  # with two agents left they are busy less than half of the time
_numbers = itertools.count(1000)


class People:
    """Phones, agents and supervisors of all provinces."""

    def __init__(self, country: Country, stack: AsyncExitStack) -> None:
        self.country, self._stack = country, stack
        self.phones: dict[str, Phones] = {}
        self.seats: dict[str, Seat] = {}  # by agent
        self.agents: dict[str, Person] = {}
        self.bosses: dict[str, Person] = {}

    async def come(self) -> None:
        """Everybody is there; nobody is ready yet."""
        for number, name in enumerate(PROVINCES, 1):
            centre = self.country.centres[name]
            self.phones[name] = await self._stack.enter_async_context(phones.at(centre.endpoints))
            self.bosses[name] = await self._stack.enter_async_context(login(centre, f"{name}-boss"))
            for n in (1, 2):
                self.seats[f"{name}{n}"] = await self.phones[name].seat(f"{number}00{n}")

    async def work(self, *provinces: str) -> None:
        """The agents of these provinces log in and take calls."""
        for name, n in itertools.product(provinces, (1, 2)):
            agent = f"{name}{n}"
            self.agents[agent] = await self._stack.enter_async_context(login(self.country.centres[name], agent))
            await self.agents[agent].ready()

    async def go_home(self, *provinces: str) -> None:
        """The agents of these provinces log out."""
        for agent in [agent for agent in self.agents if agent.startswith(provinces)]:
            await self.agents.pop(agent).post("/api/logout")

    async def all_free(self) -> None:
        """Nobody rings, talks or is stuck."""
        for person in self.agents.values():
            await person.state_is("ready", within=15)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def country(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Country]:
    """The nation and three provinces."""
    async with running(tmp_path_factory.mktemp("country")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def people(country: Country) -> AsyncIterator[People]:
    """Everybody at their places, nobody logged in before or after."""
    async with AsyncExitStack() as stack:
        made = People(country, stack)
        await made.come()
        yield made


@pytest.mark.asyncio(loop_scope="module")
async def test_callers_of_a_province_without_agents(country: Country, people: People) -> None:
    """Hubei's agents log out while a caller comes: answered in another province, by an agent who sees caller, home area and menu
    path; both hear each other; the recording is at home; both ledgers tell the same."""
    await people.work(*PROVINCES)
    first = await people.phones["hubei"].call(number=WUHAN.format(1), digits="22")
    own = next(seat for agent, seat in people.seats.items() if agent.startswith("hubei") and seat.calls)
    await first.hears(own.voice)
    await people.go_home("hubei")  # who talks goes after the talk
    caller = await people.phones["hubei"].call(number=WUHAN.format(2), digits="31")
    agent, seat = await _who_answers(people, caller.number)
    assert not agent.startswith("hubei")
    shown = (await people.agents[agent].state_is("talking"))["call"]
    assert (shown["calling"][-11:], shown["home"]["province"][:2], shown["menu_path"]) == (
        caller.number,
        "湖北",
        ["complaint", "fault"],
    )
    await caller.hears(seat.voice)
    await seat.hears(caller.voice)
    await caller.hang_up()
    await first.hang_up()
    row = await people.bosses["hubei"].call_row(caller.number, result="answered", recording="filed", side="caller")
    there = agent.rstrip("12")
    assert row["agent"] == f"{agent}@{there}"
    guest = await people.bosses[there].call_row(caller.number, result="answered", side="caller")
    assert (guest["agent"], guest["id"]) == (agent, row["id"])
    await people.all_free()
    await _nothing_lost_or_doubled(country)


async def _who_answers(people: People, number: str, within: float = 40, where: str = "") -> tuple[str, Seat]:
    """The agent (of that province) whose seat took the call of this number."""
    found: list[str] = []

    def taken() -> bool:
        found.extend(
            agent
            for agent, seat in people.seats.items()
            if agent.startswith(where) and any(line.calling.endswith(number) for line in seat.calls[-1:])
        )
        return bool(found)

    await until_async(taken, within, f"a seat rings for {number}")
    seat = people.seats[found[-1]]
    await seat.talks()
    return found[-1], seat


@pytest.mark.asyncio(loop_scope="module")
async def test_the_national_link_is_cut_under_load(country: Country, people: People) -> None:
    """While calls come everywhere the link goes down: provinces go on, Hubei asks its neighbour; mended, calls go by themselves to
    a province that is no neighbour again; every call is answered once at the most and told once, at both ends."""
    await people.work("hunan", "guangdong")
    stop = asyncio.Event()
    load = asyncio.create_task(_load(people, stop))
    try:
        await _answered_from_hubei(people, {"hunan", "guangdong"})
        await country.link.cut()
        for name in ("hunan", "guangdong"):
            caller = await people.phones[name].call(number=f"1390000{next(_numbers)}", digits="31")
            agent, seat = await _who_answers(people, caller.number)
            assert agent.startswith(name), "a province answers its own callers"
            await caller.hears(seat.voice)
            await caller.hang_up()
        for _ in range(3):
            await _answered_from_hubei(people, {"hunan"})
        await country.link.mend()
        await people.go_home("hunan")
        for _ in range(2):
            await _answered_from_hubei(people, {"guangdong"})
        await people.work("hunan")
        stop.set()
        assert await load > 8, "calls all the time"
    finally:
        load.cancel()
    await people.all_free()
    await _nothing_lost_or_doubled(country)
    for boss in people.bosses.values():
        await _audited(boss)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_long_cut_with_conversations_across_it(country: Country, people: People) -> None:
    """The national link is away for 16 s under load while callers of Hubei talk to agents of Hunan: one hangs up meanwhile and the
    agent is free at once, one is heard before, in and after it. Then the nation's router is killed: calls go by its successor."""
    await people.work("hunan", "guangdong")
    stop = asyncio.Event()
    load = asyncio.create_task(_load(people, stop, 2 * LOAD_EVERY_S))
    try:
        stays, seat, _ = await _talk_from_hubei(people, {"hunan", "guangdong"})
        await country.link.cut()
        began = asyncio.get_running_loop().time()
        leaves, _, agent = await _talk_from_hubei(people, {"hunan"})
        await leaves.hang_up()
        await people.agents[agent].state_is("ready", within=5)
        await _both_hear(stays, seat)
        await asyncio.sleep(began + LONG_S - asyncio.get_running_loop().time())
        await country.link.mend()
        old = await country.centres["nation"].kill("router1")
        await people.go_home("hunan")
        await _answered_from_hubei(people, {"guangdong"})
        await country.centres["nation"].restarted("router1", old)
        await _both_hear(stays, seat)
        await stays.hang_up()
        stop.set()
        assert await load > 4, "calls all the time"
    finally:
        load.cancel()
    await people.all_free()
    await _nothing_lost_or_doubled(country)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_way_between_two_provinces_is_cut_while_a_seat_rings(country: Country, people: People) -> None:
    """A seat of Hunan rings for a caller of Hubei when nothing passes between the two edges any more: the caller keeps the place at
    home, is answered in Guangdong, and the agent in Hunan is not stuck."""
    await people.work("hunan")
    for n in (1, 2):
        people.seats[f"hunan{n}"].behave(answer_after=None)
    edges = [int(people.phones[name].place.udp.rpartition(":")[2]) for name in ("hubei", "hunan")]
    caller = await people.phones["hubei"].call(number=WUHAN.format(next(_numbers)), digits="31")
    await until_async(lambda: any(people.seats[f"hunan{n}"].calls for n in (1, 2)), 12, "a seat of Hunan rings")
    with cut_between(*edges):
        await people.work("guangdong")
        agent, seat = await _who_answers(people, caller.number, 15, "guangdong")
        await _both_hear(caller, seat)
    await caller.hang_up()
    row = await people.bosses["hubei"].call_row(caller.number, result="answered", side="caller")
    assert row["agent"] == f"{agent}@guangdong"
    for agent, person in people.agents.items():
        await person.state_is("not_ready" if people.seats[agent].calls[-1:] and agent.startswith("hunan") else "ready", within=15)
    await _nothing_lost_or_doubled(country)


async def _talk_from_hubei(people: People, where: set[str]) -> tuple[Caller, Seat, str]:
    """A caller of Hubei who talks to an agent of one of these provinces."""
    caller = await people.phones["hubei"].call(number=WUHAN.format(next(_numbers)), digits="31")
    agent, seat = await _who_answers(people, caller.number, 15)
    assert agent.rstrip("12") in where
    await _both_hear(caller, seat)
    return caller, seat, agent


async def _both_hear(caller: Caller, seat: Seat) -> None:
    await caller.hears(seat.voice)
    await seat.hears(caller.voice)


async def _answered_from_hubei(people: People, where: set[str], within: float = 40) -> None:
    caller = await people.phones["hubei"].call(number=WUHAN.format(next(_numbers)), digits="31")
    agent, seat = await _who_answers(people, caller.number, within)
    assert agent.rstrip("12") in where
    await caller.hears(seat.voice)
    await caller.hang_up()


async def _load(people: People, stop: asyncio.Event, every_s: float = LOAD_EVERY_S) -> int:
    """A call every moment, somewhere, until told to stop; each is served and hung up after a second of talk. How many."""
    async with asyncio.TaskGroup() as group:
        for n in itertools.count():
            if stop.is_set():
                break
            name = ("hunan", "guangdong", "hubei")[n % 3]
            group.create_task(_one(people.phones[name], QUEUES[n % len(QUEUES)]))
            await asyncio.sleep(every_s)
    return n


async def _one(many: Phones, digits: str) -> None:
    caller = await many.call(number=f"1390000{next(_numbers)}")
    try:
        await caller.answered()
        await caller.press(digits)
        await caller.hears_a_person(within=40)
        await asyncio.sleep(1)
    finally:
        caller.line.hang_up()


async def _nothing_lost_or_doubled(country: Country) -> None:
    """The books of all provinces agree (tests/kit/books.py)."""
    found: list[str] = []

    def agree() -> bool:
        found[:] = differences({name: country.centres[name].facts() for name in PROVINCES})
        return not found

    try:
        await until_async(agree, 20, "the books agree", 0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}") from error


async def _audited(boss: Person) -> None:
    """The console's audit has judged every call of its province and names none."""

    async def all_judged() -> bool:
        return not (await boss.get("/api/audit"))["open"]

    await until_async(all_judged, 30, "the audit has judged all calls", 0.5)
    audit = await boss.get("/api/audit")
    assert not audit["findings"], audit
