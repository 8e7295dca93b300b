"""The overload bench: a whole centre at half its capacity, at twice that, and at half of it again, one JSON line.

Capacity is looked for unless BENCH_CAPACITY names it: the highest of some rates at which no call of BENCH_SEEK seconds fails (20;
60 for a figure to quote). `answered_per_s` counts calls that an agent answered, by the second of their INVITE, from the moment that
overload has lasted SETTLE_S. `recovery_s`: from the last INVITE of the overload until the last failure of the ordinary calls that
follow at once. Stuck agents are those who are not ready when all calls are over.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import call
from tests.bench.load import seat_ends

CAPACITY = float(os.environ.get("BENCH_CAPACITY", "0"))
SEEK_S = float(os.environ.get("BENCH_SEEK", "20"))
OVERLOAD_S = float(os.environ.get("BENCH_SECONDS", "20"))
AFTER_S = 12.0
SETTLE_S = 5.0
RATES = (80, 100, 120, 140, 160, 180, 200)
PATIENCE_S = 20.0  # calls that are in progress at the end get so long
REFUSED = 503
GOOD = {"answered": 0.85, "refused_ms": 500, "recovery_s": 5}


class Centre:
    """The call bench's centre with its seats, for several loads one after another."""

    def __init__(self, folder: Path, state: Path, endpoints: dict[str, Any]) -> None:
        self.folder, self.state, self.endpoints = folder, state, endpoints
        self.common = {"edge": endpoints["sip"]["udp"], "give_up_s": call.GIVE_UP_S}
        self._number = 0

    def seats(self) -> call.Load:
        """All agents at their phones and ready."""
        accounts = json.loads(Path(self.endpoints["credentials"]).read_text())["seats"]
        spec = {"role": "seats", "address": self.common["edge"].split(":")[0], "transport": "udp", "seats": accounts}
        load = call.Load(self.folder, "seats", self.common | spec | {"talk_s": call.TALK_S, "answer_after_s": call.ANSWER_AFTER_S})
        load.expect("ready")
        asyncio.run(call.agents_ready(self.endpoints))
        load.tell()
        call.quiet(self.endpoints["pids"])
        return load

    def callers(self, rate: float, seconds: float) -> call.Load:
        """A load that waits to be told."""
        self._number += 1
        first = self._number * 1_000_000
        spec = {"role": "callers", "address": self.endpoints["trunks"]["carrier-a"][0], "called": call.NUMBER, "digits": "0"}
        length = call.TALK_S + call.ANSWER_AFTER_S + 0.15
        spec |= {"rate": rate, "seconds": seconds, "call_s": length, "first": first}
        load = call.Load(self.folder, f"callers{self._number}", self.common | spec)
        load.expect("ready")
        return load

    def calls(self, rate: float, seconds: float) -> list[dict[str, Any]]:
        """One load from begin to end."""
        load = self.callers(rate, seconds)
        load.tell()
        load.expect("done")
        load.end()
        return load.records()

    def stuck(self) -> int:
        """Agents that are not ready, once they had time for it."""
        end = time.monotonic() + PATIENCE_S
        while True:
            ready = asyncio.run(call.states(self.endpoints)).get("ready", 0)
            if ready == call.SEATS or time.monotonic() > end:
                return call.SEATS - ready
            time.sleep(0.5)


def failed(record: dict[str, Any]) -> bool:
    """No agent took this call to its proper end: whoever should have hung up did not."""
    return "digits" not in record or (record["by"] == "them") != seat_ends(record["calling"])


def capacity(centre: Centre) -> float:
    """The highest rate at which nothing fails."""
    best = 0.0
    for rate in RATES:
        lost = sum(failed(record) for record in centre.calls(rate, SEEK_S))
        print(f"capacity: {rate} calls/s, {lost} failed", file=sys.stderr)
        if lost:
            break
        best = rate
    return best


def reached(seats: list[dict[str, Any]]) -> set[str]:
    """Callers whom an agent answered."""
    return {record["calling"] for record in seats if "answered" in record}


def figures(best: float, over: list[dict[str, Any]], after: list[dict[str, Any]], answered: set[str]) -> dict[str, Any]:
    """Of the records of the overload and of the ordinary calls behind it."""
    begin, end = over[0]["invite"] + int(SETTLE_S * 1e9), over[-1]["invite"]
    steady = [record for record in over if record["invite"] >= begin]
    good = sum(record["calling"] in answered and not failed(record) for record in steady)
    refused = [(record["over"] - record["invite"]) / 1e6 for record in over if record.get("status") == REFUSED]
    late = [record["invite"] for record in after if failed(record)]
    why: dict[str, int] = {}
    for record in over:
        if record["calling"] not in answered or failed(record):
            reason = f"refused {record['status']}" if record.get("status") else "not answered by an agent"
            why[reason] = why.get(reason, 0) + 1
    return {
        "bench": "overload",
        "capacity_per_s": best,
        "offered_per_s": round(len(steady) * 1e9 / (end - begin), 1),
        "answered_per_s": round(good * 1e9 / (end - begin), 1),
        "refused_p95_ms": round(call.percentile(refused, 0.95), 1),
        "recovery_s": round(max((late[-1] - end) / 1e9, 0.0), 1) if late else 0.0,
        "why": why,
        "after_failed": len(late),
    }


def measure(centre: Centre) -> dict[str, Any]:
    """Seek, overload, recover."""
    seats = centre.seats()
    try:
        best = CAPACITY or capacity(centre)
        centre.calls(best / 2, SETTLE_S)
        over = centre.callers(2 * best, OVERLOAD_S)
        after = centre.callers(best / 2, AFTER_S)
        over.tell()
        time.sleep(OVERLOAD_S)
        after.tell()
        over.expect("done")
        after.expect("done")
        stuck = centre.stuck()
        seats.tell()
        seats.expect("done")
        told = figures(best, over.records(), after.records(), reached(seats.records()))
        return told | {"stuck_agents": stuck, "seats": call.SEATS, "cores": os.cpu_count()}
    finally:
        seats.end()


def main() -> int:
    """Print the figures; 0 only if they are good."""
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as name:
        folder, state = Path(name), Path(name) / "state"
        (folder / "bench.toml").write_text(call.configuration())
        up = [*call.TIERLINE, "up", "--config", str(folder / "bench.toml"), "--state", str(state), "--detach", "--auto-ports"]
        subprocess.run(up, cwd=call.ROOT, check=True, stdout=sys.stderr, timeout=120)
        try:
            told = measure(Centre(folder, state, json.loads((state / "endpoints.json").read_text())))
        finally:
            if os.environ.get("BENCH_KEEP") == "1":
                print((state / "logs" / "edge.log").read_text()[-4000:] if (state / "logs").is_dir() else "", file=sys.stderr)
            down = [*call.TIERLINE, "down", "--state", str(state)]
            subprocess.run(down, cwd=call.ROOT, check=True, stdout=sys.stderr, timeout=60)
    print(json.dumps(told))
    enough = told["answered_per_s"] >= GOOD["answered"] * told["capacity_per_s"] and told["refused_p95_ms"] <= GOOD["refused_ms"]
    return 0 if enough and not told["stuck_agents"] and told["recovery_s"] <= GOOD["recovery_s"] else 1


if __name__ == "__main__":
    sys.exit(main())
