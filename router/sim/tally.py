"""What became of the callers, counted as docs and glossary define it: service level is answered within T of all who were answered
or gave up (sl_offered), abandonment is of the offered, away is of the answered, ASA is the mean wait of the answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.sim.traffic import Arrival

PERIOD_MS = 900_000
BIN_MS = 10_000  # predicted waits are compared with real ones in steps of so much
BINS = 31  # the last one holds all that is longer


@dataclass(slots=True)
class Count:
    """Raw counters; ratios are made from them at the end."""

    offered: int = 0
    answered: int = 0
    within: int = 0
    abandoned: int = 0
    turned_away: int = 0
    away: int = 0
    wait_ms: int = 0  # of the answered
    left_ms: int = 0  # waited by those who gave up
    load_ms: int = 0  # talk that the offered bring
    callbacks: int = 0  # hung up to be called back; neither answered nor abandoned
    reached: int = 0  # of those: talked to an agent in the end
    back_ms: int = 0  # of the reached: from calling to talking

    @property
    def sl(self) -> float:
        """Per cent answered within T."""
        return _share(self.within, self.answered + self.abandoned)

    @property
    def abandonment(self) -> float:
        """Per cent of the offered."""
        return _share(self.abandoned, self.offered)

    @property
    def away_share(self) -> float:
        """Per cent of the answered."""
        return _share(self.away, self.answered)

    @property
    def all_s(self) -> float:
        """Mean wait of all, those who gave up included, s."""
        served = self.answered + self.abandoned
        return (self.wait_ms + self.left_ms) / served / 1000 if served else 0.0

    @property
    def asa_s(self) -> float:
        """Mean wait of the answered, s."""
        return self.wait_ms / self.answered / 1000 if self.answered else 0.0

    @property
    def unserved(self) -> float:
        """Per cent of the offered who gave up, or asked to be called back and never were."""
        return _share(self.abandoned + self.callbacks - self.reached, self.offered)

    @property
    def back_s(self) -> float:
        """Mean time until a caller who was called back talks, s."""
        return self.back_ms / self.reached / 1000 if self.reached else 0.0

    def add(self, other: Count) -> None:
        """Both together."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Bin:
    """Calls that were told about the same expected wait."""

    calls: int = 0
    told_ms: int = 0
    real_ms: int = 0
    off_ms: int = 0  # sum of the absolute differences


@dataclass(slots=True)
class Drawn:
    """What chance really brought: sums over the callers that are counted."""

    calls: int = 0
    handling_ms: int = 0
    patience_ms: int = 0
    first_ms: int = -1
    last_ms: int = 0

    def add(self, came: Arrival) -> None:
        """One more."""
        self.calls += 1
        self.handling_ms += came.handling_ms
        self.patience_ms += came.patience_ms
        self.last_ms = came.at_ms
        if self.first_ms < 0:
            self.first_ms = came.at_ms

    @property
    def erlang(self) -> float:
        """The load that came."""
        return self.handling_ms / max(1, self.last_ms - self.first_ms)


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


@dataclass(slots=True)
class Tally:
    """Everything that is counted in one run; only callers who came between two times are."""

    from_ms: int
    within_ms: int
    sites: list[Count]
    periods: dict[int, Count] = field(default_factory=dict)  # quarter of an hour since the beginning
    groups: dict[str, Count] = field(default_factory=dict)  # of each queue, and of VIP callers in each
    bins: dict[str, list[Bin]] = field(default_factory=dict)  # of each queue
    agents: dict[str, int] = field(default_factory=dict)  # agent -> calls answered
    busy_ms: int = 0  # talk of all agents
    drawn: Drawn = field(default_factory=Drawn)
    missed: int = 0  # offers that nobody answered
    reports: int = 0
    places: int = 0  # asked of the nation

    def offer(self, came: Arrival, group: str) -> tuple[Count, ...]:
        """A caller comes: the counters it belongs to, () if it is not counted."""
        if came.at_ms < self.from_ms:
            return ()
        self.drawn.add(came)
        period = came.at_ms // PERIOD_MS
        where = self.periods.get(period) or self.periods.setdefault(period, Count())
        kind = self.groups.get(group) or self.groups.setdefault(group, Count())
        counts = (self.sites[came.site], where, kind)
        for count in counts:
            count.offered += 1
            count.load_ms += came.handling_ms
        return counts

    def answer(self, counts: tuple[Count, ...], waited_ms: int, away: bool) -> None:
        """Bridged."""
        within = waited_ms <= self.within_ms
        for count in counts:
            count.answered += 1
            count.wait_ms += waited_ms
            count.within += within
            count.away += away

    def took(self, agent: str, talk_ms: int) -> None:
        """A talk of an agent."""
        self.agents[agent] = self.agents.get(agent, 0) + 1
        self.busy_ms += talk_ms

    def expected(self, queue: str, told_ms: int, real_ms: int) -> None:
        """One who stood in line was told this and waited that."""
        bins = self.bins.get(queue) or self.bins.setdefault(queue, [Bin() for _ in range(BINS)])
        one = bins[min(BINS - 1, told_ms // BIN_MS)]
        one.calls += 1
        one.told_ms += told_ms
        one.real_ms += real_ms
        one.off_ms += abs(told_ms - real_ms)

    def total(self, sites: list[int] | None = None) -> Count:
        """Of all sites, or of some."""
        found = Count()
        for site in range(len(self.sites)) if sites is None else sites:
            found.add(self.sites[site])
        return found
