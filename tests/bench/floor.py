"""The floor bench: what the components that a call needs cost on this machine with none of our logic in them, one JSON line.

All at once, as in a centre, at the rate and with the counts of the bench of whole calls (docs/adr/0806): Kamailio relays 28
messages by a native script, rtpengine carries out eight ng commands and keeps its calls in Redis, Redis carries out four functions
and what goes with them, a grpc.aio server answers one unary call and one message of a stream, a grpc.aio client writes and reads
that stream, an asyncio process is woken for 15 datagrams and sends each back. Who drives them is not in the sum.

Environment: BENCH_RATE (50), BENCH_SECONDS (20).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.bench import call_meter
from tests.bench.floor_sip import Sip
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.rtpengine import RtpEngineProcess, audio_config

ROOT = Path(__file__).parents[2]
RATE = float(os.environ.get("BENCH_RATE", "50"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
IDLE_S = 4.0
Process: TypeAlias = "subprocess.Popen[bytes]"
PARTS = "tests.bench.floor_parts"


@contextmanager
def python(module: str, *words: str) -> Iterator[Process]:
    """A process of a module; up when it has printed `ready`."""
    process = subprocess.Popen([sys.executable, "-m", module, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"ready":
            raise RuntimeError(f"{module} {words[0]} did not start")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(10)


@contextmanager
def rtpengine(folder: Path, redis: int) -> Iterator[RtpEngineProcess]:
    """rtpengine with the product's options."""
    made = RtpEngineProcess(audio_config(folder, redis, rtp_ports=4000))
    asyncio.run(made.start())
    try:
        yield made
    finally:
        made.stop()


def tell(process: Process, line: str) -> None:
    """A line to a process."""
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def run(folder: Path) -> dict[str, object]:
    """Start all, look while nothing is asked of them, drive them, take the CPU apart."""
    calls = int(RATE * SECONDS)
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(folder / "redis"))
        audio = stack.enter_context(rtpengine(folder / "audio", redis.port))
        sip = stack.enter_context(Sip(folder, RATE, calls))
        ports = {"grpc": free_port(), "echo": free_port(), "redis": redis.port}
        server = stack.enter_context(python(PARTS, "server", str(ports["grpc"])))
        client = stack.enter_context(python(PARTS, "client", str(ports["grpc"])))
        echo = stack.enter_context(python(PARTS, "echo", str(ports["echo"])))
        spec = ports | {"config": str(audio.config.path), "rate": RATE, "calls": calls, "folder": str(folder)}
        driver = stack.enter_context(python("tests.bench.floor_load", json.dumps(spec)))
        assert redis.process is not None
        pids = {"redis": redis.process.pid, "rtpengine": audio.pid, "kamailio": sip.kamailio.pid, "grpc_server": server.pid}
        pids |= {"grpc_client": client.pid, "udp_echo": echo.pid}
        return measure(pids, sip, driver, client, calls)


def measure(pids: dict[str, int], sip: Sip, driver: Process, client: Process, calls: int) -> dict[str, object]:
    """CPU of each, idle and a call."""
    before = call_meter.spent(pids)
    time.sleep(IDLE_S)
    idle = call_meter.spent(pids)
    tell(driver, "go")
    phones = sip.load()
    begin = time.monotonic()
    for number in range(calls):
        time.sleep(max(0.0, begin + number / RATE - time.monotonic()))
        tell(client, "")
    bad = [phone.args for phone in phones if phone.wait(60)]
    assert driver.stdout is not None
    told = json.loads(driver.stdout.readline())
    after = call_meter.spent(pids)
    cpu = {name: round((after[name] - idle[name]) / calls, 3) for name in pids}
    return {
        "bench": "floor",
        "calls": calls,
        "cpu_ms": cpu,
        "cpu_ms_total": round(sum(cpu.values()), 2),
        "idle_ms_per_s": {name: round((idle[name] - before[name]) / IDLE_S, 2) for name in pids},
        "failed": told["failed"] + len(bad),
        "conditions": {"rate": RATE, "seconds": SECONDS, "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)},
    }


def main() -> int:
    """Print the figures; 0 only if all that was asked was answered."""
    with tempfile.TemporaryDirectory(prefix="tierline-floor-", ignore_cleanup_errors=True) as folder:
        figures = run(Path(folder))
    print(json.dumps(figures))
    return 1 if figures["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
