"""Draws the pictures of docs/routing.md from the twin's figures in docs/figures: `python docs/draw_routing.py`.

The figures are what `tierline sim NAME --json` printed; docs/routing.md says with which words. Plain SVG, no library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 44, 56
COLOURS = ("#1f6fb2", "#d1672b", "#3c8c4a", "#7a4fa3", "#777777")
Row = dict[str, Any]
Point = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """Where values lie on the picture."""

    title: str
    x: str
    y: str
    right: float
    top: float
    left: float = 0.0

    def at(self, point: Point) -> Point:
        """In pixels."""
        across = (point[0] - self.left) / (self.right - self.left)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - point[1] / self.top * (HEIGHT - TOP - BOTTOM)


def rows(name: str) -> list[Row]:
    """The lines of a figures file."""
    return [json.loads(line) for line in (HERE / "figures" / name).read_text().splitlines()]


def text(x: float, y: float, words: str, more: str = "") -> str:
    """One line of writing."""
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'


def frame(axes: Axes, across: Sequence[tuple[float, str]], up: Sequence[float]) -> list[str]:
    """Axes with their marks."""
    x0, y0 = axes.at((axes.left, 0))
    found = [text(LEFT, 22, axes.title, 'font-weight="bold"'), text(LEFT, 38, axes.y, 'fill="#555"')]
    found.append(text(WIDTH - RIGHT, HEIGHT - 12, axes.x, 'fill="#555" text-anchor="end"'))
    for value in up:
        y = axes.at((axes.left, value))[1]
        found.append(f'<line x1="{x0:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        found.append(text(x0 - 8, y + 4, f"{value:g}", 'text-anchor="end"'))
    for value, words in across:
        found.append(text(axes.at((value, 0))[0], y0 + 18, words, 'text-anchor="middle"'))
    found.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{WIDTH - RIGHT}" y2="{y0:.1f}" stroke="#333"/>')
    return found


def curve(axes: Axes, points: Iterable[Point], colour: str, more: str = "") -> str:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(axes.at, points))
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {more}/>'


def dots(axes: Axes, points: Sequence[Point], colour: str, names: Sequence[str] = (), above: bool = True) -> list[str]:
    """Points with names beside them."""
    found = []
    for number, (x, y) in enumerate(map(axes.at, points)):
        found.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        if names:
            side = (x + 7, y - 7, 'fill="{}"') if above else (x - 7, y + 16, 'text-anchor="end" fill="{}"')
            found.append(text(side[0], side[1], names[number], side[2].format(colour)))
    return found


def legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Names of the colours, top right."""
    found = []
    for number, (words, colour) in enumerate(entries):
        y = 60 + 18 * number
        found.append(f'<rect x="{WIDTH - 290}" y="{y - 9}" width="12" height="12" fill="{colour}"/>')
        found.append(text(WIDTH - 272, y + 2, words))
    return found


def save(name: str, parts: Iterable[str]) -> None:
    """The picture."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">'
    body = "\n".join(("<rect width='100%' height='100%' fill='white'/>", *parts))
    (HERE / "img" / name).write_text(f"{head}\n{body}\n</svg>\n")


def overflow() -> None:
    """Share away against abandonment, for a fixed delay and for the predicted wait."""
    found = {row["rule"]: (row["away"], row["abandoned"]) for row in rows("national.jsonl") if row["case"] == "22"}

    def family(prefix: str) -> tuple[list[Point], list[str]]:
        named = sorted((int(name.removeprefix(prefix)), point) for name, point in found.items() if name.startswith(prefix))
        return [point for _, point in named], [f"{seconds} s" for seconds, _ in named]

    title = "31 sites, 22 agents and 20 erlang each: who is sent away, who gives up"
    axes = Axes(title, "answered away from home, %", "gave up, %", 25, 4)
    parts = frame(axes, [(x, str(x)) for x in range(0, 26, 5)], [0, 1, 2, 3, 4])
    for prefix, colour, above in (("delay-", COLOURS[1], True), ("expected-", COLOURS[0], False)):
        points, names = family(prefix)
        ends = [found["at-once"], *points] if prefix == "delay-" else points
        parts += [curve(axes, ends, colour), *dots(axes, points, colour, names, above)]
    parts += dots(axes, [found["at-once"]], COLOURS[2], ["at once"]) + dots(
        axes, [found["pool"]], COLOURS[4], ["one pool"], above=False
    )
    save(
        "routing-overflow.svg", parts + legend([("after a fixed delay", COLOURS[1]), ("by predicted wait and penalty", COLOURS[0])])
    )


def fairness() -> None:
    """Spread of calls an agent, by policy."""
    found = {(row["case"], row["rule"]): row["spread"] for row in rows("fairness.jsonl")}
    policies = list(dict.fromkeys(rule for _, rule in found))
    axes = Axes(
        "5,000 calls, 100 equal agents, a quarter busy", "", "calls of the busiest agent less those of the least busy", 5, 100
    )
    marks = [(number + 0.5, name.replace("_", " ")) for number, name in enumerate(policies)]
    parts = frame(axes, marks, [0, 20, 40, 60, 80, 100])
    for number, policy in enumerate(policies):
        for side, (case, colour) in enumerate((("equal talks", COLOURS[0]), ("random talks", COLOURS[1]))):
            value = found[case, policy]
            x, y = axes.at((number + 0.2 + 0.3 * side, value))
            base = axes.at((0, 0))[1]
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="36" height="{base - y:.1f}" fill="{colour}"/>')
            parts.append(text(x + 18, y - 5, str(value), 'text-anchor="middle"'))
    save("routing-fairness.svg", parts + legend([("all talks last 240 s", COLOURS[0]), ("talks are exponential", COLOURS[1])]))


if __name__ == "__main__":
    for draw in (overflow, fairness):
        draw()
