"""Which call: priorities that age, and the ladder. Worked with the router's own score (router/core/policy.py), not measured."""

from __future__ import annotations

from dataclasses import dataclass

from figures.canvas import Axes, box, dot, frame, legend, line, save, text
from router.core.policy import call_score

WORTH_S = 120  # a point of priority, as configured by default
TALK_S = 80
CALLS = 15
EVERY_S = 40  # a call comes


@dataclass(frozen=True)
class Served:
    """A call of the example; times in s."""

    priority: int
    came: int
    taken: int


def served() -> list[Served]:
    """One agent, talks of 80 s; a call every 40 s, each third one with priority 2. In the order of coming."""
    coming = [(2 if n % 3 == 2 else 0, n * EVERY_S) for n in range(CALLS)]
    waiting, found, now = list(coming), [], 0
    while waiting:
        there = [one for one in waiting if one[1] <= now] or [min(waiting, key=lambda one: one[1])]
        first = min(there, key=lambda one: call_score(one[0], one[1] * 1000, WORTH_S * 1000))
        waiting.remove(first)
        found.append(Served(*first, max(now, first[1])))
        now = found[-1].taken + TALK_S
    return sorted(found, key=lambda one: one.came)


def draw() -> None:
    """img/routing-aging.svg and img/routing-ladder.svg."""
    _aging()
    _ladder()


def _aging() -> None:
    found = served()
    end = max(one.taken for one in found) + TALK_S
    axes = Axes(66, 78, 620, 322, end, 0, bottom=CALLS)
    parts = [text(20, 28, "Priorities that age: a call of priority 2 counts as if it had come 240 s earlier", bold=True, size=15)]
    parts.append(
        text(
            20,
            50,
            "one agent, talks of 80 s; thin: waits, thick: talks; the number is the place in the order of service",
            "soft",
            size=12,
        )
    )
    parts += frame(axes, [(float(s), f"{s} s") for s in range(0, end + 1, 240)], [])
    order = {one: n for n, one in enumerate(sorted(found, key=lambda one: one.taken), 1)}
    for row, one in enumerate(found):
        number = "2" if one.priority else "1"
        (x, y), (taken, _), (over, _) = (axes.at((at, row + 0.5)) for at in (one.came, one.taken, one.taken + TALK_S))
        parts += [
            line((x, y), (taken, y), f"s{number}", 2),
            dot(x, y, f"f{number}", 3.5),
            box(taken, y - 8, over - taken, 16, f"f{number}"),
        ]
        parts.append(text((taken + over) / 2, y + 4, str(order[one]), "ground", "middle", 11, bold=True))
    save("aging", (720, 450), "Who is served when", parts + legend(560, 100, [("priority 0", "f1"), ("priority 2", "f2")]))


RUNGS = (
    ("0 s", "city, level 2 or better", "seats of the caller's own city,", "only who knows the subject well"),
    ("15 s", "centre, any level", "everybody of the province", "who has the skill"),
    ("40 s", "nation", "other provinces are asked too;", "the place at home is kept"),
)


def _ladder() -> None:
    axes, low = Axes(40, 96, 640, 200, 3, 3), 296
    parts = [text(20, 28, "A ladder: the longer a call waits, the more agents may take it", bold=True, size=15)]
    how = 'ladder = [{ ring = "city", level = 2 }, { after_s = 15 }, { after_s = 40, ring = "nation" }]'
    parts.append(text(20, 50, how, "soft", size=12))
    for number, (since, name, *who) in enumerate(RUNGS):
        (x, y), (right, _) = axes.at((number, number + 1)), axes.at((number + 1, number + 1))
        style = number + 1
        parts += [box(x, y, right - x, low - y, f"f{style}", 'fill-opacity="0.18"'), line((x, y), (right, y), f"s{style}", 3)]
        parts += [
            text(x + 8, low - 48, name, bold=True),
            *(text(x + 8, low - 28 + 16 * n, one, size=12) for n, one in enumerate(who)),
        ]
        parts += [line((x, low), (x, low + 6), "edge"), text(x, low + 20, since, "soft", "middle", 12)]
    parts += [line((40, low), (680, low), "edge"), text(680, low + 20, "waited (not to scale)", "soft", "end", 12)]
    save("ladder", (720, 330), "Rungs of a ladder over the time a call has waited", parts)
