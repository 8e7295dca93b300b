"""Small drawing in SVG for the pictures of docs/: axes, curves, dots, words. No library.

Colours are classes, not values: each picture has one set for light and one for dark pages and brings its own background. `f1`..`f6`
fill, `s1`..`s6` stroke; `ink`, `soft` and `rule` are for words, lesser words and lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "img"
LIGHT = ("#1f6fb2", "#c8561b", "#2e7d3e", "#7a4fa3", "#6b6b6b", "#b8860b")
DARK = ("#6cb4f0", "#f2935c", "#74c986", "#bd9be6", "#a8a8a8", "#e3b341")
Point = tuple[float, float]


def _style(ground: str, ink: str, soft: str, rule: str, colours: Sequence[str]) -> str:
    found = [f".ground{{fill:{ground}}}.ink{{fill:{ink}}}.soft{{fill:{soft}}}.rule{{stroke:{rule}}}.edge{{stroke:{ink}}}"]
    found += [f".f{n}{{fill:{c}}}.s{n}{{stroke:{c}}}" for n, c in enumerate(colours, 1)]
    return "".join(found)


STYLE = (
    _style("#ffffff", "#1d1d1f", "#5a5a5a", "#dddddd", LIGHT)
    + "@media (prefers-color-scheme:dark){"
    + _style("#161b22", "#e6e6e6", "#a9b1ba", "#3a414a", DARK)
    + "}"
)


@dataclass(frozen=True)
class Axes:
    """A field of a picture, in pixels, and the values that lie on it."""

    x: float
    y: float
    width: float
    height: float
    right: float
    top: float
    left: float = 0.0
    bottom: float = 0.0

    def at(self, point: Point) -> Point:
        """A value in pixels."""
        across, up = (point[0] - self.left) / (self.right - self.left), (point[1] - self.bottom) / (self.top - self.bottom)
        return self.x + across * self.width, self.y + self.height - up * self.height


def text(x: float, y: float, words: str, style: str = "ink", anchor: str = "start", size: int = 13, bold: bool = False) -> str:
    """One line of writing. `style`: a class of colour; `anchor`: start, middle, end."""
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}" font-size="{size}"{weight}>{words}</text>'


def line(a: Point, b: Point, style: str = "rule", width: float = 1, dash: str = "") -> str:
    """From a to b, in pixels."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"'
    return f'<line {ends} class="{style}" stroke-width="{width}"{dashed}/>'


def box(x: float, y: float, width: float, height: float, style: str, more: str = "") -> str:
    """A filled one, in pixels. `more`: other attributes."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}" class="{style}" {more}/>'


def dot(x: float, y: float, style: str, r: float = 4) -> str:
    """A filled circle, in pixels."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" class="{style}"/>'


def frame(axes: Axes, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]], x: str = "", y: str = "") -> list[str]:
    """Lines and marks; what the axes tell stands above (y) and below (x)."""
    found, end = [], axes.x + axes.width
    for value, words in up:
        level = axes.at((axes.left, value))[1]
        found += [line((axes.x, level), (end, level)), text(axes.x - 8, level + 4, words, "soft", "end", 12)]
    low = axes.y + axes.height
    found += [text(axes.at((value, axes.bottom))[0], low + 18, words, "soft", "middle", 12) for value, words in across]
    found.append(line((axes.x, low), (end, low), "edge"))
    if x:
        found.append(text(end, low + 38, x, "soft", "end"))
    if y:
        found.append(text(axes.x, axes.y - 10, y, "soft"))
    return found


def curve(axes: Axes, points: Iterable[Point], style: str, width: float = 2, dash: str = "") -> str:
    """A line through values."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(axes.at, points))
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" class="{style}" stroke-width="{width}" stroke-linejoin="round"{dashed}/>'


def area(axes: Axes, above: Sequence[Point], below: Sequence[Point], style: str, opacity: float = 0.2) -> str:
    """Between two lines of values."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(axes.at, (*above, *reversed(below))))
    return f'<polygon points="{path}" class="{style}" fill-opacity="{opacity}"/>'


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> list[str]:
    """Names of colours below each other: (words, class)."""
    found = []
    for number, (words, style) in enumerate(entries):
        found += [box(x, y + 20 * number - 10, 12, 12, style, 'rx="2"'), text(x + 19, y + 20 * number, words)]
    return found


def save(name: str, size: tuple[int, int], title: str, parts: Iterable[str]) -> None:
    """The picture img/routing-NAME.svg; `title` is said to those who do not see it."""
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head += ' font-family="system-ui, sans-serif" role="img">'
    ground = '<rect width="100%" height="100%" rx="6" class="ground"/>'
    body = "\n".join((f"<title>{title}</title>", f"<style>{STYLE}</style>", ground, *parts))
    (IMAGES / f"routing-{name}.svg").write_text(f"{head}\n{body}\n</svg>\n", encoding="utf-8")
