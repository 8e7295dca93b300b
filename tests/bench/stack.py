"""A whole centre for a bench, started as a user starts it, with load processes at it: what `fair`, `order` and `soak` share."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import redis
from tierline.agents.v1 import agents_pb2, agents_pb2_grpc

from media.ivr.prompts import INDEX, MUSIC
from ops import facts as facts_
from ops import keys, redis_access
from ops.config import load
from ops.facts import Fact
from tests.bench.call import NUMBER, ROOT, TIERLINE, Load

FIRST_SEAT = 8001
TRUNK = "carrier-a"
QUEUES = {"billing": 0, "faults": 1, "complaints": 2}  # priority; by the keys 0, 31, 32 of the menu
PRIORITY_WORTH_MS = 120_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What centre."""

    agents: int = 100
    policy: str = "longest_idle"
    after_call_s: int = 0
    ring_s: int = 20
    nodes: int = 1
    max_calls: int = 400
    audio_ports: int = 4000
    record: bool = False

    def toml(self) -> str:
        """As a configuration file."""
        queue = f'policy = "{self.policy}"\nafter_call_s = {self.after_call_s}\nring_s = {self.ring_s}\nposition_every_s = 0'
        queues = [
            f'[[queue]]\nid = "{name}"\nskill = "billing"\npriority = {priority}\nrecord = {str(self.record).lower()}\n{queue}\n'
            for name, priority in QUEUES.items()
        ]
        agents = [
            f'[[agent]]\nid = "{agent}"\nname = "{agent}"\nseat = "{seat}"\nskills = {{ billing = 1 }}\n'
            for agent, seat in self.people()
        ]
        return f"""
[centre]
name = "bench"
numbers = ["{NUMBER}"]
[edge]
realm = "bench.tierline"
[media]
flow = "{ROOT / "flows/service.toml"}"
record = {str(self.record).lower()}
nodes = {self.nodes}
max_calls = {self.max_calls}
[ports]
rtp_low = 30000
rtp_high = {30000 + self.audio_ports - 1}
[[trunk]]
name = "{TRUNK}"
addresses = ["127.0.0.2"]
[[not_ready]]
id = "rest"
zh = "小休"
en = "Break"
{"".join(queues)}{"".join(agents)}"""

    def people(self) -> list[tuple[str, str]]:
        """Agents and their seats."""
        return [(f"a{n:04d}", str(FIRST_SEAT + n)) for n in range(self.agents)]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running centre."""

    shape: Shape
    folder: Path
    state: Path
    endpoints: dict[str, Any]

    def load(self, name: str, **spec: Any) -> Load:
        """A load process (tests/bench/load.py) at this centre, ready to go."""
        edge = self.endpoints["sip"]["udp"]
        common = {"edge": edge, "called": NUMBER, "digits": "0"}
        if spec["role"] == "seats":
            passwords = json.loads(Path(self.endpoints["credentials"]).read_text())["seats"]
            common |= {"address": edge.split(":")[0], "transport": "udp", "seats": passwords}
        else:
            common |= {"address": self.endpoints["trunks"][TRUNK][0]}
        made = Load(self.folder, name, common | spec)
        made.expect("ready")
        return made

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """What the agents' pages ask for."""
        async with grpc.aio.insecure_channel(self.endpoints["router"]["console"][0]) as channel:
            yield Desk(agents_pb2_grpc.AgentsStub(channel), self.endpoints["tenant"])

    def facts(self, *kinds: str) -> list[Fact]:
        """All facts of these kinds (none named: all) in order, each id once: those in the ledger, then what it reads next."""
        found = {fact.id: fact for fact in self._kept()}
        with redis.Redis.from_url(redis_access.url(load(Path(self.endpoints["config"])), redis_access.OPERATOR)) as client:
            entries: Any = client.xrange(keys.facts(self.endpoints["tenant"]))
        for _, fields in entries:
            fact = facts_.decode(fields[keys.FACTS_FIELD.encode()])
            found.setdefault(fact.id, fact)
        return [fact for fact in found.values() if not kinds or fact.kind in kinds]

    def _kept(self) -> Iterator[Fact]:
        """Of the ledger, in the order in which it read them. The stream is trimmed behind it."""
        with sqlite3.connect(f"file:{self.state / 'ledger.db'}?mode=ro", uri=True, timeout=30) as database:
            rows = database.execute("select id, at_ms, tenant, source, kind, body, call, agent from fact order by rowid")
            for id_, at_ms, tenant, source, kind, body, call, agent in rows:
                yield Fact(id_, at_ms, tenant, source, kind, json.loads(body), call, agent)

    def pids(self, service: str) -> list[int]:
        """Processes of a service."""
        pids: dict[str, int] = self.endpoints["pids"]
        return [pid for name, pid in pids.items() if name.rstrip("0123456789") == service]

    def hush(self) -> None:
        """No music for those who wait: two thousand streams of it are rtpengine's bench, not the router's. Nodes see it in 2 s."""
        path = self.state / "prompts" / INDEX
        index = json.loads(path.read_text())
        del index["prompts"][MUSIC]
        path.write_text(json.dumps(index))


