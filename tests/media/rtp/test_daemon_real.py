"""rtpengine's life: its launcher, its death under a call, and Redis away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from media.record.api import Filed, Job
from media.record.filing import Store, file
from media.rtp.api import RtpError
from media.rtp.client import RtpEngine
from media.rtp.daemon import spool
from media.rtp.hold import connect
from ops.audio import read_wav
from tests.kit.redis_server import RedisServer
from tests.kit.rtp_phone import likeness
from tests.kit.rtpengine import RtpEngineProcess, audio_config
from tests.kit.wait import until_async
from tests.kit.workers import alone
from tests.media.rtp.house import AGENT, CALLER, PROMPT, House, hears, leg

pytestmark = pytest.mark.real


async def test_two_instances_cannot_share_a_node(tmp_path: Path) -> None:
    """A second launcher for the same node ends with status 1 and says why; rtpengine itself would bind the port without a word."""
    config = audio_config(tmp_path)
    async with RtpEngineProcess(config):
        words = [sys.executable, "-m", "media.rtp.daemon", "--config", str(config.path)]
        second = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=20)
        assert second.returncode == 1
        assert "runs already" in second.stderr
    async with RtpEngineProcess(config):
        pass  # the lock went with the process


async def test_no_other_process_takes_a_port(tmp_path: Path) -> None:
    """A process that binds the control port, or the audio port of a call, with SO_REUSEADDR as rtpengine does itself, is refused:
    else it would get what is sent there."""
    config = audio_config(tmp_path)
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        house = House(engine, tmp_path)
        try:
            one, _ = await house.caller()
            for port in (config.ports.ng, (await engine.look(one)).port):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
                    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    with pytest.raises(OSError, match="in use"):
                        thief.bind(("127.0.0.1", port))
            await engine.close_call(one)
        finally:
            for phone in house.phones:
                phone.close()


@alone
async def test_rtpengine_away_is_an_error_in_bounded_time(tmp_path: Path) -> None:
    """With nobody on the ng port each verb raises RtpError within two seconds, many at once as well."""
    async with connect(audio_config(tmp_path), 0) as engine:
        began = time.monotonic()
        results = await asyncio.gather(*(engine.open_outbound(leg("b1", f"call{n}")) for n in range(50)), return_exceptions=True)
        assert all(isinstance(one, RtpError) for one in results)
        assert time.monotonic() - began < 2


@alone
async def test_a_call_lives_through_the_death_of_rtpengine(tmp_path: Path) -> None:
    """kill -9 and a restart: same ports, both hear each other again, verbs and recording go on, and both parts are filed."""
    with RedisServer(tmp_path / "redis") as redis:
        config = audio_config(tmp_path / "state", redis.port)
        process = await RtpEngineProcess(config).start()
        async with connect(config, 0) as engine:
            house = House(engine, tmp_path)
            try:
                a, caller = await house.caller()
                b, agent = await house.agent()
                await engine.pair(a, b)
                await engine.record(a, "talk")
                await hears(caller, AGENT)
                ports = [(await engine.look(one)).port for one in (a, b)]
                process.stop(kill=True)
                await process.start()
                await hears(caller, AGENT)
                await hears(agent, CALLER)
                assert [(await engine.look(one)).port for one in (a, b)] == ports
                await engine.park(a)
                await engine.pair(a, b)
                await hears(caller, AGENT)
                await engine.close_call(a)
            finally:
                for phone in house.phones:
                    phone.close()
                process.stop()
        folder = spool(config, 0)
        assert len(list((folder / "pcaps").glob("*.pcap"))) == 2
        job = Job(a.call, "main", folder, "talk", ports[0], ports[1], 1_790_000_000_000, 2500)
        filed = file(job, Store(tmp_path / "vault", 0))
        assert isinstance(filed, Filed), filed
        samples, _ = read_wav(tmp_path / "vault" / filed.path)
        third = len(samples) // 3
        for part in (samples[:third], samples[-third:]):
            assert likeness(part[:, 0], CALLER) > 0.95
            assert likeness(part[:, 1], AGENT) > 0.95


@pytest.mark.parametrize("recorded", [False, True])
async def test_what_redis_is_told_later_is_told(tmp_path: Path, recorded: bool) -> None:
    """A pairing that is not recorded, and a parked caller, outlive kill -9 as well once a moment has passed."""
    with RedisServer(tmp_path / "redis") as redis:
        config = audio_config(tmp_path / "state", redis.port)
        process = await RtpEngineProcess(config).start()
        async with connect(config, 0) as engine:
            house = House(engine, tmp_path)
            try:
                a, caller = await house.caller()
                process.stop(kill=True)
                await process.start()
                await engine.play(a, house.prompt(), repeat=100)
                await hears(caller, PROMPT)
                await engine.stop(a)
                agent, b = await house.phone(AGENT), leg("b1")
                agent.connect(await engine.open_outbound(b))
                engine.located(b, "127.0.0.1")
                await engine.connect(a, b, agent.sdp(), recorded=recorded)  # and then the recording does not come
                await hears(agent, CALLER)
                process.stop(kill=True)
                await process.start()
                await hears(agent, CALLER)
                await hears(caller, AGENT)
            finally:
                for phone in house.phones:
                    phone.close()
                process.stop()


@alone
async def test_redis_away_at_start_and_in_flight(tmp_path: Path) -> None:
    """Without Redis rtpengine starts and works; Redis gone or hanging under it holds no verb up for over two seconds."""
    config = audio_config(tmp_path / "alone")
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        await engine.open_outbound(leg("b1"))
    with RedisServer(tmp_path / "redis") as redis:
        config = audio_config(tmp_path / "state", redis.port)
        async with RtpEngineProcess(config), connect(config, 0) as engine:
            await engine.open_outbound(leg("b1"))
            assert redis.process is not None
            os.kill(redis.process.pid, signal.SIGSTOP)
            for number in range(5):
                began = time.monotonic()
                await engine.open_outbound(leg("b1", f"hanging{number}"))
                assert time.monotonic() - began < 2
            redis.stop(kill=True)
            began = time.monotonic()
            for number in range(5):
                await engine.open_outbound(leg("b1", f"gone{number}"))
            assert time.monotonic() - began < 2
            redis.start()
            await until_async(lambda: _opens(engine), 10, "calls open again")


async def _opens(engine: RtpEngine) -> bool:
    try:
        await engine.open_outbound(leg("b1", "later"))
    except RtpError:
        return False
    return True
