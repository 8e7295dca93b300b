"""A desk phone by rule: rings, answers (or is busy, or nobody picks up), speaks a file, records, hangs up. One object a seat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from media.phone import sound
from media.phone.line import Line, Over
from ops.numbers import mask

Tell = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a simulated agent behaves at the phone. Times in seconds."""

    answer_after: float | None = 1.0  # None: never picks up
    busy: bool = False  # 486 to every call
    refuse: int = 0  # this status to every call, 480: do not disturb
    audio: bytes = b""  # A-law, said in a loop after the answer
    speak_after: float = 0.3  # as people do; the first words are not lost while the centre connects
    hangup_after: float | None = None  # None: waits for the other side
    hangup_on: str = ""  # hang up when the other side presses this key
    record: Path | None = None  # folder for what was heard


class Desk:
    """One seat's phone. `tell(event, fields)` hears what goes on."""

    def __init__(self, seat: str, habits: Habits, tell: Tell) -> None:
        self.seat, self.habits, self._tell = seat, habits, tell
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.line: Line | None = None

    def take(self, line: Line) -> None:
        """An incoming call."""
        taken = self.line is not None and not self.line.over.done()
        status = self.habits.refuse or (486 if self.habits.busy or taken else 0)
        if status:
            self._say("refused", line, self._calls, status=status)
            line.refuse(status)
            return
        self.line = line
        self._calls += 1
        line.on_key = lambda key: self._key(line, key)
        line.ring()
        self._say("ringing", line, self._calls)
        task = asyncio.create_task(self._converse(line, self._calls))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, line: Line, number: int) -> None:
        try:
            if not await self._over_within(line, self.habits.answer_after):
                line.answer()
            if line.answered.done() and line.answered.result():
                self._say("answered", line, number)
                await self._talk(line)
            self._ended(line, number, await line.over)
        finally:
            if self.line is line:  # the next call may be here already: it can come right behind a BYE
                self.line = None

    async def _talk(self, line: Line) -> None:
        if not await self._over_within(line, self.habits.speak_after) and line.port is not None:
            line.port.talker.say(self.habits.audio, loop=True)
        hangup_after = self.habits.hangup_after
        left = None if hangup_after is None else line.answered_at + hangup_after - line.phone.now()
        if not await self._over_within(line, left):
            line.hang_up()

    async def _over_within(self, line: Line, seconds: float | None) -> bool:
        await asyncio.wait([line.over], timeout=None if seconds is None else max(0.0, seconds))
        return line.over.done()

    def _key(self, line: Line, key: str) -> None:
        if key == self.habits.hangup_on:
            line.hang_up()

    def _ended(self, line: Line, number: int, over: Over) -> None:
        talk = line.ended_at - line.answered_at if line.answered_at else 0.0
        port = line.port
        heard = {"packets": port.listener.packets} if port is not None else {}
        by = {"us": "seat", "them": "caller"}.get(over.by, "nobody")
        record = self._record(line, number)
        self._say("ended", line, number, by=by, reason=over.reason, talk_ms=int(talk * 1000), record=record, **heard)

    def _record(self, line: Line, number: int) -> str:
        if self.habits.record is None or line.port is None or not line.answered_at:
            return ""
        path = self.habits.record / f"{self.seat}-{number}.wav"
        sound.save(line.port.listener, path)
        return str(path)

    def _say(self, event: str, line: Line, number: int, **fields: object) -> None:
        self._tell(event, {"seat": self.seat, "call": number, "calling": mask(line.calling), **fields})

    async def close(self) -> None:
        """Hang up and let the call be told."""
        if self.line is not None:
            self.line.hang_up()
        if self._tasks:
            await asyncio.wait(self._tasks)
