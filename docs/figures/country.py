"""A country's day by quarters of an hour: agents and load, and what became of the callers with and without overflow."""

from __future__ import annotations

from figures.canvas import Axes, curve, frame, legend, save, text
from figures.lines import Row, rows

HOURS = [(4.0 * hour, f"{hour}:00") for hour in range(0, 25, 3)]
STYLES = {"none": ("home only", "2"), "expected-5": ("with the nation, penalty 5 s", "1")}


def days() -> dict[str, Row]:
    """Rule -> its day."""
    return {row["rule"]: row for row in rows("country")}


def draw() -> None:
    """img/routing-country.svg."""
    found = days()
    if not found:
        return
    parts = [text(20, 28, "A country's day: 31 provinces, 2 million calls", bold=True, size=15), *_load(next(iter(found.values())))]
    quarters = [one for row in found.values() for one in row["quarters"]]
    low = int(min(one["sl20"] for one in quarters)) // 20 * 20
    high = -(-max(one["abandoned"] for one in quarters) // 4) * 4 or 4
    level, gave_up = Axes(66, 318, 620, 130, 96, 100, bottom=low), Axes(66, 518, 620, 110, 96, high)
    marks = [(y, str(y)) for y in range(low, 101, 5 if low >= 80 else 20)]
    parts += frame(level, HOURS, marks, y="answered in 20 s, % of each quarter of an hour")
    parts += frame(gave_up, HOURS, [(y * high / 4, f"{y * high / 4:g}") for y in range(5)], "time of the day", "gave up, %")
    for rule, (_, number) in STYLES.items():
        if rule in found:
            quarters = found[rule]["quarters"]
            parts.append(curve(level, [(n, one["sl20"]) for n, one in enumerate(quarters)], f"s{number}"))
            parts.append(curve(gave_up, [(n, one["abandoned"]) for n, one in enumerate(quarters)], f"s{number}"))
    entries = [(words, f"f{number}") for rule, (words, number) in STYLES.items() if rule in found]
    save("country", (720, 690), "Load, agents and service over a day", parts + legend(80, 424, entries))


def _load(day: Row) -> list[str]:
    quarters = day["quarters"]
    axes = Axes(66, 66, 620, 190, 96, 8000)
    parts = frame(
        axes, HOURS, [(y, f"{y:,}") for y in range(0, 8001, 2000)], y="agents at work, and talk and after-call work in erlang"
    )
    busy = [(n, one["erlang"] + one["calls"] * 10 / 900) for n, one in enumerate(quarters)]  # 10 s of after-call work each
    parts += [curve(axes, [(n, one["agents"]) for n, one in enumerate(quarters)], "s3"), curve(axes, busy, "s4")]
    return parts + legend(80, 84, [("agents at work", "f3"), ("load", "f4")])
