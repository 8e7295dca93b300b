"""CPU per call of the endpoint under sipp: `python -m tests.media.net.load uas|b2bua [--rate 200] [--calls 2000] [-t u1|t1]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

from media.net.endpoint import Endpoint
from media.ua.settings import Settings
from ops.lifecycle import tune_gc
from tests.kit.ports import free_port
from tests.media.net import sipp
from tests.media.net.b2bua import Bridge, Server


async def measure(kind: str, rate: int, calls: int, transport: str = "u1") -> dict[str, object]:
    """Run the calls; CPU-ms of this process per call, user and system. The sipp processes are not in it."""
    endpoint = Endpoint(Settings("127.0.0.1", 0, session_s=0))
    await endpoint.start()
    tune_gc()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seat = await sipp.start(folder, "builtin:uas", "-l 100000", free_port()) if kind == "b2bua" else None
        if seat is None:
            Server(endpoint).keep = False
        else:
            Bridge(endpoint, f"sip:seat@127.0.0.1:{seat.port}")
        before, began = os.times(), time.monotonic()
        text = f"127.0.0.1:{endpoint.address[1]} -r {rate} -m {calls} -l 100000 -t {transport} -s 100"
        status = await (await sipp.start(folder, "builtin:uac", text)).done(calls / rate + 60)
        after = os.times()
        if seat is not None:
            await seat.stop()
    user, system = after.user - before.user, after.system - before.system
    count = endpoint.core.count
    await endpoint.close()
    return {
        "kind": kind, "calls": calls, "rate": round(calls / (time.monotonic() - began)), "sipp_status": status,
        "cpu_ms_per_call": round((user + system) * 1000 / calls, 3),
        "user_ms": round(user * 1000 / calls, 3), "system_ms": round(system * 1000 / calls, 3),
        "retransmitted": count.retransmitted, "repeated": count.repeated,
    }  # fmt: skip


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["uas", "b2bua"])
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("-t", "--transport", default="u1")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.kind, given.rate, given.calls, given.transport))))


if __name__ == "__main__":
    main()
