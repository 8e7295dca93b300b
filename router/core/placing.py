"""Which centre answers a call that may leave its own: pure, for the national router, for neighbours and for the twin.

Theory. A call is worth sending where the caller is answered soonest, counted as expected wait plus what leaving home costs
(`penalty_ms` of the centre that takes it) plus the time the sending itself takes. Only a centre that says it has a free agent of
the skill, is not paused and has not lent more than its share is asked to reserve one; a report older than `STALE_MS` is
no report. Between two looks at the reports the chooser counts its own reservations, so that a burst of calls does not all go to
the centre that was free a moment ago.

*Staying is a choice too.* A wish that tells how long the call will wait still where it is (`expected_ms`) is refused (STAY)
while no other place costs less: so a call leaves home only if that is better for it by more than the penalty. The lender's last
free agents are dearer, because the next of its own callers will miss them: with n to spare the penalty counts 1 + 1/n times.
Measured in the twin (docs/routing.md), fewer give up at the same share answered away than with the plain penalty.

*Who asks again when.* A call that has waited long asks ten times as often as a new one, so that an agent who gets free somewhere
goes most probably to one of those who have waited longest, as in one line for all.

*Going home.* The penalty is what it costs a caller to be answered away from the own province. So it is not counted at the centre
that serves the caller's home area (Report.province == Wish.province): a call that came in at the wrong province goes home first,
unless home is so much slower that another centre is better in spite of its penalty. And such a call is away already where it came
in, so staying there costs the penalty of that centre on top.

*Ties* (most centres have the same penalty) go to the centre with the largest part of its agents to spare, because there the loss
of one is felt least by its own callers; then to the one that was chosen longest ago.

*Own reservations.* A reservation counts as taken from the choice until a report comes that can know of it: one that follows the
centre's answer. A centre that answered "nobody" is passed over for that skill until its next report.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STALE_MS = 3_000
SENDING_MS = 150  # asking, reserving and the longer way of the INVITE, as a caller waits for it
AGAIN_MS = 1_000  # a call that found nobody is looked at again after so long,
SOON_MS = 100  # one that has waited for LONG_MS after so long,
LONG_MS = 10_000
ASKS_PER_S = 200  # or later, so that all who look for a place do not ask more often than this together
AGAIN_LONGEST_MS = 10_000
STAY_MS = 2_000  # one that had better stay

NOBODY = "REASON_BUSY"  # all who could answer elsewhere are busy
STAY = "REASON_UNSPECIFIED"  # better where it is: nothing went wrong


@dataclass(frozen=True, slots=True)
class SkillLoad:
    """How busy a skill is at a centre; federation.proto has the fields' meaning."""

    skill: str
    staffed: int
    free: int
    waiting: int
    expected_ms: int
    lent: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a centre says of itself."""

    centre: str
    at_ms: int  # of the clock of who chooses: when it came
    paused: bool = False
    share: int = 100
    penalty_ms: int = 0
    skills: dict[str, SkillLoad] = field(default_factory=dict)
    province: str = ""  # home area it serves


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that looks for a place."""

    placement: str
    home: str  # the centre that holds it
    skill: str
    entered_ms: int
    priority: int = 0
    not_at: tuple[str, ...] = ()
    province: str = ""  # home area of the caller, "" unknown
    expected_ms: int = 0  # how long it will wait still where it is; 0: not known, it goes wherever somebody is free


@dataclass(frozen=True, slots=True)
class Choice:
    """Ask this centre to reserve an agent."""

    centre: str
    cost_ms: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """No place now. `reason`: NOBODY or STAY; ask again in `again_ms`."""

    reason: str
    again_ms: int = AGAIN_MS


def lendable(staffed: int, share: int) -> int:
    """How many agents of a skill may be with other centres' callers at once; the reserving step counts in the same way."""
    return staffed * share // 100


def spare(report: Report, load: SkillLoad, taken: int = 0) -> int:
    """How many more calls the centre takes for this skill, after `taken` that it does not know of yet."""
    if report.paused:
        return 0
    return min(load.free, lendable(load.staffed, report.share) - load.lent) - taken


def cost_ms(report: Report, load: SkillLoad, province: str) -> int:
    """What being answered at this centre costs a caller of that home area who is held elsewhere."""
    away = 0 if province and province == report.province else report.penalty_ms
    return load.expected_ms + away + SENDING_MS


def staying_ms(wish: Wish, home: Report | None) -> int | None:
    """What waiting on where it is costs the caller; None: not known."""
    if wish.expected_ms <= 0:
        return None
    strange = home is not None and bool(wish.province) and bool(home.province) and wish.province != home.province
    return wish.expected_ms + (home.penalty_ms if strange and home is not None else 0)