class Desk:
    """Verbs of agents, many at a time."""

    def __init__(self, stub: Any, tenant: str) -> None:
        self.stub, self.tenant = stub, tenant

    def who(self, agent: str) -> dict[str, str]:
        """The words that name an agent."""
        return {"tenant": self.tenant, "agent": agent}

    async def login(self, people: Sequence[tuple[str, str]]) -> None:
        """At their seats, not ready."""
        skills = [agents_pb2.SkillLevel(skill="billing", level=1)]
        for agent, seat in people:
            await self.stub.Login(agents_pb2.LoginRequest(seat=seat, skills=skills, **self.who(agent)))

    async def ready(self, agent: str) -> None:
        """The button."""
        await self.stub.SetReady(agents_pb2.AgentRequest(**self.who(agent)))

    async def board(self) -> agents_pb2.Board:
        """All queues and agents."""
        board: agents_pb2.Board = await self.stub.GetBoard(agents_pb2.BoardRequest(tenant=self.tenant))
        return board

    async def states(self) -> dict[str, int]:
        """How many agents are in which state."""
        count: dict[str, int] = {}
        for agent in (await self.board()).agents:
            name = agents_pb2.AgentState.Name(agent.state).removeprefix("AGENT_STATE_").lower()
            count[name] = count.get(name, 0) + 1
        return count

    async def waiting(self) -> int:
        """Callers in all lines."""
        return sum(queue.waiting for queue in (await self.board()).queues)

    async def until_ready(self, agents: int, seconds: float) -> dict[str, int]:
        """The states once all are ready, or as they are then."""
        end = time.monotonic() + seconds
        while (now := await self.states()) != {"ready": agents} and time.monotonic() < end:
            await asyncio.sleep(0.2)
        return now


@contextmanager
def running(shape: Shape) -> Iterator[Stack]:
    """Up, and down and away at the end. BENCH_KEEP=1 keeps the folder."""
    folder = Path(tempfile.mkdtemp(prefix="tierline-bench-"))
    config, state = folder / "bench.toml", folder / "state"
    config.write_text(shape.toml())
    up = [*TIERLINE, "up", "--config", str(config), "--state", str(state), "--detach", "--auto-ports"]
    try:
        subprocess.run(up, cwd=ROOT, check=True, stdout=sys.stderr, timeout=180)
        yield Stack(shape, folder, state, json.loads((state / "endpoints.json").read_text()))
    finally:
        subprocess.run(
            [*TIERLINE, "down", "--state", str(state), "--drain", "2"], cwd=ROOT, check=False, stdout=sys.stderr, timeout=90
        )
        if os.environ.get("BENCH_KEEP") != "1":
            shutil.rmtree(folder, ignore_errors=True)
