"""The expected wait: what callers in line were told against what they waited, with the mean error."""

from __future__ import annotations

from collections.abc import Sequence

from figures.canvas import Axes, curve, dot, frame, line, save, text
from figures.lines import Row, rows

FEWEST = 20  # callers a point must stand for
Told = tuple[int, float, float, float]  # callers, told, waited, off; means in s


def merged(found: Sequence[Row], queue: str) -> list[Told]:
    """Several days as one, by steps of 10 s of what was told."""
    steps: dict[int, list[float]] = {}
    for row in found:
        for calls, told, waited, off in row["expected"].get(queue, ()):
            sums = steps.setdefault(int(told // 10), [0.0] * 4)
            for n, value in enumerate((1, told, waited, off)):
                sums[n] += calls * value
    return [(int(n), told / n, waited / n, off / n) for _, (n, told, waited, off) in sorted(steps.items())]


def subjects() -> list[tuple[str, list[Told]]]:
    """What is looked at, in the order of the page."""
    erlang = {row["case"]: row for row in rows("erlang")}
    made = [
        ("one line, 50 agents", merged([erlang[case]], "hotline"))
        for case in ("48x60s/50 agents/120s",)
        if case in erlang and erlang[case]["expected"]
    ]
    hotline = rows("hotline")
    made += [(f"hotline.toml: {queue}", merged(hotline, queue)) for queue in ("billing", "faults") if hotline]
    made += [(f"country, {row['rule']}", merged([row], "hotline")) for row in rows("country")]
    return made


def whole(told: Sequence[Told]) -> Told:
    """Of all callers of a subject."""
    calls = sum(one[0] for one in told)
    return calls, *(sum(one[0] * one[n] for one in told) / calls for n in (1, 2, 3))  # type: ignore[return-value]


def draw() -> None:
    """img/routing-expected.svg."""
    found = subjects()
    parts = [text(20, 28, "The expected wait: told, and what callers then waited", bold=True, size=15)]
    parts.append(
        text(20, 48, "dot: mean of those told so; bar: mean error of a single call; dashed: told = waited", "soft", size=12)
    )
    for number, (title, told) in enumerate(found):
        column, row = number % 3, number // 3
        parts += _panel(Axes(54 + 236 * column, 96 + 260 * row, 180, 160, 90, 90), title, told)
    save("expected", (720, 80 + 260 * -(-len(found) // 3)), "Told against waited", parts)


def _panel(axes: Axes, title: str, told: Sequence[Told]) -> list[str]:
    marks = [(value, str(value)) for value in (0, 30, 60, 90)]
    parts = [text(axes.x, axes.y - 14, title, bold=True, size=12), *frame(axes, marks, marks, "told, s")]
    parts.append(text(axes.x + 6, axes.y + 12, "waited, s", "soft", size=11))
    parts.append(curve(axes, [(0, 0), (90, 90)], "s5", 1, "4 3"))
    for calls, said, waited, off in told:
        if calls >= FEWEST and said <= 90:
            (x, y), low, high = (
                axes.at((said, waited)),
                axes.at((said, max(0, waited - off))),
                axes.at((said, min(90, waited + off))),
            )
            parts += [line(low, high, "s1", 2), dot(x, y, "f1")]
    return parts
