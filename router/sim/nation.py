"""The national router in virtual time: load reports, the choice of core/placing.py, reservations, and the links to the provinces.

Each frame takes the network's delay; what is sent over a link that is down is lost. Only the word between the routers is cut
then: the call itself goes by SIP from edge to edge, so the edge there still sees a seat answer or hang up (`dialogs`). Frames
do to a desk what router/federation does to its store; what that package does about repeats and several routers has no part
here, because the twin's network loses frames only with the whole link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from router.core import overflow
from router.core.desk import Desk
from router.core.events import Effect
from router.core.placing import Chooser, Refusal, Report, SkillLoad, Wish
from router.core.remote import Confirmed, Held, PlaceWanted, Released, Reservation, ToCentre
from router.sim.agenda import Agenda
from router.sim.scenario import Network, RuleSet
from router.sim.site import LONG_MS, Site
from router.sim.tally import Tally

TRIES = 3
HOLDER = "twin"


@dataclass(slots=True)
class Ask:
    """One wish of a home centre that is being looked into."""

    home: int
    wanted: PlaceWanted
    centre: int = -1  # asked now
    tried: tuple[str, ...] = ()
    over: bool = False  # the home gave it up
    reason: str = "REASON_BUSY"


@dataclass(slots=True)
class Link:
    """To a province."""

    up: bool = True
    shape: tuple[int, ...] = ()  # of the desk's lines, when a report was looked at last
    said: tuple[SkillLoad, ...] = ()  # the last report
    said_ms: int = -1
    due: bool = False  # a report is entered in the agenda


class Nation:
    """Knows all sites by index, and each by name where the core does."""

    def __init__(self, agenda: Agenda, network: Network, rules: RuleSet, sites: list[Site], tally: Tally) -> None:
        self._agenda, self._network, self._sites, self._tally = agenda, network, sites, tally
        self._terms = rules.book.shares
        self._index = {site.name: n for n, site in enumerate(sites)}
        self._links = [Link() for _ in sites]
        self._chooser = Chooser()
        self._asks: dict[str, Ask] = {}
        for n, site in enumerate(sites):
            site.desk.links = (HOLDER, LONG_MS)
            site.abroad, site.changed = partial(self._hear, n), partial(self._changed, n)

    # ---- the wire
    def _up(self, site: int, do: Callable[..., None], *args: Any) -> None:
        """From a site to here."""
        if self._links[site].up:
            self._agenda.at(self._agenda.now + self._network.delay_ms, do, *args)

    def _down(self, site: int, verb: Callable[..., Any], *args: Any) -> None:
        """From here to a site's desk."""
        if self._links[site].up:
            self._agenda.at(self._agenda.now + self._network.delay_ms, self._sites[site].step, None, verb, *args)

    def _hear(self, site: int, effect: Effect) -> None:
        """What a desk says to other centres."""
        if not isinstance(effect, ToCentre):
            raise AssertionError(f"the twin does not know {effect}")
        frame = effect.frame
        if isinstance(frame, PlaceWanted):
            self._tally.places += 1
            self._up(site, self._wanted, site, frame)
        elif not effect.centre or self._whole(site, self._index[effect.centre]):
            self._up(site, self._pass, site, effect.centre, frame)
        else:
            self._overheard(self._index[effect.centre], frame)

    def _whole(self, one: int, other: int) -> bool:
        return self._links[one].up and self._links[other].up

    def _overheard(self, to: int, frame: Confirmed | Released) -> None:
        """The routers cannot speak, but the edge there sees the call's dialog."""
        now, side = self._agenda.now, getattr(frame, "side", "")
        what = "up" if isinstance(frame, Confirmed) else "over"
        self._sites[to].desk.dialogs.append(f"{what} {frame.placement} {now} {side}".rstrip())
        self._agenda.at(now + self._network.delay_ms, self._sites[to].step, None, overflow.dialogs, 100)

    def _pass(self, home: int, centre: str, frame: Confirmed | Released) -> None:
        ask = self._asks.get(frame.placement)
        if ask is not None and ask.home == home:
            ask.over = True
            if ask.centre >= 0:
                centre = centre or self._sites[ask.centre].name
                self._chooser.dropped(centre, frame.placement)
        if not centre:
            return
        speaker = self._sites[home].name
        if isinstance(frame, Confirmed):
            self._down(self._index[centre], overflow.confirm, frame.placement, frame.answered_ms, speaker)
        else:
            ended = frame.ended_ms or self._agenda.now
            self._down(self._index[centre], overflow.released, frame.placement, frame.reason, frame.side, ended, speaker)

    # ---- wishes
    def _wanted(self, home: int, wanted: PlaceWanted) -> None:
        ask = self._asks[wanted.placement] = Ask(home, wanted)
        self._choose(ask)

    def _choose(self, ask: Ask) -> None:
        w, home = ask.wanted, self._sites[ask.home].name
        wish = Wish(w.placement, home, w.skill, w.entered_ms, w.priority, (*w.not_at, *ask.tried), expected_ms=w.expected_ms)
        found = self._chooser.choose(wish, self._agenda.now) if len(ask.tried) < TRIES else Refusal(ask.reason)
        if isinstance(found, Refusal):
            del self._asks[w.placement]
            self._down(ask.home, overflow.no_place, w.placement, found.reason, found.again_ms)
            return
        ask.centre = self._index[found.centre]
        if self._links[ask.centre].up:
            self._agenda.at(self._agenda.now + self._network.delay_ms, self._reserve, ask)

    def _reserve(self, ask: Ask) -> None:
        """At the centre that was chosen."""
        site, terms = self._sites[ask.centre], self._terms
        asked = Reservation(self._sites[ask.home].name, site.name, ask.wanted, terms.share, terms.paused)
        held: Held = site.step(None, overflow.reserve, asked)
        self._up(ask.centre, self._answered, ask, ask.centre, held)

    def _answered(self, ask: Ask, by: int, held: Held) -> None:
        name, placement = self._sites[by].name, held.placement
        if ask.centre != by:
            self._give_back(by, placement)
            return
        self._chooser.answered(name, placement, not held.refused)
        if held.refused and not ask.over:
            ask.tried, ask.reason, ask.centre = (*ask.tried, name), held.refused, -1
            self._choose(ask)
            return
        del self._asks[placement]
        if held.refused:
            return
        if ask.over:
            self._give_back(by, placement)
        else:
            args = (name, placement, held.agent, held.seat, "sip:twin", held.expires_ms)
            self._down(ask.home, overflow.placed, *args)

    def _give_back(self, centre: int, placement: str) -> None:
        """The nation itself lets the agent go that a centre has reserved."""
        now = self._agenda.now
        self._down(centre, overflow.released, placement, "REASON_ANSWERED_ELSEWHERE", "SIDE_UNSPECIFIED", now, "")

    # ---- reports
    def _changed(self, n: int) -> None:
        """A desk made a step: report soon, but not more often than agreed."""
        link = self._links[n]
        if link.due or not link.up or _shape(self._sites[n].desk) == link.shape:
            return
        link.due = True
        self._agenda.at(max(self._agenda.now, link.said_ms + self._network.report_ms), self._report, n)

    def _report(self, n: int) -> None:
        link, site = self._links[n], self._sites[n]
        link.due, link.shape = False, _shape(site.desk)
        site.desk.begin(self._agenda.now)
        loads = overflow.loads(site.desk)
        if loads == link.said or not link.up:
            return
        link.said, link.said_ms = loads, self._agenda.now
        self._tally.reports += 1
        self._up(n, self._take, n, loads)

    def _take(self, n: int, loads: tuple[SkillLoad, ...]) -> None:
        """A report is as fresh as its link: over one that is up the real one is repeated each second, which the twin leaves out."""
        if self._links[n].up:
            terms, skills = self._terms, {load.skill: load for load in loads}
            name = self._sites[n].name
            self._chooser.report(Report(name, LONG_MS, terms.paused, terms.share, terms.penalty_ms, skills, name))

    # ---- what breaks
    def cut(self, n: int) -> None:
        """No word between this site and the nation: what rings elsewhere is taken back, what was asked of it is asked of others."""
        self._links[n] = Link(up=False)
        self._chooser.gone(self._sites[n].name)
        self._sites[n].step(None, overflow.links_lost, ())
        for ask in [one for one in self._asks.values() if one.centre == n and not one.over]:
            ask.tried, ask.centre = (*ask.tried, self._sites[n].name), -1
            self._choose(ask)

    def join(self, n: int) -> None:
        """The link is back: a report, and both sides tell what they hold."""
        self._links[n] = Link()
        self._changed(n)
        for after in (0, self._sites[n].desk.times.unheld_ms + 1000):
            self._agenda.at(self._agenda.now + after, self._holding, n)

    def _holding(self, n: int) -> None:
        for other in range(len(self._sites)):
            if other != n:
                self._hold(n, other)
                self._hold(other, n)

    def _hold(self, home: int, there: int) -> None:
        """What `home` holds with `there`."""
        if not self._whole(home, there):
            return
        name = self._sites[there].name
        found = next((one for one in overflow.placements(self._sites[home].desk) if one.centre == name), None)
        lists = (found.ringing, found.talking) if found else ((), ())
        self._up(home, self._down, there, overflow.held, self._sites[home].name, *lists)


def _shape(desk: Desk) -> tuple[int, ...]:
    """How long all lines are: while that stays, a report says what the last one said."""
    lines = (*desk.pools.values(), *desk.wait.values())
    return (*map(len, lines), *desk.staffed.values(), *desk.lent.values())
