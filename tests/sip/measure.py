"""How much CPU the edge takes a call: `python -m tests.sip.measure [calls per second] [seconds]`.

One call is two dialogs: carrier -> media node (asked of a router, ended by the carrier) and media node -> seat (ended by the
node), by sipp on loopback. Prints one JSON line; cpu_ms are CPU milliseconds of all Kamailio processes a call, from /proc.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import redis

from ops import keys, provision
from ops.inner import EDGE, target
from ops.node_secret import proof
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.edge_kit import CARRIER, EdgeKit, edge_config
from tests.sip.fake_router import FakeRouter, to_node
from tests.sip.seat_client import Seat
from tests.sip.sip_client import Endpoint

SCENARIOS = Path(__file__).parent / "sipp"
CALL = "019ab000-0000-7000-8000-000000000001"
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def cpu_ms(pids: list[int]) -> dict[int, float]:
    """User and system time of each process so far."""
    spent = {}
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent[pid] = (int(fields[11]) + int(fields[12])) * TICK_MS
    return spent


def proved(secret: str, port: int, number: int) -> str:
    """What a call of the second media node is filled in with: the call, branch and proof of INVITE, ACK and BYE."""
    branches = [f"z9hG4bK{number}{method}" for method in ("invite", "ack", "bye")]
    vias = (f"SIP/2.0/UDP 127.0.0.1:{port};branch={branch}" for branch in branches)
    proofs = [proof(secret, via) for via in vias]
    return ";".join([CALL, *(word for pair in zip(branches, proofs, strict=True) for word in pair)]) + "\n"


async def sipp(folder: Path, scenario: str, host: str, port: int, *words: str) -> asyncio.subprocess.Process:
    """Start a sipp; what it writes goes to `folder`."""
    line = ["sipp", "-sf", str(SCENARIOS / scenario), "-i", host, "-p", str(port), "-nostdin", *words]
    return await asyncio.create_subprocess_exec(*line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def run(kit: EdgeKit, rate: int, seconds: int) -> dict[str, object]:
    """Measure once on a started edge."""
    config = kit.config
    router = await FakeRouter(target(config.routers[0], EDGE)).start()
    router.answer = to_node("m1", config.media_uris["m1"])
    seat_port = free_port()
    phone = await Endpoint.open("127.0.0.1", seat_port)
    seat = Seat(phone, kit.sip, config.edge.realm, "1001", "secret")
    assert (await seat.register()).status == 200
    phone.close()
    data = config.state
    (data / "edge.csv").write_text(f"SEQUENTIAL\n{kit.sip[0]}:{kit.sip[1]}\n")
    node, dialler = config.ports.media_sip, config.ports.media_sip + 1
    rows = (proved(kit.secret, dialler, number) for number in range(rate * seconds))
    (data / "call.csv").write_text("SEQUENTIAL\n" + "".join(rows))
    answering = [
        await sipp(data, "answer.xml", "127.0.0.1", node, "-aa", "-inf", str(data / "edge.csv")),
        await sipp(data, "seat.xml", "127.0.0.1", seat_port, "-aa"),
    ]
    await until_async(lambda: kit.rpc("dispatcher.list") is not None and kit.live_nodes() >= 1, 10, "a node is alive")
    edge = f"{kit.sip[0]}:{kit.sip[1]}"
    count = ("-r", str(rate), "-m", str(rate * seconds), edge)
    await asyncio.sleep(2)  # start-up work of the edge is no part of a call
    idle = cpu_ms(kit.processes())
    await asyncio.sleep(3)
    before = cpu_ms(kit.processes())
    idle_ms = (sum(before.values()) - sum(idle.values())) / 3
    calling = [
        await sipp(data, "carrier.xml", CARRIER, free_port(CARRIER), *count),
        await sipp(data, "media.xml", "127.0.0.1", dialler, "-inf", str(data / "call.csv"), *count),
    ]
    codes = [await process.wait() for process in calling]
    after = cpu_ms(kit.processes())
    for process in answering:
        process.kill()
    await router.stop()
    calls = rate * seconds
    each = {kit.role(pid): round((after[pid] - before[pid]) / calls, 3) for pid in before if after[pid] - before[pid] > calls / 50}
    total = sum(after.values()) - sum(before.values())
    return {
        "calls": calls,
        "per_s": rate,
        "failed": codes != [0, 0],
        "cpu_ms": round(total / calls, 3),
        "idle_ms_per_s": round(idle_ms, 1),
        "by_process": each,
    }


async def main(rate: int, seconds: int) -> None:
    """Start everything, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        config = edge_config(Path(folder), workers=int(os.environ.get("WORKERS", "2")))
        with RedisServer(config.state / "redis", config.ports.redis) as server, EdgeKit(config) as kit:
            secrets = provision.DigestSecrets.of("1001", config.edge.realm, "secret").fields()
            redis.Redis.from_url(server.url).hset(keys.seat_auth("main", "1001"), mapping=secrets)
            print(json.dumps(await run(kit, rate, seconds)))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(numbers + [50, 10][len(numbers) :])))
