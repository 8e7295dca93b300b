"""Share away against abandonment: a fixed delay, the predicted wait, one pool; is the second ever worse than the first?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from figures.canvas import Axes, Point, curve, dot, frame, legend, save, text
from figures.lines import Row, rows

TOP = 4.0


def points() -> dict[str, Point]:
    """Rule -> (answered away, gave up), per cent, of the case with 22 agents."""
    return {row["rule"]: (row["away"], row["abandoned"]) for row in rows("national") if row["case"] == "22"}


def family(found: dict[str, Point], prefix: str) -> list[tuple[str, Point]]:
    """(seconds, point) of the rules of a kind, fewest seconds first."""
    named = [(int(rule.removeprefix(prefix)), point) for rule, point in found.items() if rule.startswith(prefix)]
    return [(f"{seconds} s", point) for seconds, point in sorted(named)]


def delayed(found: dict[str, Point]) -> list[Point]:
    """The whole curve of fixed delays: no overflow at all, each delay, at once; by share away."""
    ends = [found[rule] for rule in ("none", "at-once") if rule in found]
    return sorted([point for _, point in family(found, "delay-")] + ends)


def at(line: Sequence[Point], x: float) -> float | None:
    """Straight between two points of a curve; None outside of it."""
    for a, b in pairwise(line):
        if a[0] <= x <= b[0]:
            return _through(a, b, x)
    return None


def least(line: Sequence[Point], x: float) -> float | None:
    """The lowest that a falling convex curve through these points can be there: not below its next point, nor below the lines on
    either side, drawn on. (The straight line between two points is the highest.) None outside of the curve."""
    spans = list(pairwise(line))
    for number, (a, b) in enumerate(spans):
        if a[0] <= x <= b[0]:
            beside = [spans[n] for n in (number - 1, number + 1) if 0 <= n < len(spans)]
            return max(b[1], *(_through(*one, x) for one in beside))
    return None


def _through(a: Point, b: Point, x: float) -> float:
    return a[1] + (x - a[0]) / (b[0] - a[0]) * (b[1] - a[1])


def _verdict(gave_up: float, low: float | None, high: float | None) -> str:
    """Of a point that stands between, above or below the two bounds of the other curve."""
    if low is None or high is None:
        return "outside of the curve"
    return "fewer" if gave_up <= low else "more" if gave_up > high else "not decided"


def compared() -> list[Row]:
    """Each penalty against the curve of delays at the same share away: interpolated, and the lowest that it can be there."""
    found = points()
    line, made = delayed(found), []
    for seconds, (away, gave_up) in family(found, "expected-"):
        row: Row = {"penalty": seconds, "away": away, "gave_up": gave_up, "delay": at(line, away), "least": least(line, away)}
        made.append(row | {"says": _verdict(gave_up, row["least"], row["delay"])})
    return made


def draw() -> None:
    """img/routing-overflow.svg."""
    found = points()
    axes = Axes(66, 62, 620, 330, 25, TOP, bottom=-0.3)
    parts = [text(20, 28, "Who is sent away, who gives up: 31 sites, 22 agents and 20 erlang each", bold=True, size=15)]
    parts += frame(
        axes, [(x, str(x)) for x in range(0, 26, 5)], [(y, str(y)) for y in range(5)], "answered away from home, %", "gave up, %"
    )
    line = [point for point in delayed(found) if point[1] <= TOP]
    parts += [curve(axes, line, "s2"), *_named(axes, family(found, "delay-"), "f2", above=True)]
    expected = family(found, "expected-")
    parts += [curve(axes, [point for _, point in expected], "s1"), *_named(axes, expected, "f1", above=False)]
    parts += _single(axes, found)
    entries = [("after a fixed delay of n s", "f2"), ("by predicted wait, penalty n s", "f1")]
    if "none" in found:
        parts.append(text(685, 130, f"no overflow: 0 % away, {found['none'][1]:.2f} % gave up", "soft", "end", 12))
    save("overflow", (720, 450), "Share answered away against share who gave up", parts + legend(450, 84, entries))


def _named(axes: Axes, points: Sequence[tuple[str, Point]], style: str, above: bool) -> list[str]:
    parts = []
    for words, (x, y) in ((words, axes.at(point)) for words, point in points):
        parts.append(dot(x, y, style))
        parts.append(text(x + 8, y - 7, words, style, size=12) if above else text(x - 8, y + 15, words, style, "end", 12))
    return parts


def _single(axes: Axes, found: dict[str, Point]) -> list[str]:
    parts = []
    for rule, words, style, (right, up, anchor) in (
        ("at-once", "at once", "f3", (-2, -24, "middle")),
        ("pool", "one pool", "f4", (9, -7, "start")),
    ):
        if rule in found:
            x, y = axes.at(found[rule])
            parts += [dot(x, y, style, 5), text(x + right, y + up, words, style, anchor, 12)]
    return parts
