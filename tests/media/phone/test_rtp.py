"""Ports and pace over the loopback."""

from __future__ import annotations

import asyncio
import os
import random
import time

import pytest

from media.phone import sound
from media.phone.packet import FRAME
from media.phone.rtp import RtpPort, Ticker
from ops import audio
from tests.kit.wait import until_async
from tests.kit.workers import alone

HOST = "127.0.0.1"
SPEECH = audio.encode_alaw(audio.decode_alaw(random.Random(5).randbytes(8000)))


def joined(one: RtpPort, other: RtpPort) -> None:
    one.remote, other.remote = (HOST, other.port), (HOST, one.port)


async def test_two_ports_hear_each_other() -> None:
    """What one port says the other hears, sample for sample, both ways."""
    ticker = Ticker()
    one, other = RtpPort(HOST, ticker), RtpPort(HOST, ticker)
    joined(one, other)
    one.talker.say(SPEECH)
    other.talker.say(SPEECH[::-1])
    await until_async(lambda: min(one.listener.packets, other.listener.packets) > 52, 5, "a second of audio came")
    one.close()
    other.close()
    assert bytes(other.listener.tracks[0].data).startswith(SPEECH)
    assert bytes(one.listener.tracks[0].data).startswith(SPEECH[::-1])
    assert audio.correlation(audio.decode_alaw(SPEECH), sound.heard(other.listener))[0] > 0.999


@alone
async def test_pace_is_20_ms() -> None:
    """A second of audio takes a second, however long the loop is held up in between."""
    one, other = RtpPort(HOST, ticker := Ticker()), RtpPort(HOST, ticker)
    joined(one, other)
    begin = time.monotonic()
    await until_async(lambda: one.talker.sent >= 10, 5, "some packets sent")
    time.sleep(0.3)  # a held-up loop, on purpose
    await until_async(lambda: one.talker.sent >= 50, 5, "a second of packets sent")
    spent = time.monotonic() - begin
    one.close()
    other.close()
    assert 0.9 < spent < 1.4
    assert len(other.listener.tracks) == 1


async def test_held_side_is_not_sent_to() -> None:
    """While the other side holds us nothing goes out, and the time stamps run on."""
    one, other = RtpPort(HOST, ticker := Ticker()), RtpPort(HOST, ticker)
    joined(one, other)
    one.sending = False
    await until_async(lambda: one.listener.packets >= 10, 5, "the other side is heard")
    assert other.listener.packets == 0
    one.sending = True
    await until_async(lambda: other.listener.packets >= 3, 5, "sending again")
    one.close()
    other.close()


async def test_closed_other_side_does_no_harm() -> None:
    """ICMP errors for packets to a closed port are not an end: the port goes on."""
    one, other = RtpPort(HOST, ticker := Ticker()), RtpPort(HOST, ticker)
    joined(one, other)
    other.close()
    await until_async(lambda: one.talker.sent >= 10, 5, "still sending")
    one.close()
    one.close()


async def test_last_port_stops_the_ticker() -> None:
    """A ticker without ports does not wake the process; a new port starts it again."""
    ticker = Ticker()
    RtpPort(HOST, ticker).close()
    one, other = RtpPort(HOST, ticker), RtpPort(HOST, ticker)
    joined(one, other)
    await until_async(lambda: other.listener.packets >= 2, 5, "it ticks again")
    one.close()
    other.close()


@alone
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a core to spare")
async def test_thirty_calls_are_cheap() -> None:
    """Thirty phones that speak and listen at once in one process take no more than a fifth of a core."""
    ticker = Ticker()
    ports = [RtpPort(HOST, ticker) for _ in range(30)]
    for one, other in zip(ports[::2], ports[1::2], strict=True):
        joined(one, other)
    for port in ports:
        port.talker.say(SPEECH, loop=True)
    await asyncio.sleep(0.1)
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(2)
    share = (time.process_time() - cpu) / (time.monotonic() - wall)
    packets = [port.listener.packets for port in ports]
    for port in ports:
        port.close()
    print(f"30 phones: {share:.3f} of a core")
    assert min(packets) > 80
    assert share < 0.2


def test_frame_is_20_ms() -> None:
    """The pace and the frame agree: 160 samples each 20 ms are 8 kHz."""
    assert FRAME * 50 == audio.RATE
