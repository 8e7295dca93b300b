"""The rule by which the edge refuses: pure logic, alone and before a simulated centre in virtual time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest

from sip.kemi.overload import Limits, Overload, Waits

TICK_MS = 50
WINDOW_MS = Limits().window_ms
DEADLINE_MS = 200


def windows(rule: Overload, *router_ms: int, count: int = 50, media_ms: int = 5) -> list[bool]:
    """Is there a limit after each of these windows, in which every router answer took so long?"""
    limited = []
    now = 0
    rule.window_over(now)
    for took in router_ms:
        for _ in range(count):
            rule.answered(took)
        now += WINDOW_MS
        assert rule.window_over(now)
        rule.judge(now, Waits(count, media_ms), refused=False)
        limited.append(rule.rate is not None)
    return limited


@pytest.mark.parametrize(
    ("router_ms", "limited"),
    [
        ((5, 5, 5), [False, False, False]),
        ((500, 500, 5, 500), [False, False, False, False]),
        ((500, 420, 350, 290, 240, 200), [False] * 6),
        ((60, 60, 60), [False, False, False]),
        ((61, 61, 61), [False, False, True]),
        ((61, 61, 61, 5, 5, 5, 5), [False, False, True, True, True, True, False]),
    ],
)
def test_three_late_windows_limit(router_ms: tuple[int, ...], limited: list[bool]) -> None:
    """Two late windows are a pause and refuse nobody; three in a row limit; time without a refusal ends it."""
    assert windows(Overload(Limits(calm_ms=4 * WINDOW_MS)), *router_ms) == limited


def test_late_media_limits() -> None:
    """A media node that is late counts as a router that is."""
    assert windows(Overload(), 5, 5, 5, media_ms=151) == [False, False, True]


def test_few_answers_tell_nothing() -> None:
    """Below ten calls a second it is no overload, however late the answers."""
    assert windows(Overload(), *[1000] * 10, count=2) == [False] * 10


def test_one_quick_answer_is_no_queue() -> None:
    """Slow answers beside a quick one are slow questions, not a standing queue."""
    rule = Overload()
    rule.window_over(0)
    for window in range(1, 20):
        for took in [400] * 50 + [3]:
            rule.answered(took)
        rule.judge(window * WINDOW_MS, Waits(50, 5), refused=False)
    assert rule.rate is None


def test_the_floor_is_always_taken() -> None:
    """However long all are late, ten calls a second are taken: they tell when it is over."""
    rule = Overload()
    windows(rule, *[1000] * 60, count=3)
    assert rule.rate == rule.limits.floor


def test_the_budget_is_the_rate() -> None:
    """Ticks give out the rate, not a call less for fractions and no more than a tenth of a second of it saved."""
    rule = Overload()
    windows(rule, 61, 61, 61)
    rule.rate = 33.0
    start = 3 * WINDOW_MS
    given = sum(rule.budget(start + TICK_MS * tick, 0) for tick in range(1, 201))
    assert given == pytest.approx(330, abs=1)
    assert rule.budget(10**6, 10**6) == 4


@dataclass
class Centre:
    """A queue served at `capacity`, a share `after` of each call's work coming two seconds later."""

    capacity: float
    after: float = 0.0
    rule: Overload = field(default_factory=Overload)
    queue: deque[tuple[int, float]] = field(default_factory=deque)  # ms of asking (-1: later work), work in calls
    later: deque[tuple[int, float]] = field(default_factory=deque)
    credit: float = 0.0
    arrivals: float = 0.0
    now: int = 0
    left: int = 0
    served: list[tuple[int, int]] = field(default_factory=list)  # ms of the answer, ms that it took
    refused: list[int] = field(default_factory=list)
    window: Waits = field(default_factory=Waits)
    refused_in_window: bool = False
    paused_until: int = 0

    def run(self, seconds: float, offered: float) -> None:
        """Let calls come for so long."""
        for _ in range(int(seconds * 1000 / 5)):
            self.now += 5
            self._come(offered)
            self._serve()
            if self.now % TICK_MS == 0:
                self._tick()

    def _come(self, offered: float) -> None:
        self.arrivals += offered / 200
        while self.arrivals >= 1:
            self.arrivals -= 1
            if self.rule.rate is not None and self.left <= 0:
                self.refused.append(self.now)
                self.refused_in_window = True
                continue
            self.left -= 1
            self.queue.append((self.now, 1 - self.after))
            if self.after:
                self.later.append((self.now + 2000, self.after))
        while self.later and self.later[0][0] <= self.now:
            self.queue.append((-1, self.later.popleft()[1]))

    def _serve(self) -> None:
        if self.now < self.paused_until:
            return
        self.credit = min(self.credit + self.capacity / 200, 2.0)
        while self.queue and self.credit >= self.queue[0][1]:
            asked, work = self.queue.popleft()
            self.credit -= work
            if asked >= 0:
                took = self.now - asked
                self.served.append((self.now, took))
                if took <= DEADLINE_MS:  # else the call went by the fallback, and the node's lateness alone tells
                    self.rule.answered(took)
                self.window = self.window.and_one(took)

    def _tick(self) -> None:
        if self.rule.window_over(self.now):
            self.rule.judge(self.now, self.window, self.refused_in_window)
            self.window, self.refused_in_window = Waits(), False
        self.left = self.rule.budget(self.now, self.left)

    def rate(self, since: int) -> float:
        """Answered in a second since then."""
        return sum(at > since for at, _ in self.served) * 1000 / (self.now - since)

    def slow(self, since: int, share: float = 0.95) -> int:
        """The time below which `share` of the answers since then were."""
        took = sorted(took for at, took in self.served if at > since)
        return took[int(share * len(took))]


@pytest.mark.parametrize("after", [0.0, 0.5])
@pytest.mark.parametrize("offered", [200, 320, 800])
def test_overload_keeps_the_throughput(after: float, offered: float) -> None:
    """At up to five times the capacity at least 85 % of it is served, waits stay short, and it is over soon after."""
    centre = Centre(160, after)
    centre.run(10, 100)
    assert not centre.refused
    begin = centre.now
    centre.run(30, offered)
    assert centre.rate(begin + 5000) >= 0.85 * 160
    assert centre.slow(begin + 8000) <= 500
    end = centre.now
    centre.run(15, 100)
    assert all(at < end + 5000 for at in centre.refused)
    assert centre.slow(end + 5000, 1 - 1e-9) <= 60
    assert centre.rule.rate is None


def test_capacity_that_comes_back_is_used() -> None:
    """A router that is slow for a while: five seconds after it is quick again nothing is refused."""
    centre = Centre(160)
    centre.run(5, 100)
    centre.capacity = 40
    centre.run(20, 100)
    assert centre.refused
    centre.capacity = 160
    end = centre.now
    centre.run(15, 100)
    assert max(centre.refused) <= end + 5000


@pytest.mark.parametrize("offered", [50, 100, 150])
@pytest.mark.parametrize("pause_ms", [100, 300])
def test_pauses_refuse_nobody(offered: float, pause_ms: int) -> None:
    """A pause of up to 300 ms now and then, as of a garbage collector, refuses no call."""
    centre = Centre(180)
    for _ in range(5):
        centre.run(10, offered)
        centre.paused_until = centre.now + pause_ms
    centre.run(5, offered)
    assert not centre.refused
