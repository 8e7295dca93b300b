"""How many new calls of trunks the edge takes, decided by how late its partners answer. Theory:

A short wait is a queue that empties again; a wait that even the quickest answer of a window had is a standing queue: more comes
than is served (CoDel, RFC 8289). Some such windows in a row, in which the queue does not shrink by itself as it does after a
pause, begin a limit on the rate (rate control of RFC 7339). What is served behind a standing queue is the capacity, the ceiling:
so much less is taken that the queue is gone in `drain_ms`, then a little below the ceiling, then more from window to window until
they are late again. When nothing had to be refused for a while the limit ends.

open --(late windows)--> draining --(in time)--> growing --(nothing refused for calm_ms)--> open
                            ^----------(late)-------'
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """When an answer is late, and how the rate moves."""

    router_ms: int = 60  # every answer of a window later than this: the router is late
    media_ms: int = 150  # likewise for a media node's answer to an INVITE
    floor: float = 10.0  # calls a second that are always taken; with fewer answers than that nothing is judged
    window_ms: int = 250
    windows: int = 3  # so many late ones in a row begin the limit
    shrinks: float = 0.9  # of the wait before: a queue that empties by itself does not count
    share: float = 0.9  # of the ceiling, once the standing queue is gone
    drain_ms: int = 1000  # in which a standing queue is to be served
    least: float = 0.2  # of what is served, taken meanwhile
    fall: float = 0.85  # the ceiling falls at most to this share of itself at once
    settle_ms: int = 3000  # and not again before this, while the queue is being served
    step: float = 0.01  # growth in a window in time; each further one grows by `faster` as much
    faster: float = 1.2
    most: float = 0.05
    back: float = 0.3  # growth in a window below `known` of what was usual before
    known: float = 0.7
    usual_ms: int = 5000  # what was usual is an average over so long
    calm_ms: int = 2000


@dataclass(frozen=True, slots=True)
class Waits:
    """Answers of a window: how many, and what the quickest took."""

    count: int = 0
    least_ms: int = 0

    def and_one(self, took_ms: int) -> Waits:
        """With one more."""
        return Waits(self.count + 1, min(took_ms, self.least_ms) if self.count else took_ms)


@dataclass(slots=True)
class Overload:
    """Decides on `now` (monotonic ms) alone; knows no clock."""

    limits: Limits = field(default_factory=Limits)
    rate: float | None = None  # calls a second; None: no limit
    router_wait: Waits = Waits()  # of the window so far
    _since: int = -1
    _late: int = 0  # windows in a row
    _wait: int = 0  # of the window before
    _ceiling: float = 0.0
    _usual: float = 0.0
    _cut_at: int = 0
    _draining: bool = False
    _step: float = 0.0
    _refused_at: int = 0
    _filled: int = 0
    _fraction: float = 0.0

    def answered(self, took_ms: int) -> None:
        """A router answered in time."""
        self.router_wait = self.router_wait.and_one(took_ms)

    def window_over(self, now: int) -> bool:
        """Is it time for `judge`?"""
        if self._since < 0:
            self._since = now
        return now - self._since >= self.limits.window_ms

    def judge(self, now: int, media: Waits, refused: bool) -> None:
        """The window is over: what media nodes took in it, and whether a call was refused."""
        seconds = max(1, now - self._since) / 1000
        served = max(media.count, self.router_wait.count) / seconds
        router, nodes = self._lateness(self.router_wait, seconds), self._lateness(media, seconds)
        late = router > self.limits.router_ms or nodes > self.limits.media_ms
        wait = max(router, nodes)
        self._since, self.router_wait = now, Waits()
        stands = wait >= self.limits.shrinks * self._wait
        self._late, self._wait = (self._late + stands if late else 0), wait
        if refused:
            self._refused_at = now
        if self.rate is None and not late:
            self._usual += (served - self._usual) * min(1.0, seconds * 1000 / self.limits.usual_ms)
        if self.rate is not None:
            self._steer(now, late, wait, served)
        elif self._late >= self.limits.windows:
            self._refused_at = self._filled = now
            self._ceiling = served
            self._cut(now, wait, served)

    def _lateness(self, waits: Waits, seconds: float) -> int:
        """What the quickest answer took; 0 where too few answers tell nothing."""
        return waits.least_ms if waits.count >= self.limits.floor * seconds else 0

    def _steer(self, now: int, late: bool, wait: int, served: float) -> None:
        assert self.rate is not None
        if late:
            self._cut(now, wait, served)
        elif self._draining:
            self._draining = False
            self.rate = max(self.limits.floor, self._ceiling * self.limits.share)
        elif now - self._refused_at >= self.limits.calm_ms:
            self.rate = None
        else:
            known = self.rate < self.limits.known * self._usual
            self.rate *= 1 + (self.limits.back if known else self._step)
            self._step = min(self._step * self.limits.faster, self.limits.most)

    def _cut(self, now: int, wait: int, served: float) -> None:
        """What is served behind a standing queue is the capacity; less is taken until the queue is gone."""
        if not self._draining or now - self._cut_at >= self.limits.settle_ms:
            self._ceiling = max(served, self._ceiling * self.limits.fall)
            self._cut_at, self._step = now, self.limits.step
        share = max(self.limits.least, 1 - wait / self.limits.drain_ms)
        self.rate = max(self.limits.floor, self._ceiling * share)
        self._draining = True

    def budget(self, now: int, left: int) -> int:
        """How many calls may begin until the next look, `left` being what is left of the last budget."""
        if self.rate is None:
            return 0
        more = self.rate * min(now - self._filled, 200) / 1000 + self._fraction
        self._filled = now
        whole = int(more)
        self._fraction = more - whole
        return min(max(left, 0) + whole, int(self.rate / 10) + 1)
