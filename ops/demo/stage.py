"""Phones and callers of the demonstration as processes of their own, as a user would start them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.demo import baresip, sounds
from ops.demo.script import RING_ONLY, Call, Scene
from ops.supervise.files import write
from ops.supervise.resolve import free
from ops.supervise.services import ROOT

TIERLINE = (sys.executable, "-m", "ops")
REGISTER_S = 20.0
LOW, HIGH = 34_000, 60_000  # audio of the softphones, away from the centre's


class StageError(Exception):
    """Something of the demonstration does not work; the text says what and where to look."""


@dataclass
class Stage:
    """What was started and has to be ended. `state`: of the running centre; `folder`: for files of the demonstration."""

    state: Path
    folder: Path
    endpoints: dict[str, Any]
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def simulated(self, seat: str) -> None:
        """A phone of `tierline seat`; back when it is registered. Raises StageError."""
        words = [*TIERLINE, "seat", "--json", "--state", str(self.state), "--seat", seat, "--record", str(self.folder)]
        words += ["--audio", str(sounds.agent(self.folder, seat)), "--answer-after", "0.8"]
        if seat == RING_ONLY:
            words = [*words[:-2], "--never-answer"]
        await self._phone(f"seat-{seat}", words, lambda line: '"registered"' in line)

    async def baresip(self, seat: str, transport: str) -> None:
        """A real softphone; back when it is registered. Raises StageError."""
        edge = self.endpoints["sip"][transport]
        said = sounds.repeated(sounds.agent(self.folder, seat), baresip.SAYS_S, self.folder / f"baresip-{seat}.wav")
        ports = _ports(edge.rpartition(":")[0], int(seat))
        values: dict[str, object] = {
            "seat": seat,
            "realm": self.endpoints["realm"],
            "password": self.password("seats", "seat", seat),
            "edge": edge,
            "transport": transport,
            "address": edge.rpartition(":")[0],
            "port": ports[0],
            "low": ports[2],
            "high": ports[-1],
            "audio": f"../{said.name}",
        }
        folder = self.folder / f"baresip-{seat}"
        await self._phone(folder.name, baresip.prepare(folder, values), baresip.registered, folder)

    def password(self, table: str, key: str, name: str) -> str:
        """From the centre's credentials file. Raises StageError."""
        rows = json.loads(Path(self.endpoints["credentials"]).read_text(encoding="utf-8"))[table]
        found = next((row["password"] for row in rows if row[key] == name), None)
        if found is None:
            raise StageError(f"{self.endpoints['credentials']} knows no {name}: was the centre started with another centre.toml?")
        return str(found)

    async def _phone(self, name: str, words: list[str], registered: Callable[[str], bool], cwd: Path = ROOT) -> None:
        """Start a phone, its words into a log, and wait until it says that it is registered."""
        log = self.folder / f"{name}.log"
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
        )
        self.processes.append(process)
        there = asyncio.Event()
        task = asyncio.create_task(_copy(process, log, lambda line: there.set() if registered(line) else None))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        waiter = asyncio.create_task(there.wait())
        await asyncio.wait([waiter, task], timeout=REGISTER_S, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if not there.is_set():
            raise StageError(f"{name} did not register within {REGISTER_S:.0f} s; its words are in {log}")

    async def play(self, scene: Scene) -> AsyncIterator[dict[str, Any]]:
        """Place the calls of a scene by one `tierline call`; each result as it comes (media/phone/plan.py)."""
        plan = self.folder / f"plan-{scene.name.replace(' ', '-')}.json"
        write(plan, [self._entry(call) for call in scene.calls])
        with (self.folder / "calls.log").open("ab") as words:
            process = await asyncio.create_subprocess_exec(
                *TIERLINE,
                *("call", "--json", "--state", str(self.state), "--plan", str(plan)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=words,
                cwd=ROOT,
                start_new_session=True,
            )
        self.processes.append(process)
        assert process.stdout is not None
        count = 0
        async for line in process.stdout:
            count += 1
            yield json.loads(line)
        await process.wait()
        if count != len(scene.calls):
            raise StageError(
                f"{count} of {len(scene.calls)} calls of scene {scene.name} came to an end; see {self.folder / 'calls.log'}"
            )

    def _entry(self, call: Call) -> dict[str, Any]:
        names = ("name", "at", "digits", "talk", "hangup_by", "give_up", "trunk", "expect")
        entry = {name: getattr(call, name) for name in names}
        said = str(sounds.caller(self.folder, call.calling))
        heard = str(self.folder / f"heard-{call.calling}.wav")
        return entry | {"from": call.calling, "to": call.called, "audio": said, "record": heard}

    async def close(self) -> None:
        """End every phone and caller."""
        for process in self.processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def _copy(process: asyncio.subprocess.Process, log: Path, heard: Callable[[str], None]) -> None:
    assert process.stdout is not None
    with log.open("wb", buffering=0) as out:
        async for line in process.stdout:
            out.write(line)
            heard(line.decode("utf-8", "replace"))


def _ports(address: str, start: int) -> range:
    """40 neighbouring free UDP ports. Raises StageError."""
    for low in range(LOW + start % 100 * 40, HIGH, 40):
        block = range(low, low + 40)
        if all(free(address, port, ("udp", "tcp")) for port in block):
            return block
    raise StageError(f"no 40 neighbouring free ports between {LOW} and {HIGH} for a softphone")
