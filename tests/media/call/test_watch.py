"""Who is asked whether anybody is there, and when."""

from __future__ import annotations

import itertools

from media.call.watch import DRAINING, MOST_PAUSE_MS, Pace, Watch, Watcher
from media.rtp.api import LegAudio, RtpError
from media.ua import api as ua
from ops.clock import SystemClock
from tests.media.call.parts import B1, A, Audio, Phones

PACE = Pace(15_000)
T0 = 1_760_000_000_000


def test_a_phone_that_sends_is_never_asked() -> None:
    """A leg whose audio goes on is looked at once in each span, and not asked."""
    watch, looks = Watch(PACE), 0
    for now in range(T0, T0 + 600_000, 1_000):
        for leg in watch.due(now, [A]):
            looks += 1
            assert not watch.heard(now, leg, now)
    assert looks == 600_000 // 15_000 - 1


def test_a_silent_phone_is_asked_less_and_less_often() -> None:
    """A leg without audio is asked after the span, then after twice, four times.. the span, at the most ten minutes."""
    watch, asked = Watch(PACE), []
    for now in range(T0, T0 + 4_000_000, 1_000):
        asked += [now - T0 for leg in watch.due(now, [A]) if watch.heard(now, leg, 0)]
    pauses = [two - one for one, two in itertools.pairwise(asked)]
    assert asked[0] == 15_000
    assert pauses[:5] == [30_000, 60_000, 120_000, 240_000, 480_000]
    assert set(pauses[5:]) == {MOST_PAUSE_MS}


def test_audio_that_comes_back_starts_anew() -> None:
    """After sound a new silence is asked about after the span again."""
    watch = Watch(PACE)
    watch.due(T0, [A])
    assert watch.due(T0 + 15_000, [A]) == [A] and watch.heard(T0 + 15_000, A, T0)
    assert watch.due(T0 + 45_000, [A]) == [A] and not watch.heard(T0 + 45_000, A, T0 + 44_000)
    assert watch.due(T0 + 58_000, [A]) == []
    assert watch.due(T0 + 59_000, [A]) == [A] and watch.heard(T0 + 59_000, A, T0 + 44_000)


def test_legs_that_are_over_are_forgotten() -> None:
    """Only legs that are up are looked at; one that comes back begins at its beginning."""
    watch = Watch(PACE)
    watch.due(T0, [A, B1])
    watch.due(T0 + 1_000, [B1])
    assert watch.due(T0 + 15_000, [A, B1]) == [B1]
    assert not watch.heard(T0 + 15_000, ua.Leg(A.call, B1.leg)._replace(leg=A.leg), T0 + 15_000)


def test_draining_asks_everybody_who_is_silent_at_once() -> None:
    """With the pace of draining a leg that was asked long ago is looked at anew, and has seconds to answer."""
    watch = Watch(PACE)
    watch.due(T0, [A])
    watch.due(T0 + 15_000, [A])
    assert watch.heard(T0 + 15_000, A, 0)
    watch.hurry(T0 + 16_000, DRAINING)
    assert watch.due(T0 + 16_000, [A]) == [A] and watch.heard(T0 + 16_000, A, 0)
    assert watch.pace.patience_ms == 4_000


class Silent(Audio):
    """An rtpengine that has heard nobody, or is away."""

    away = False

    async def look(self, leg: ua.Leg) -> LegAudio:
        if self.away:
            raise RtpError("no answer")
        return LegAudio(30_000, 0, 0)


async def test_the_question_goes_to_the_user_agent() -> None:
    """A leg that rtpengine has not heard is refreshed with the pace's patience; while rtpengine is away nobody is asked."""
    phones, audio = Phones(), Silent()
    watcher = Watcher(Pace(0, 7), lambda: [A], audio, phones, SystemClock())
    audio.away = True
    await watcher.look()
    assert phones.told == []
    audio.away = False
    await watcher.look()
    assert phones.told == [ua.Refresh(A, 7)]
