"""Small worlds for the tests of the twin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ops.centre import Queue, Rung, Shares
from ops.facts import Fact
from ops.rulebook import RuleBook
from router.sim.scenario import Crew, Load, Network, Outage, RuleSet, Scenario, Seats, Site, Spread
from router.sim.tally import Tally
from router.sim.traffic import generate
from router.sim.world import World

NATION = (Rung(0, "nation"),)


def rules(*ladder: Rung, after_s: int = 0, penalty_ms: int = 0, **queue: int | str) -> RuleSet:
    """One queue q of skill s."""
    only = Queue("q", "s", after_call_s=after_s, ladder=ladder, **queue)  # type: ignore[arg-type]
    return RuleSet(RuleBook(queue=(only,), shares=Shares(penalty_ms=penalty_ms)))


@dataclass(frozen=True)
class Small:
    """A few sites with one queue; `erlang` and `agents` by site."""

    erlang: tuple[int, ...] = (4, 4, 4)
    agents: tuple[int, ...] = (5, 5, 5)
    handling_s: int = 60
    patience_s: int = 40
    seats: Seats = field(default_factory=Seats)
    outage: tuple[Outage, ...] = ()
    network: Network = field(default_factory=Network)
    hours: int = 1
    minutes: int = 0  # callers come for so long only
    callbacks: int = 0  # per mille who want one

    def scenario(self) -> Scenario:
        """As the twin takes it."""
        sites = tuple(
            Site(f"p{n}", load=(self._load(erlang),) if erlang else (), crew=(Crew(agents, {"s": 1}),))
            for n, (erlang, agents) in enumerate(zip(self.erlang, self.agents, strict=True), 1)
        )
        more = {"network": self.network, "seats": self.seats, "outage": self.outage}
        return Scenario("small", sites, self.hours, **more)  # type: ignore[arg-type]

    def _load(self, erlang: int) -> Load:
        spreads: dict[str, Any] = {"handling": Spread(self.handling_s), "patience": Spread(self.patience_s)}
        who: dict[str, Any] = {"cities": {"a": 1, "b": 1}, "customers": 30, "vip_per_mille": 50}
        return Load("q", erlang=erlang, callback_per_mille=self.callbacks, **who, **spreads)


@dataclass
class Ran:
    """A world after its run."""

    world: World
    tally: Tally
    facts: list[Fact]


def ran(small: Small, under: RuleSet, seed: int = 1) -> Ran:
    """From beginning to end."""
    facts: list[Fact] = []
    scenario = small.scenario()
    world = World(scenario, under, facts.extend)
    tally = world.run(generate(scenario, seed, small.minutes * 60 or scenario.hours * 3600))
    return Ran(world, tally, facts)
