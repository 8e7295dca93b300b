"""`tierline seat` and `tierline call` as a user runs them: processes, a registrar, one call from one to the other."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from media.phone.network import Network
from ops import audio
from tests.kit.phones import voice
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.media.phone.registrar import Registrar, header, serve

HOST, CARRIER = "127.0.0.1", "127.0.0.2"
COMMAND = (sys.executable, "-m", "ops")


@pytest.fixture
async def registrar() -> AsyncIterator[tuple[Registrar, str]]:
    """A registrar that knows seats 8001 and 8002, and where it is."""
    port = free_port()
    server = Registrar(passwords={"8001": "one", "8002": "two"})
    await serve(server, port)
    yield server, f"{HOST}:{port}"
    assert server.transport is not None
    server.transport.close()


async def test_registration_lives_and_ends(registrar: tuple[Registrar, str]) -> None:
    """A seat answers the digest challenge, renews before its time is up, and takes its contact away at the end."""
    server, edge = registrar
    server.expires = 1
    network = await Network.open(HOST, edge)
    account = network.account("8001", server.realm, 60)
    assert await account.register("one") == 200
    assert re.match(rf"<sip:8001@{HOST}:{network.port}>", server.contacts["8001"])
    await until_async(lambda: server.granted >= 3, 6, "renewed twice")
    await account.unregister()
    assert server.contacts == {}
    await network.close()


async def test_wrong_password(registrar: tuple[Registrar, str]) -> None:
    """A wrong password is told with the status the registrar gave, and changes nothing there."""
    server, edge = registrar
    network = await Network.open(HOST, edge)
    account = network.account("8001", server.realm)
    assert await account.register("wrong") == 403
    assert server.contacts == {}
    await account.unregister()
    await network.close()


async def test_registration_over_tcp_names_it(registrar: tuple[Registrar, str]) -> None:
    """A phone that is to use TCP says so in its contact; where nothing listens it is told as unreachable."""
    server, edge = registrar
    network = await Network.open(HOST, edge, "tcp")
    account = network.account("8001", server.realm)
    assert await account.register("one") in (408, 503)
    assert server.requests == []
    await account.unregister()
    await network.close()


class Process:
    """A `tierline` command that runs, with its events."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.events.append(json.loads(line))

    def names(self, seat: str) -> list[str]:
        return [event["event"] for event in self.events if event["seat"] == seat]

    async def end(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(self.process.wait(), 10)
        await self.reader
        return status


async def tierline(*words: object) -> Process:
    everything = [*COMMAND, *map(str, words)]
    return Process(await asyncio.create_subprocess_exec(*everything, stdout=asyncio.subprocess.PIPE))


async def run(*words: object) -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, *map(str, words), stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_seats_register_and_leave(registrar: tuple[Registrar, str]) -> None:
    """One process is several seats; SIGTERM un-registers all of them and ends with status 0."""
    server, edge = registrar
    server.passwords = {"8001": "same", "8002": "same"}
    seats = await tierline("seat", "--edge", edge, "--realm", server.realm, "--seat", "8001,8002", "--password", "same", "--json")
    await until_async(lambda: set(server.contacts) == {"8001", "8002"}, 15, "both registered")
    await until_async(lambda: len(seats.events) == 2, 5, "both told")
    assert await seats.end() == 0
    assert server.contacts == {}
    assert seats.names("8001") == ["registered", "unregistered"]


async def test_a_refused_seat_says_why(registrar: tuple[Registrar, str]) -> None:
    """A seat with a wrong password says so, tries on, and ends with status 1."""
    server, edge = registrar
    seat = await tierline("seat", "--edge", edge, "--realm", server.realm, "--seat", "8001", "--password", "bad", "--json")
    await until_async(lambda: bool(seat.events), 15, "told")
    assert await seat.end() == 1
    assert (seat.events[0]["event"], seat.events[0]["status"]) == ("register_failed", 403)
    assert "password" in seat.events[0]["reason"]


async def test_a_call_from_command_to_command(registrar: tuple[Registrar, str], tmp_path: Path) -> None:
    """`tierline call` calls a `tierline seat`: both speak a file, both record the other, the agent hangs up as the plan says."""
    server, edge = registrar
    for name in ("agent", "caller"):
        audio.write_wav(tmp_path / f"{name}.wav", voice(name))
    options = ["--answer-after", 0.1, "--audio", tmp_path / "agent.wav", "--record", tmp_path / "heard", "--json"]
    seat = await tierline("seat", "--edge", edge, "--realm", server.realm, "--seat", "8001", "--password", "one", *options)
    await until_async(lambda: "8001" in server.contacts, 15, "registered")
    found = re.search(r"@([\d.:]+)", header(server.requests[-1], "Contact"))
    assert found is not None
    plan = {
        "from": "13812345678",
        "to": "8001",
        "digits": "w",
        "audio": "caller.wav",
        "talk": 4,
        "hangup_by": "agent",
        "record": "call.wav",
    }
    (tmp_path / "plan.json").write_text(json.dumps([plan]))
    (tmp_path / "prompts").mkdir()
    where = ["--edge", found[1], "--bind", CARRIER, "--prompts", tmp_path / "prompts"]
    status, out, err = await run("call", *where, "--plan", tmp_path / "plan.json", "--json")
    result = json.loads(out)
    assert (status, result["result"], result["ended_by"], result["error"]) == (0, "talked", "centre", ""), err
    await until_async(lambda: "ended" in seat.names("8001"), 5, "the seat told the end")
    assert await seat.end() == 0
    assert audio.correlation(voice("agent"), audio.read_wav(tmp_path / "call.wav")[0])[0] > 0.95
    assert audio.correlation(voice("caller"), audio.read_wav(tmp_path / "heard" / "8001-1.wav")[0])[0] > 0.95
    assert seat.names("8001") == ["registered", "ringing", "answered", "ended", "unregistered"]
    assert "13812345678" not in json.dumps(seat.events)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--from", "1", "--to", "2"], "--state DIR"),
        (["--state", "/nowhere", "--from", "1", "--to", "2"], "is the centre up"),
        (["--edge", "127.0.0.1:1", "--bind", "127.0.0.2", "--from", "1", "--to", "2"], "--talk-from answer"),
        (["--edge", "127.0.0.1:1", "--bind", "127.0.0.2", "--to", "2"], "'from' is missing"),
        (["--edge", "127.0.0.1:1", "--from", "1", "--to", "2", "--talk-from", "answer"], "--bind ADDRESS"),
        (
            ["--edge", "127.0.0.1:1", "--bind", "192.0.2.1", "--from", "1", "--to", "2", "--talk-from", "answer"],
            "address of this machine",
        ),
        (["--state", "/nowhere", "--plan", "/nowhere/plan.json"], "plan.json"),
    ],
)
async def test_call_says_what_to_do(words: list[str], why: str) -> None:
    """Wrong use of `tierline call` ends with status 1 and one line that helps."""
    status, _, err = await run("call", *words)
    assert status == 1
    assert why in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--seat", "8001"], "--state DIR"),
        (
            ["--seat", "8001", "--edge", "127.0.0.1:1", "--realm", "r", "--password", "p", "--audio", "/nowhere/a.wav"],
            "a.wav is not there",
        ),
    ],
)
async def test_seat_says_what_to_do(words: list[str], why: str) -> None:
    """Wrong use of `tierline seat` ends with status 1 and one line that helps."""
    status, _, err = await run("seat", *words)
    assert status == 1
    assert why in err
    assert "Traceback" not in err