@dataclass(slots=True)
class _Known:
    """The last report of a centre and what it cannot know yet. `open` and `told`: placement -> skill."""

    report: Report
    open: dict[str, str] = field(default_factory=dict)  # asked for, no answer yet
    told: dict[str, str] = field(default_factory=dict)  # answered since the report
    taken: dict[str, int] = field(default_factory=dict)  # skill -> open + told
    nobody: set[str] = field(default_factory=set)  # skills for which it said so since the report
    chosen: int = 0  # when it was chosen last, as a count

    def drop(self, held: dict[str, str], placement: str) -> None:
        """No more counted."""
        skill = held.pop(placement, None)
        if skill is not None:
            self.taken[skill] -= 1


class Chooser:
    """Knows the reports and its own reservations. No I/O, no clock; one for all skills of a country."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._count = 0
        self._second = 0  # in which it was refused last,
        self._refused = 0  # how often in it,
        self._stretch = 1.0  # and how much longer than the usual time those who ask too often together are to wait

    def report(self, report: Report) -> None:
        """A newer one takes the place of the last."""
        known = self._known.get(report.centre)
        if known is None:
            self._known[report.centre] = _Known(report)
            return
        known.report = report
        known.nobody.clear()
        for placement in tuple(known.told):
            known.drop(known.told, placement)

    def gone(self, centre: str) -> None:
        """Its stream is lost: it is asked for nothing until it reports again."""
        self._known.pop(centre, None)

    def known(self, centre: str) -> Report | None:
        """Its last report."""
        found = self._known.get(centre)
        return found.report if found else None

    def centres(self) -> list[str]:
        """Who has reported."""
        return sorted(self._known)

    def choose(self, wish: Wish, now_ms: int) -> Choice | Refusal:
        """The centre to ask; its agent counts as taken from now on, until `answered` and the report after it, or `dropped`."""
        best = self._best(wish, now_ms)
        if best is None:
            return Refusal(NOBODY, self._again_ms(wish, now_ms))
        cost, _, _, known = best
        home = self._known.get(wish.home)
        staying = staying_ms(wish, home.report if home else None)
        if staying is not None and staying <= cost + self._lending_ms(known, wish):
            return Refusal(STAY, STAY_MS)
        self._take(known, wish)
        return Choice(known.report.centre, cost)

    def answered(self, centre: str, placement: str, reserved: bool) -> None:
        """The centre's answer: an agent is reserved, or nobody was free."""
        known = self._known.get(centre)
        if known is None or placement not in known.open:
            return
        skill = known.open[placement]
        if reserved:
            known.told[placement] = known.open.pop(placement)
        else:
            known.drop(known.open, placement)
            known.nobody.add(skill)

    def dropped(self, centre: str, placement: str) -> None:
        """The wish is gone before the report that tells of it."""
        known = self._known.get(centre)
        if known is not None:
            known.drop(known.open, placement)
            known.drop(known.told, placement)

    def _best(self, wish: Wish, now_ms: int) -> tuple[int, float, int, _Known] | None:
        best = None
        for known in self._known.values():
            load = known.report.skills.get(wish.skill)
            if load is None or load.free <= 0 or known.report.at_ms < now_ms - STALE_MS:
                continue
            rated = _rated(known, load, wish)
            if rated is not None and (best is None or rated[:3] < best[:3]):
                best = rated
        return best

    def _take(self, known: _Known, wish: Wish) -> None:
        self._count += 1
        known.chosen = self._count
        known.open[wish.placement] = wish.skill
        known.taken[wish.skill] = known.taken.get(wish.skill, 0) + 1

    def _lending_ms(self, known: _Known, wish: Wish) -> int:
        """What it costs the lender: its last free agents are dear. Nothing where the call would be at home."""
        if wish.province and wish.province == known.report.province:
            return 0
        room = spare(known.report, known.report.skills[wish.skill], known.taken.get(wish.skill, 0))
        return known.report.penalty_ms // room

    def _again_ms(self, wish: Wish, now_ms: int) -> int:
        """Wishes that find nobody come again; those who have waited long, sooner; if they are too many together, all later."""
        if now_ms // 1000 != self._second:
            before = self._refused if now_ms // 1000 == self._second + 1 else 0
            self._stretch = max(1.0, self._stretch * (before / ASKS_PER_S) ** 0.5)
            self._second, self._refused = now_ms // 1000, 0
        self._refused += 1
        base = SOON_MS if now_ms - wish.entered_ms >= LONG_MS else AGAIN_MS
        return min(AGAIN_LONGEST_MS, int(base * max(self._stretch, self._refused / ASKS_PER_S)))


def _rated(known: _Known, load: SkillLoad, wish: Wish) -> tuple[int, float, int, _Known] | None:
    """(cost, -part of the agents to spare, chosen last, centre); None: it cannot take the call."""
    report = known.report
    if report.centre == wish.home or report.centre in wish.not_at or wish.skill in known.nobody:
        return None
    room = spare(report, load, known.taken.get(wish.skill, 0))
    if room <= 0:
        return None
    return cost_ms(report, load, wish.province), -room / max(1, load.staffed), known.chosen, known
