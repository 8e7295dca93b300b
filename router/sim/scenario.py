"""What is simulated, as frozen objects: sites with their traffic and rosters, the network, what breaks, and the rules in force.

A scenario file (examples/scenarios/*.toml) has these tables under these names; `read.py` reads it. Times end in their unit,
times of the day are text ("08:30", "24:00").
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ops.rulebook import RuleBook

DAY_S = 86_400
SHAPES = ("exponential", "lognormal", "fixed")
BREAKS = ("seats", "link")


@dataclass(frozen=True, slots=True)
class Spread:
    """A random time."""

    mean_s: int
    shape: str = "exponential"  # one of SHAPES
    variation: int = 100  # lognormal: standard deviation as per cent of the mean


@dataclass(frozen=True, slots=True)
class Load:
    """The calls for one queue that come in at a site."""

    queue: str
    calls_per_hour: int = 0  # mean over the curve
    erlang: int = 0  # instead: so many calls at once on average, divided by the mean handling time
    curve: tuple[int, ...] = ()  # weights of equal parts of the day; () the same all day
    handling: Spread = field(default_factory=lambda: Spread(240))  # talk; after-call work is the queue's
    patience: Spread = field(default_factory=lambda: Spread(120))
    cities: dict[str, int] = field(default_factory=dict)  # home city of the callers -> weight
    customers: int = 0  # how many different people call; 0: nobody is known
    vip_per_mille: int = 0  # callers of VIP level 1
    callback_per_mille: int = 0  # of those who are told that they may be called back (the queue's callback_from_s), who want it
    pick_up_per_mille: int = 800  # of those who are called back, who pick up, each time anew

    @property
    def per_hour(self) -> float:
        """Mean calls an hour."""
        return self.erlang * 3600 / self.handling.mean_s if self.erlang else float(self.calls_per_hour)


@dataclass(frozen=True, slots=True)
class Crew:
    """Agents of a site who work at the same time."""

    agents: int
    skills: dict[str, int]  # skill -> level, 1 best
    start: str = "00:00"  # of each day
    end: str = "24:00"
    city: str = ""
    weight: int = 1
    pause_s: int = 0  # each has one pause a shift, spread over its middle
    seat: str = ""  # name of the crew in agents' ids; "": its number


@dataclass(frozen=True, slots=True)
class Site:
    """A centre; `count` above 1 makes as many equal ones, named name01, name02."""

    name: str
    count: int = 1
    load: tuple[Load, ...] = ()
    crew: tuple[Crew, ...] = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """Something is away for a while."""

    site: str  # name of one site; "*" all
    what: str  # seats: all its agents are cut off, talks end; link: no word between it and the nation
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Network:
    """Between the centres."""

    delay_ms: int = 15  # one way
    report_ms: int = 200  # a load report not more often than this


@dataclass(frozen=True, slots=True)
class Seats:
    """How agents answer."""

    answer_ms: int = 0  # from the offer to the bridge
    missed_per_mille: int = 0  # offers that nobody answers
    back_s: int = 60  # who missed one is ready again after so long


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What a change of rules changes."""

    book: RuleBook  # queues, shares and penalty hold at every site; agents named in it have its skills, city and weight
    one_pool: bool = False  # all sites as one: the ideal that no network of centres can be better than
    priority_worth_s: int = 120


@dataclass(frozen=True, slots=True)
class Scenario:
    """The whole, but for the rules."""

    name: str
    site: tuple[Site, ...]
    hours: int = 24
    warmup_s: int = 0  # calls that come this early are served but not counted
    begins: str = "00:00"  # time of the day at which it begins
    network: Network = field(default_factory=Network)
    seats: Seats = field(default_factory=Seats)
    outage: tuple[Outage, ...] = ()
    hot: tuple[str, ...] = ()  # sites told apart in the figures (hot_sl20)
    within_s: int = 20  # of the service level


def clock_ms(text: str) -> int:
    """ "08:30" as ms since midnight, up to "24:00". Raises ValueError."""
    hours, _, minutes = text.partition(":")
    at = int(hours) * 60 + int(minutes or 0)
    if not 0 <= at <= 24 * 60:
        raise ValueError(f"{text!r} is no time of the day")
    return at * 60_000


def expanded(sites: tuple[Site, ...]) -> list[tuple[str, Site]]:
    """(name, site) of each real one."""
    found: list[tuple[str, Site]] = []
    for site in sites:
        names = [site.name] if site.count == 1 else [f"{site.name}{n:02}" for n in range(1, site.count + 1)]
        found += [(name, site) for name in names]
    return found
