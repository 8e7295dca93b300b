"""When a router looks at its timers."""

from __future__ import annotations

import asyncio

import pytest

from ops.clock import ManualClock
from router.alarm import PAUSE_S, Alarm

LOOK_MS = 600
START = 1_760_000_000_000
SLACK_S = 0.15  # of a busy machine


async def waited(alarm: Alarm, next_ms: int) -> float:
    """How long the time between two looks was, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await alarm.over(next_ms)
    return loop.time() - began


@pytest.mark.parametrize(
    ("next_ms", "seconds"),
    [(0, LOOK_MS / 1000), (START + 60_000, LOOK_MS / 1000), (START + 250, 0.25), (START + 1, PAUSE_S), (START - 5, PAUSE_S)],
)
async def test_when_the_next_look_is(next_ms: int, seconds: float) -> None:
    """With the earliest timer, at most LOOK_MS and at least the pause after the look before."""
    alarm = Alarm(ManualClock(START), LOOK_MS)
    alarm.began()
    assert seconds - 0.01 <= await waited(alarm, next_ms) < seconds + SLACK_S


async def test_a_word_wakes() -> None:
    """A timer that is set while nobody looks is looked at when it is due; one that is later than known changes nothing."""
    alarm = Alarm(ManualClock(START), 5_000)
    alarm.began()
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, alarm.soon, START + 4_000)
    loop.call_later(0.2, alarm.soon, START)
    assert 0.19 <= await waited(alarm, START + 3_000) < 0.2 + SLACK_S


async def test_a_word_during_a_look_is_kept() -> None:
    """What is told between the question to the store and its answer may not be in the answer."""
    alarm = Alarm(ManualClock(START), 5_000)
    alarm.began()
    alarm.soon(START + 10)
    assert await waited(alarm, START + 4_000) < PAUSE_S + SLACK_S
    alarm.began()
    assert await waited(alarm, START + 300) >= 0.29
