"""The call bench: a whole centre, 200 seats, 50 calls a second for a minute, one JSON line.

Every call goes carrier -> edge -> router -> media -> menu (a key by INFO) -> queue -> offer -> edge -> seat, is answered, talked
for some 1.8 s without audio, and ended by caller and agent in turn. The offer time counts from the caller's INFO with the menu
choice being sent to the INVITE at the seat, so it holds the way of the INFO through the edge as well.

Environment: BENCH_RATE (50), BENCH_SECONDS (60), BENCH_SEATS (200), BENCH_RECORD (0), BENCH_DIGITS (0: an agent,
please), BENCH_KEEP=1 keeps the state folder.
"""

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
from pathlib import Path
from typing import Any

import grpc
import redis
from tierline.agents.v1 import agents_pb2, agents_pb2_grpc

from ops import config, facts, keys, redis_access
from tests.bench import call_meter
from tests.bench.load import seat_ends

ROOT = Path(__file__).parents[2]
TIERLINE = [sys.executable, "-m", "ops"]
RATE = float(os.environ.get("BENCH_RATE", "50"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
SEATS = int(os.environ.get("BENCH_SEATS", "200"))
RECORD = os.environ.get("BENCH_RECORD", "0") == "1"
DIGITS = os.environ.get("BENCH_DIGITS", "0")
NUMBER = "95588"
TALK_S = 1.75
ANSWER_AFTER_S = 0.05
GIVE_UP_S = 15.0
QUIET_S, LOOK_S, QUIET_MS = 120.0, 2.0, 60.0


QUEUE = """
[[queue]]
id = "{queue}"
skill = "{queue}"
after_call_s = 0
position_every_s = 0
record = {record}
"""
AGENT = """
[[agent]]
id = "a{n:04d}"
name = "Agent {n}"
seat = "{seat}"
skills = {{ billing = 1 }}
"""


def configuration() -> str:
    """The bench centre as TOML."""
    record = "true" if RECORD else "false"
    head = f"""
[centre]
name = "bench"
numbers = ["{NUMBER}"]
[edge]
realm = "bench.tierline"
[media]
flow = "{ROOT / "flows/service.toml"}"
record = {record}
[[trunk]]
name = "carrier-a"
addresses = ["127.0.0.2"]
"""
    queues = [QUEUE.format(queue=queue, record=record) for queue in ("billing", "faults", "complaints")]
    agents = [AGENT.format(n=n, seat=8000 + n) for n in range(1, SEATS + 1)]
    return head + "".join(queues + agents)


class Load:
    """A load process and its spec."""

    def __init__(self, folder: Path, name: str, spec: dict[str, Any]) -> None:
        self.name, self.out = name, folder / f"{name}.out.json"
        path = folder / f"{name}.json"
        path.write_text(json.dumps(spec | {"out": str(self.out)}))
        words = [sys.executable, "-m", "tests.bench.load", str(path)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def expect(self, word: str) -> None:
        """Wait for a line from it. Raises RuntimeError when it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"load process {self.name}: wanted {word!r}, got {line!r} (status {self.process.poll()})")

    def tell(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def records(self) -> list[dict[str, Any]]:
        """What it wrote."""
        got: list[dict[str, Any]] = json.loads(self.out.read_text())
        return got

    def end(self) -> None:
        """It is not needed any more."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)


async def agents_ready(endpoints: dict[str, Any]) -> None:
    """Log all agents in and make them ready, as the console does."""
    async with grpc.aio.insecure_channel(endpoints["router"]["console"][0]) as channel:
        stub: Any = agents_pb2_grpc.AgentsStub(channel)
        skills = [agents_pb2.SkillLevel(skill="billing", level=1)]
        for n in range(1, SEATS + 1):
            who = {"tenant": endpoints["tenant"], "agent": f"a{n:04d}"}
            await stub.Login(agents_pb2.LoginRequest(seat=str(8000 + n), skills=skills, **who))
            await stub.SetReady(agents_pb2.AgentRequest(**who))


async def states(endpoints: dict[str, Any]) -> dict[str, int]:
    """How many agents are in which state."""
    async with grpc.aio.insecure_channel(endpoints["router"]["console"][0]) as channel:
        stub: Any = agents_pb2_grpc.AgentsStub(channel)
        board = await stub.GetBoard(agents_pb2.BoardRequest(tenant=endpoints["tenant"]))
    count: dict[str, int] = {}
    for agent in board.agents:
        name = agents_pb2.AgentState.Name(agent.state).removeprefix("AGENT_STATE_").lower()
        count[name] = count.get(name, 0) + 1
    return count


async def settled(endpoints: dict[str, Any], calls: int, state: Path) -> tuple[dict[str, int], int]:
    """Agent states and ledger rows once all are ready and the ledger has all calls, or as they are after 15 s."""
    end = time.monotonic() + 15
    while True:
        now, rows = await states(endpoints), ledger_rows(state)
        if (now == {"ready": SEATS} and rows == calls) or time.monotonic() > end:
            return now, rows
        await asyncio.sleep(0.3)


def ledger_rows(state: Path) -> int:
    """Answered and ended calls in the ledger."""
    with sqlite3.connect(f"file:{state / 'ledger.db'}?mode=ro", uri=True, timeout=10) as database:
        return int(database.execute("select count(*) from call where state = 'ended' and result = 'answered'").fetchone()[0])


def wrong(caller: dict[str, Any], seat: dict[str, Any] | None) -> str:
    """Why a call failed, "" if it went as it should."""
    if caller.get("status"):
        return f"refused {caller['status']}"
    if "digits" not in caller:
        return "not answered"
    if seat is None:
        return "not offered"
    if "answered" not in seat:
        return "left before the seat answered"
    by_seat = seat_ends(caller["calling"])
    if by_seat != (caller["by"] == "them") or by_seat != (seat["by"] == "us"):
        return f"ended by the wrong side ({caller['by']}/{seat['by']})"
    return ""


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def judge(callers: list[dict[str, Any]], seats: list[dict[str, Any]]) -> dict[str, Any]:
    """Failures by reason, and offer times."""
    by_caller: dict[str, dict[str, Any]] = {}
    for record in seats:
        by_caller.setdefault(record["calling"], record)
    reasons: dict[str, int] = {}
    offers = []
    for call in callers:
        seat = by_caller.get(call["calling"])
        reason = wrong(call, seat)
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
        elif seat is not None:
            offers.append((seat["invite"] - call["digits"]) / 1e6)
    answers = [(call["answered"] - call["invite"]) / 1e6 for call in callers if "answered" in call]
    offered_twice = len(seats) - len(by_caller)
    return {
        "failed": sum(reasons.values()),
        "why": reasons,
        "offered_again": offered_twice,
        **{f"offer_p{p}_ms": round(percentile(offers, p / 100), 1) for p in (50, 95, 99)},
        "answer_p95_ms": round(percentile(answers, 0.95), 1),
    }


def quiet(pids: dict[str, int]) -> float:
    """Wait until the start's own work is done (first passwords are hashed after it); what the idle stack takes, ms a second."""
    for _ in range(int(QUIET_S / LOOK_S)):
        before = sum(call_meter.spent(pids).values())
        time.sleep(LOOK_S)
        idle = (sum(call_meter.spent(pids).values()) - before) / LOOK_S
        if idle < QUIET_MS:
            break
    return idle


def facts_by_kind(endpoints: dict[str, Any]) -> dict[str, int]:
    """How many facts of each kind the run left."""
    count: dict[str, int] = {}
    with redis.Redis.from_url(redis_access.url(config.load(Path(endpoints["config"])), redis_access.OPERATOR)) as client:
        for _, fields in client.xrange(keys.facts(endpoints["tenant"])):
            kind = facts.decode(fields[keys.FACTS_FIELD.encode()]).kind
            count[kind] = count.get(kind, 0) + 1
    return count


def run(folder: Path) -> dict[str, Any]:
    """Start, load, measure, check, stop."""
    config, state = folder / "bench.toml", folder / "state"
    config.write_text(configuration())
    up = [*TIERLINE, "up", "--config", str(config), "--state", str(state), "--detach", "--auto-ports"]
    subprocess.run(up, cwd=ROOT, check=True, stdout=sys.stderr, timeout=120)
    try:
        return load(folder, state, json.loads((state / "endpoints.json").read_text()))
    finally:
        subprocess.run([*TIERLINE, "down", "--state", str(state)], cwd=ROOT, check=True, stdout=sys.stderr, timeout=60)


def load(folder: Path, state: Path, endpoints: dict[str, Any]) -> dict[str, Any]:
    """The measured part, on a running centre."""
    edge = endpoints["sip"]["udp"]
    credentials = json.loads(Path(endpoints["credentials"]).read_text())["seats"]
    common = {"edge": edge, "give_up_s": GIVE_UP_S}
    seats_spec = {"role": "seats", "address": edge.split(":")[0], "transport": "udp", "seats": credentials}
    seats = Load(folder, "seats", common | seats_spec | {"talk_s": TALK_S, "answer_after_s": ANSWER_AFTER_S})
    callers_spec = {"role": "callers", "address": endpoints["trunks"]["carrier-a"][0], "called": NUMBER, "digits": DIGITS}
    callers = Load(
        folder, "callers", common | callers_spec | {"rate": RATE, "seconds": SECONDS, "call_s": TALK_S + ANSWER_AFTER_S + 0.15}
    )
    try:
        seats.expect("ready")
        callers.expect("ready")
        asyncio.run(agents_ready(endpoints))
        return measure(state, endpoints, seats, callers)
    finally:
        seats.end()
        callers.end()


def measure(state: Path, endpoints: dict[str, Any], seats: Load, callers: Load) -> dict[str, Any]:
    """Let the calls run; CPU before and after them."""
    pids = endpoints["pids"]
    loads = {"load_seats": seats.process.pid, "load_callers": callers.process.pid}
    seats.tell()
    idle = quiet(pids)
    before = call_meter.spent(pids | loads)
    callers.tell()
    callers.expect("done")
    calls = callers.records()
    ready, rows = asyncio.run(settled(endpoints, len(calls), state))
    after = call_meter.spent(pids | loads)
    seats.tell()
    seats.expect("done")
    cpu = {name: round((after[name] - before[name]) / len(calls), 3) for name in after}
    checks = {"ledger_rows": rows, "agents": ready, "facts": facts_by_kind(endpoints), "idle_ms_per_s": round(idle, 1)}
    return {
        "bench": "call",
        "calls": len(calls),
        **with_ledger(judge(calls, seats.records()), len(calls) - rows),
        **shares(cpu),
        **checks,
        "conditions": conditions(),
    }


def with_ledger(judged: dict[str, Any], missing: int) -> dict[str, Any]:
    """Calls that the phones took for good and the ledger did not: the caller hung up while the seat's answer was on its way."""
    more = max(0, missing - judged["failed"])
    why = judged["why"] | ({"not answered in the ledger": more} if more else {})
    return judged | {"failed": judged["failed"] + more, "why": why}


def shares(cpu: dict[str, float]) -> dict[str, Any]:
    """CPU of the stack and of the load processes, apart."""
    stack = {name: ms for name, ms in cpu.items() if not name.startswith("load_")}
    load = {name: ms for name, ms in cpu.items() if name.startswith("load_")}
    return {"cpu_ms": stack, "cpu_ms_total": round(sum(stack.values()), 2), "load_cpu_ms": load}


def conditions() -> dict[str, Any]:
    """Under which the figures were taken; the load average tells whether the machine had other work."""
    told = {"rate": RATE, "seconds": SECONDS, "seats": SEATS, "recording": RECORD, "digits": DIGITS, "audio": False}
    return told | {"routers": 1, "media_nodes": 1, "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)}


def main() -> int:
    """Print the figures; 0 only if no call failed, the ledger has all of them and every agent is ready again."""
    folder = Path(tempfile.mkdtemp(prefix="tierline-bench-"))
    try:
        figures = run(folder)
    finally:
        if os.environ.get("BENCH_KEEP") != "1":
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures))
    good = figures["failed"] == 0 and figures["ledger_rows"] == figures["calls"] and figures["agents"] == {"ready": SEATS}
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
