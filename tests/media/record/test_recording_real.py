"""A recording from a real rtpengine, filed: both channels are what was spoken."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.record.api import Filed, Job
from media.record.vault import RecordingVault
from media.rtp.daemon import spool
from media.rtp.hold import connect
from ops.audio import read_wav
from tests.kit.rtp_phone import RtpPhone, likeness, voice
from tests.kit.rtpengine import RtpEngineProcess, audio_config
from tests.kit.wait import until_async
from tests.media.rtp.house import AGENT, CALLER, House, hears

pytestmark = pytest.mark.real


async def spoken(phone: RtpPhone, packets: int) -> None:
    goal = phone.sent + packets
    await until_async(lambda: phone.sent >= goal, 20, f"{packets} packets spoken")


async def test_both_channels_are_what_was_spoken(tmp_path: Path) -> None:
    """Caller left and agent right, A-law and mu-law, nothing lost, no prompt and no key in it; stop and start make two files."""
    config = audio_config(tmp_path)
    vault = RecordingVault(config.vault, 0)
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        house = House(engine, tmp_path)
        a, caller = await house.caller()
        await engine.play(a, house.prompt(), repeat=100)
        await spoken(caller, 25)
        b, agent = await house.agent(codec="PCMU")
        await engine.stop(a)
        await engine.pair(a, b)
        jobs: list[Job] = []
        for name in ("one", "two"):
            await engine.record(a, name)
            started_ms = 1_790_000_000_000 + 60_000 * len(jobs)
            caller.press("15")
            await hears(agent, CALLER)
            await spoken(caller, 100)
            await engine.stop_record(a)
            ports = [(await engine.look(leg)).port for leg in (a, b)]
            jobs.append(Job(a.call, "main", spool(config, 0), name, ports[0], ports[1], started_ms, 2000))
        await engine.close_call(a)
        for phone in house.phones:
            phone.close()
    for job in jobs:
        done = await vault.file(job)
        assert isinstance(done, Filed), done
        samples, _ = read_wav(config.vault / done.path)
        assert likeness(samples[:, 0], CALLER) > 0.95
        assert likeness(samples[:, 1], AGENT) > 0.95
        assert likeness(samples[:, 0], AGENT) < 0.3
    await vault.close()
    assert not list((spool(config, 0) / "pcaps").iterdir())


async def test_a_stranger_is_not_in_the_recording(tmp_path: Path) -> None:
    """Who sends to the caller's port is in rtpengine's pcap, but not in the file: the call's end tells whose audio was taken."""
    config = audio_config(tmp_path)
    vault = RecordingVault(config.vault, 0)
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        house = House(engine, tmp_path)
        a, caller = await house.caller()
        b, agent = await house.agent()
        await engine.pair(a, b)
        await hears(agent, CALLER)
        thief = await house.phone(voice(9), host="127.0.8.8")
        thief.join(caller)
        await engine.record(a, "one")
        await spoken(caller, 100)
        await engine.stop_record(a)
        ports = [(await engine.look(leg)).port for leg in (a, b)]
        senders = [(await engine.close_call(a))[port] for port in ports[:1]]
        for phone in house.phones:
            phone.close()
    whose = tuple(sorted(senders[0].places))
    done = await vault.file(Job(a.call, "main", spool(config, 0), "one", ports[0], ports[1], 1_790_000_000_000, 2000, whose))
    await vault.close()
    assert isinstance(done, Filed), done
    assert "packets of others to the caller's port left out" in done.note
    samples, _ = read_wav(config.vault / done.path)
    assert likeness(samples[:, 0], CALLER) > 0.95
    assert likeness(samples[:, 0], voice(9)) < 0.3
