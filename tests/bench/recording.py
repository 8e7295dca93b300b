"""200 recorded conversations at once through the real rtpengine with its Redis, filed and checked.

    python -m tests.bench.recording [--calls 200] [--seconds 20]

One JSON line. `gaps`: packets that were spoken during a recording and are missing in it, plus recordings that were not filed
or whose sound is not what was spoken. `core_per_100`: share of one core that rtpengine (while all talk) and filing (per
second of talk) use for 100 recorded calls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.record.api import Filed, Job, NotFiled
from media.record.vault import RecordingVault
from media.rtp.client import RtpEngine
from media.rtp.daemon import spool
from media.rtp.hold import connect
from media.ua.api import Leg
from ops.audio import read_wav
from ops.clock import SystemClock
from ops.ids import CallId, LegId, uuid7
from tests.bench.rtp_load import SECONDS
from tests.kit.redis_server import RedisServer
from tests.kit.rtp_phone import voice, windows
from tests.kit.rtpengine import RtpEngineProcess, audio_config

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\na=sendrecv\r\n"
ALIKE = 0.95
CLOCK = SystemClock()


@dataclass(slots=True)
class Talk:
    """One conversation: callers speak with seed 2n, agents with 2n + 1."""

    number: int
    call: CallId
    caller_port: int = 0
    agent_port: int = 0
    started_ms: int = 0
    ended_ms: int = 0

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """Caller, agent."""
        return Leg(self.call, LegId("a")), Leg(self.call, LegId("b1"))


class Load:
    """One generator process: all callers, or all agents."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, streams: int, first_seed: int, step: int) -> Load:
        words = ["-m", "tests.bench.rtp_load", "--streams", str(streams), "--first-seed", str(first_seed), "--step", str(step)]
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe))

    async def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer

    def tell(self, what: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")


def cpu_s(pid: int) -> float:
    """CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def connect_call(engine: RtpEngine, talk: Talk, caller_port: int, agent_port: int) -> None:
    """As the call logic does it: caller in, agent out, pair, record."""
    a, b = talk.legs
    engine.located(a, "127.0.0.1")
    engine.located(b, "127.0.0.1")
    await engine.open_inbound(a, SDP.format(caller_port).encode())
    await engine.open_outbound(b)
    await engine.answered(b, SDP.format(agent_port).encode())
    await engine.pair(a, b)
    talk.caller_port, talk.agent_port = (await engine.look(a)).port, (await engine.look(b)).port


async def run(calls: int, seconds: float, folder: Path) -> dict[str, Any]:
    """The whole measurement."""
    with RedisServer(folder / "redis") as redis:
        config = audio_config(folder / "state", redis.port, rtp_ports=calls * 10)
        vault = RecordingVault(config.vault, 0)
        async with RtpEngineProcess(config) as process, connect(config, 0) as engine:
            loads = [await Load.start(calls, first, 2) for first in (0, 1)]
            ports = [(await load.told())["ports"] for load in loads]
            talks = [Talk(number, CallId(uuid7(CLOCK.now_ms()))) for number in range(calls)]
            for talk in talks:
                await connect_call(engine, talk, ports[0][talk.number], ports[1][talk.number])
            loads[0].tell({"targets": [talk.caller_port for talk in talks]})
            loads[1].tell({"targets": [talk.agent_port for talk in talks]})
            await asyncio.sleep(1)
            for talk in talks:
                await engine.record(talk.legs[0], "bench")
                talk.started_ms = CLOCK.now_ms()
            before = cpu_s(process.pid)
            await asyncio.sleep(seconds)
            used = (cpu_s(process.pid) - before) / seconds
            for talk in talks:
                await engine.stop_record(talk.legs[0])
                talk.ended_ms = CLOCK.now_ms()
            late = await _stop(loads)
            for talk in talks:
                await engine.close_call(talk.legs[0])
        jobs = [_job(talk, spool(config, 0)) for talk in talks]
        done = [await vault.file(job) for job in jobs]
        filing = cpu_s(vault.pid) / sum(job.talk_ms / 1000 for job in jobs)
        await vault.close()
    gaps = [_gaps(one, talk, config.vault) for one, talk in zip(done, talks, strict=True)]
    rtpengine = used / calls
    return {
        "bench": "recording",
        "calls": calls,
        "gaps": sum(gaps),
        "core_per_100": round((rtpengine + filing) * 100, 3),
        "rtpengine_core_per_100": round(rtpengine * 100, 3),
        "filing_core_per_100": round(filing * 100, 3),
        "seconds": seconds,
        "sender_late_ms": late,
    }


async def _stop(loads: list[Load]) -> float:
    for load in loads:
        load.tell({})
    told = [await load.told() for load in loads]
    for load in loads:
        await load.process.wait()
    return max(float(one["late_ms"]) for one in told)


def _job(talk: Talk, folder: Path) -> Job:
    length = talk.ended_ms - talk.started_ms
    return Job(talk.call, "main", folder, "bench", talk.caller_port, talk.agent_port, talk.started_ms, length)


def _gaps(done: Filed | NotFiled, talk: Talk, vault: Path) -> int:
    """Missing packets of a recording, by sequence number; 1 for one that is not there, or not what was spoken."""
    if isinstance(done, NotFiled):
        print(f"not filed: {done.detail}", file=sys.stderr)
        return 1
    about = json.loads((vault / done.path).with_suffix(".json").read_text())
    missing: int = about["caller"]["lost"] + about["agent"]["lost"]
    samples, _ = read_wav(vault / done.path)
    middle = samples[len(samples) // 2 :]
    for channel, seed in ((0, 2 * talk.number), (1, 2 * talk.number + 1)):
        if not any(like > ALIKE for like in windows(middle[:, channel], voice(seed, SECONDS))) and missing == 0:
            missing += 1
    return missing


def main() -> int:
    """Print the line; 0 if there was no gap."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as folder:
        result = asyncio.run(run(args.calls, args.seconds, Path(folder)))
    print(json.dumps(result))
    return 0 if result["gaps"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
