"""Callers and seats for flow tests, in the test's own loop, so that a test reads like what people do.

    async with phones.at(centre.endpoints) as many:
        seat = await many.seat("8001")
        caller = await many.call(digits="1")
        await caller.hears(seat.voice)
        await seat.hears(caller.voice)
        await caller.hang_up()
        assert (await seat.over()).by == "them"

Every caller and seat has a voice of its own (a noise with syllables, in a loop), so that who hears whom is a matter of correlation.
"""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from media.phone import sound
from media.phone.desk import Desk, Habits
from media.phone.ear import Ear, Published
from media.phone.line import Line, Over, Phone, State
from media.phone.network import Account, Network
from media.phone.place import Place, from_endpoints
from media.phone.plan import PAUSE, PAUSE_S, keys
from media.phone.rtp import Ticker
from ops import audio
from tests.kit.rtp_phone import likeness
from tests.kit.wait import until_async

ALIKE = 0.9
_numbers = itertools.count(1)


def voice(name: str, seconds: float = 3.0) -> audio.Samples:
    """A voice that no other name has: noise of speech-like loudness in syllables of a quarter of a second."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    length = int(seconds * audio.RATE)
    noise = np.convolve(random.standard_normal(length), np.ones(4) / 4, "same")
    syllables = np.repeat(random.uniform(0.3, 1.0, length // 2000 + 1), 2000)[:length]
    return (noise * syllables * 9000).clip(-30000, 30000).astype(np.int16)


class Party:
    """One end of a conversation."""

    def __init__(self, name: str, line: Line | None = None) -> None:
        self.name = name
        self.voice = voice(name)
        self._line = line
        self.keys = ""  # keys heard from the other side

    @property
    def line(self) -> Line:
        """The conversation."""
        assert self._line is not None, f"{self.name} has no call"
        return self._line

    @property
    def heard(self) -> audio.Samples:
        """All that was heard so far, on the time line of the call."""
        assert self.line.port is not None
        return sound.heard(self.line.port.listener)

    async def hears(self, what: audio.Samples, within: float = 8.0) -> None:
        """Return when half a second of `what` was heard in the last few seconds; AssertionError with how alike it was at best."""
        best = 0.0

        def alike() -> bool:
            nonlocal best
            best = max(best, self._likeness(what))
            return best >= ALIKE

        try:
            await until_async(alike, within, f"{self.name} hears it", 0.2)
        except AssertionError as error:
            raise AssertionError(f"{error} (likeness {best:.2f}, want {ALIKE})") from error

    def hears_now(self, what: audio.Samples) -> bool:
        """Half a second of `what` was among the last few seconds."""
        return self._likeness(what) >= ALIKE

    def _likeness(self, what: audio.Samples) -> float:
        assert self.line.port is not None
        return likeness(sound.heard(self.line.port.listener, len(what) + 2 * audio.RATE), what)

    async def over(self, within: float = 10.0) -> Over:
        """How the conversation ended, once it did."""
        return await asyncio.wait_for(asyncio.shield(self.line.over), within)

    async def hang_up(self) -> Over:
        """End it."""
        self.line.hang_up()
        return await self.over()

    async def press(self, digits: str, by: str = "rtp") -> None:
        """Press keys one by one (w waits half a second); returns when the last is out."""
        for key in keys(digits):
            if key == PAUSE:
                await asyncio.sleep(PAUSE_S)
                continue
            self.line.press(key, by_info=by == "info")
            if by == "rtp":
                await until_async(lambda: self._released(), 8, f"{self.name} pressed a key")

    def _released(self) -> bool:
        return self.line.state is State.OVER or self.line.port is None or not self.line.port.talker.pressing

    def _speak(self) -> None:
        if self.line.port is not None:
            self.line.port.talker.say(audio.encode_alaw(self.voice), loop=True)


class Caller(Party):
    """Somebody who called the centre. Speaks all the time."""

    def __init__(self, name: str, line: Line, published: Published) -> None:
        super().__init__(name, line)
        self.number = line.calling
        self._ear = Ear(published)
        self._speak()
        if line.port is not None:
            line.port.listener.on_sound = self._sound

    def _sound(self, payload: bytes) -> None:
        self._ear.take(payload, self.line.phone.now())

    async def answered(self, within: float = 5.0) -> None:
        """Return when the call is answered; AssertionError when it is refused or takes longer."""
        if not await asyncio.wait_for(asyncio.shield(self.line.answered), within):
            raise AssertionError(f"{self.name} was refused: {await self.over()}")

    async def refused(self, within: float = 5.0) -> Over:
        """How the call was refused; AssertionError when it is answered."""
        assert not await asyncio.wait_for(asyncio.shield(self.line.answered), within), f"{self.name} was answered"
        return await self.over()

    async def hears_a_person(self, within: float = 10.0) -> None:
        """Return when something is heard that is no published prompt or music."""
        await until_async(lambda: self._ear.heard_at is not None, within, f"{self.name} hears a person")

    @property
    def heard_a_person(self) -> bool:
        """Somebody was heard."""
        return self._ear.heard_at is not None


class Seat(Party):
    """A registered desk phone. By itself it rings, answers after `answer_after` and speaks; events are kept in `events`."""

    def __init__(self, seat: str, habits: Habits | None, account: Account) -> None:
        super().__init__(f"seat {seat}")
        self.seat, self.account = seat, account
        self.events: list[tuple[str, dict[str, object]]] = []
        habits = habits or Habits(answer_after=0.1)
        habits = replace(habits, audio=habits.audio or audio.encode_alaw(self.voice))
        self.desk = Desk(seat, habits, self._tell)
        self.calls: list[Line] = []
        self._rung = 0

    def behave(self, **changes: Any) -> None:
        """Change habits from the next call on, e.g. `behave(answer_after=None)`."""
        self.desk.habits = replace(self.desk.habits, **changes)

    def take(self, line: Line) -> None:
        """An incoming call."""
        self.calls.append(line)
        self._line = line
        self.desk.take(line)

    async def rings(self, within: float = 5.0) -> Line:
        """The next call that rings here; each call is told once."""
        await until_async(lambda: len(self.calls) > self._rung, within, f"{self.name} rings")
        self._rung += 1
        return self.calls[self._rung - 1]

    async def talks(self, within: float = 8.0) -> Line:
        """Return when a call is answered here."""
        await until_async(lambda: bool(self.calls) and self.calls[-1].state is State.TALKING, within, f"{self.name} talks")
        return self.calls[-1]

    def _tell(self, event: str, fields: dict[str, object]) -> None:
        self.events.append((event, fields))


class Phones:
    """Callers from a carrier's address and seats, on one ticker."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.published = Published.folder(place.prompts) if place.prompts is not None and place.prompts.is_dir() else Published()
        self._ticker = Ticker()
        self._phones: dict[str, tuple[Network, Phone]] = {}
        self._seats: dict[str, Seat] = {}

    async def call(
        self, to: str = "", number: str = "", digits: str = "", by: str = "rtp", bind: str = "", name: str = ""
    ) -> Caller:
        """Call the centre (`to`: service number) from a carrier; with `digits`, wait for the answer and press them."""
        phone = await self._carrier(bind or self.place.carrier_address())
        number = number or f"1380000{next(_numbers):04d}"
        target = f"sip:{to or self.place.number}@{self.place.udp}"
        caller = Caller(name or f"caller {number}", phone.call(target, number, f"sip:{self.place.udp}"), self.published)
        if digits:
            await caller.answered()
            await caller.press(digits, by)
        return caller

    async def seat(self, seat: str, habits: Habits | None = None, password: str = "", transport: str = "udp") -> Seat:
        """Register a seat; AssertionError when it is refused."""
        edge = self.place.tcp if transport == "tcp" else self.place.udp
        network, _ = await self._desk_phones(edge, transport)
        account = network.account(seat, self.place.realm)
        self._seats[seat] = Seat(seat, habits, account)
        status = await account.register(password or self.place.passwords[seat])
        assert status == 200, f"seat {seat} was refused: {status}"
        return self._seats[seat]

    async def close(self) -> None:
        """Hang everything up, un-register, free the ports."""
        for seat in self._seats.values():
            await seat.account.unregister()
        for network, phone in self._phones.values():
            phone.close()
            await network.close()

    async def _carrier(self, address: str) -> Phone:
        if address not in self._phones:
            network = await Network.open(address)
            self._phones[address] = network, Phone(network.agent, address, self._ticker)
        return self._phones[address][1]

    async def _desk_phones(self, edge: str, transport: str) -> tuple[Network, Phone]:
        key = f"seats {transport}"
        if key not in self._phones:
            address = edge.rpartition(":")[0]
            network = await Network.open(address, edge, transport)
            phone = Phone(network.agent, address, self._ticker)
            phone.on_call = self._ring
            self._phones[key] = network, phone
        return self._phones[key]

    def _ring(self, line: Line) -> None:
        seat = self._seats.get(line.called)
        if seat is None:
            line.refuse(404)
        else:
            seat.take(line)


@asynccontextmanager
async def at(endpoints: Mapping[str, Any]) -> AsyncIterator[Phones]:
    """Phones for the centre of an endpoints.json."""
    phones = Phones(from_endpoints(endpoints))
    try:
        yield phones
    finally:
        await phones.close()
