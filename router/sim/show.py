"""Outcomes as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unicodedata import east_asian_width

from router.sim.day import Day
from router.sim.erlang import Line, erlang_a, erlang_c
from router.sim.library import Plan
from router.sim.run import Outcome
from router.sim.tally import BIN_MS, PERIOD_MS, Bin, Count

HEAD = ("case", "rule", "calls", "in 20 s %", "abandoned %", "away %", "mean wait s", "hot in 20 s %", "spread", "run s")


def width(text: str) -> int:
    """Columns on a terminal; Chinese takes two."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need be, figures to the right."""
    sizes = [max(width(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = ["  ".join(_cell(*one) for one in zip(row, sizes, range(len(head)), strict=True)).rstrip() for row in (head, *rows)]
    return "\n".join([lines[0], "-" * max(map(width, lines)), *lines[1:]])


def _cell(text: str, size: int, column: int) -> str:
    gap = " " * (size - width(text))
    return gap + text if column and (text[:1].isdigit() or text[:1] in "-+") else text + gap


def row(outcome: Outcome) -> tuple[str, ...]:
    """One line of the table."""
    total, hot = outcome.total, outcome.hot
    return (
        outcome.case,
        outcome.rule,
        f"{total.offered:,}",
        f"{total.sl:.2f}",
        f"{total.abandonment:.3f}",
        f"{total.away_share:.2f}",
        f"{total.asa_s:.2f}",
        f"{hot.sl:.2f}" if hot else "",
        f"{outcome.spread}",
        f"{outcome.seconds:.0f}",
    )


def outcomes(found: Sequence[Outcome]) -> str:
    """All of them."""
    return table(HEAD, [row(one) for one in found])


# ---- two rules side by side
Figure = tuple[str, Callable[[Count], float], int]  # words, value, digits
FIGURES: tuple[Figure, ...] = (
    ("answered in 20 s %", lambda c: c.sl, 2),
    ("abandoned %", lambda c: c.abandonment, 2),
    ("mean wait s", lambda c: c.asa_s, 2),
)
RARE: tuple[Figure, ...] = (
    ("turned away", lambda c: c.turned_away, 0),
    ("answered away from home %", lambda c: c.away_share, 2),
    ("to be called back", lambda c: c.callbacks, 0),
    ("of those reached", lambda c: c.reached, 0),
    ("mean time until they talk s", lambda c: c.back_s, 0),
)


def recorded(day: Day, within_s: int) -> str:
    """How a recorded day really was: to see how near the twin comes to it before believing what it says of a change."""
    answered = [one.wait_ms for one in day.calls if one.outcome == "answered"]
    left = sum(one.outcome == "abandoned" for one in day.calls)
    within = sum(ms <= within_s * 1000 for ms in answered)
    shares = (100 * within / max(1, len(answered) + left), 100 * left / max(1, len(day.calls)))
    wait = sum(answered) / max(1, len(answered)) / 1000
    said = (
        f"{len(day.calls):,} calls, {shares[0]:.2f} % answered in {within_s} s, {shares[1]:.2f} % abandoned, mean wait {wait:.2f} s"
    )
    return f"as it was recorded: {said}"


def side_by_side(one: Outcome, two: Outcome) -> str:
    """What a change of rules changes: all calls, each queue, VIP callers, sites and quarters of an hour that change most."""
    head = ("", one.rule, two.rule, "difference")
    rows = [*_lines("", one.total, two.total), ("calls of busiest - least busy agent", *_numbers(one.spread, two.spread, 0))]
    groups = sorted(one.groups.keys() & two.groups.keys())
    for name in groups if len(groups) > 1 else ():
        rows += _lines(f"{name}: ", one.groups[name], two.groups[name])
    return table(head, rows) + "\n" + _most_changed(one, two)


def _lines(label: str, one: Count, two: Count) -> list[tuple[str, ...]]:
    """Of some callers; what did not happen to any of them under either rule is left out."""
    rows: list[tuple[str, ...]] = [(f"{label}calls", *_numbers(one.offered, two.offered, 0))]
    rows += [(f"{label}{words}", *_numbers(value(one), value(two), digits)) for words, value, digits in FIGURES]
    rare = [
        (f"{label}{words}", *_numbers(value(one), value(two), digits)) for words, value, digits in RARE if value(one) or value(two)
    ]
    if one.callbacks or two.callbacks:
        rare.append((f"{label}gave up or never reached %", *_numbers(one.unserved, two.unserved, 2)))
    return rows + rare


def _numbers(one: float, two: float, digits: int) -> tuple[str, str, str]:
    return f"{one:,.{digits}f}", f"{two:,.{digits}f}", f"{two - one:+,.{digits}f}"


def _most_changed(one: Outcome, two: Outcome) -> str:
    changes = [
        (two.sites[name].sl - one.sites[name].sl, name) for name in one.sites if name in two.sites and one.sites[name].offered
    ]
    times = [(two.periods[at].sl - one.periods[at].sl, at) for at in one.periods.keys() & two.periods.keys()]
    found = [f"{name} {by:+.2f}" for by, name in sorted(changes, key=lambda c: -abs(c[0]))[:3] if by]
    hours = [f"{clock(at, one.begins_ms)} {by:+.2f}" for by, at in sorted(times, key=lambda t: -abs(t[0]))[:3] if by]
    return "\n".join(
        f"most changed {what} (answered in 20 s, points): {', '.join(those)}"
        for what, those in (("sites", found), ("quarters of an hour", hours))
        if those
    )


def clock(period: int, begins_ms: int) -> str:
    """A quarter of an hour as the time of the day at which it begins."""
    minutes = (period * PERIOD_MS + begins_ms) // 60_000
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


# ---- against the formulas
ERLANG_HEAD = ("case", "calls", "abandoned %", "formula %", "off by", "wait of all s", "formula s", "off by")
ENDLESS_S = 10**6  # a patience that is as good as none


def against_formulas(plan: Plan, outcome: Outcome) -> tuple[str, ...]:
    """Abandonment and mean wait of all, each as measured, as the formula has it, and how far they are apart."""
    line, total = formula(plan, outcome), outcome.total
    gave_up = (f"{total.abandonment:.3f}", f"{100 * line.abandoned:.3f}", _off(total.abandonment, 100 * line.abandoned))
    return plan.case, f"{total.offered:,}", *gave_up, f"{total.all_s:.3f}", f"{line.wait_s:.3f}", _off(total.all_s, line.wait_s)


def _off(measured: float, wanted: float) -> str:
    return f"{100 * (measured / wanted - 1):+.2f} %" if wanted else ""


def formula(plan: Plan, outcome: Outcome) -> Line:
    """What the theory says of a plan with one site, one load and one crew, for the load, handling and patience that chance
    really brought: a load that is a thousandth too high would move abandonment by two per cent of it."""
    agents, drawn = plan.scenario.site[0].crew[0].agents, outcome.drawn
    handling = drawn.handling_ms / drawn.calls / 1000
    if plan.scenario.site[0].load[0].patience.mean_s >= ENDLESS_S:
        return erlang_c(drawn.erlang, agents, handling)
    return erlang_a(drawn.erlang, agents, handling, drawn.patience_ms / drawn.calls / 1000)


# ---- the expected wait
def expected(bins: Sequence[Bin]) -> str:
    """What callers in line were told against what became of it."""
    rows = [
        (
            f"{n * BIN_MS // 1000}-{(n + 1) * BIN_MS // 1000} s",
            f"{one.calls:,}",
            f"{one.told_ms / one.calls / 1000:.1f}",
            f"{one.real_ms / one.calls / 1000:.1f}",
            f"{one.off_ms / one.calls / 1000:.1f}",
        )
        for n, one in enumerate(bins)
        if one.calls
    ]
    return table(("told", "calls", "mean told s", "mean wait s", "mean error s"), rows)
