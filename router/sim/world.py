"""A scenario brought to life: sites with their staff, the nation between them, callers, and what breaks; and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ops.centre import Agent, Centre, CentreConfig, Router
from ops.rulebook import RuleBook, into
from router.core.commands import QueueRule, Rules, Stage
from router.core.home import city_key
from router.rules import rules_of
from router.sim.agenda import Agenda
from router.sim.nation import Nation
from router.sim.roster import Hired, rostered
from router.sim.scenario import Outage, RuleSet, Scenario, clock_ms, expanded
from router.sim.site import Sink, Site
from router.sim.staff import Staff
from router.sim.tally import Count, Tally
from router.sim.traffic import Arrival

EPOCH_MS = 1_767_225_600_000  # 2026-01-01: midnight of the first day
POOL = "pool"
REST_MS = 600_000  # after the last caller: after-call work, and what is still under way between centres
Progress = Callable[[int], None]  # callers so far


def by_the_book(book: RuleBook, agents: Iterable[Hired]) -> list[Hired]:
    """Agents with the skills, city and weight that the rule book gives those whom it names."""
    named = {one.id: one for one in book.agent}
    found = []
    for one in agents:
        told = named.get(one.id)
        changed = replace(one, skills=tuple(told.skills.items()), city=told.city, weight=told.weight) if told else one
        found.append(changed)
    return found


def rules_for(rules: RuleSet, agents: Iterable[Hired], city: Callable[[Hired], str]) -> Rules:
    """What a router of a centre with these agents makes of the rule book."""
    people = tuple(Agent(one.id, one.id, skills=dict(one.skills), city=city(one), weight=one.weight) for one in agents)
    config = CentreConfig(Centre("twin"), router=Router(priority_worth_s=rules.priority_worth_s), path=Path("no file"))
    found = rules_of(into(replace(rules.book, agent=people), config))
    return replace(found, queues=tuple(map(_pooled, found.queues))) if rules.one_pool else found


def _pooled(rule: QueueRule) -> QueueRule:
    """All sites are cities of one centre; seats of the caller's own come first."""
    return replace(rule, stages=(Stage(0, rule.skill, ring="city"), Stage(1, rule.skill)), vip_stages=())


class World:
    """One run. Build it, `run` it, look at `tally`."""

    def __init__(self, scenario: Scenario, rules: RuleSet, sink: Sink | None = None, agents: Sequence[Hired] | None = None) -> None:
        self.scenario, self.rules = scenario, rules
        self.start_ms = EPOCH_MS + clock_ms(scenario.begins)
        self.agenda = Agenda(self.start_ms)
        self.names = [name for name, _ in expanded(scenario.site)]
        self._cities = [city_key(name) for name in self.names]  # what sites are in the pool
        counts = [Count() for _ in self.names]
        self.tally = Tally(scenario.warmup_s * 1000, scenario.within_s * 1000, counts)
        self.agents = by_the_book(rules.book, rostered(scenario) if agents is None else agents)
        self.home = {one.id: one.site for one in self.agents}
        self.sites = [self._site(n, name, sink) for n, name in enumerate([POOL] if rules.one_pool else self.names)]
        self.nation = None if rules.one_pool else Nation(self.agenda, scenario.network, rules, self.sites, self.tally)
        self.staffs = self._staffs()
        for outage in scenario.outage:
            self._break(outage)

    def _site(self, index: int, name: str, sink: Sink | None) -> Site:
        pool = self.rules.one_pool
        own = [one for one in self.agents if pool or one.site == index]
        site = Site(name, self.agenda, self.tally, self.scenario.seats, self.home, sink)
        site.backs.from_ms = {one.id: one.callback_from_s * 1000 for one in self.rules.book.queue if one.callback_from_s}
        site.open(rules_for(self.rules, own, lambda one: self.names[one.site] if pool else one.city))
        return site

    def _staffs(self) -> list[Staff]:
        staffs = [Staff(site, self.agenda) for site in self.sites]
        for one in self.agents:
            staffs[self._at(one.site)].hire(one)
        for site in self.sites:
            site.missed = lambda agent: staffs[self._at(self.home[agent])].missed(agent)
        return staffs

    def _at(self, site: int) -> int:
        return 0 if self.rules.one_pool else site

    def _break(self, outage: Outage) -> None:
        start, end = (EPOCH_MS + clock_ms(text) for text in (outage.start, outage.end))
        for index, name in enumerate(self.names):
            if outage.site not in ("*", name) or self.rules.one_pool:
                continue
            if outage.what == "seats":
                self.agenda.at(start, self.staffs[index].cut)
                self.agenda.at(end, self.staffs[index].restore)
            elif self.nation is not None:
                self.agenda.at(start, self.nation.cut, index)
                self.agenda.at(end, self.nation.join, index)

    def run(self, arrivals: Iterable[Arrival], calls: int | None = None, progress: Progress | None = None) -> Tally:
        """All callers, and on until the last has gone. `calls`: stop after so many that count."""
        for number, came in enumerate(self._wanted(arrivals, calls)):
            self.agenda.run(self.start_ms + came.at_ms)
            self._arrive(number, came)
            if progress is not None and number % 2000 == 0:
                progress(number)
        self._finish()
        return self.tally

    def _wanted(self, arrivals: Iterable[Arrival], calls: int | None) -> Iterator[Arrival]:
        coming = iter(arrivals)
        if calls is None:
            yield from coming
            return
        for came in coming:
            if came.at_ms >= self.tally.from_ms:
                yield came
                break
            yield came
        yield from islice(coming, calls - 1)

    def _arrive(self, number: int, came: Arrival) -> None:
        if self.rules.one_pool:
            self.sites[0].arrive(number, came._replace(city=self._nearest(came)))
        else:
            self.sites[came.site].arrive(number, came)

    def _nearest(self, came: Arrival) -> str:
        """In the pool: the caller's own site if somebody is free there, else the site where most are."""
        desk, own = self.sites[0].desk, self._cities[came.site]
        plan = desk.plan.queues[came.queue]
        names = [f"{plan.order}:{plan.rule.skill}:{band}:" for band in desk.plan.layout(plan.rule.skill).bands]

        def free(site: str) -> int:
            return sum(len(desk.pools.get(name + site, ())) for name in names)

        return own if free(own) else max(self._cities, key=free)

    def _finish(self) -> None:
        """Nobody comes any more; who waits is served, or gives up. Who is to be called back when nobody will work again is not."""
        while left := [one for site in self.sites for one in site.callers.values()]:
            at = self.agenda.next_ms()
            if at is None and all(one.back for one in left):
                break
            if at is None:
                raise AssertionError("callers are left, and nothing is to happen any more")
            self.agenda.run(at)
        self.agenda.run(self.agenda.now + REST_MS)
        for site in self.sites:
            site.flush()
