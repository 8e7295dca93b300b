"""The tables of docs/routing.md that are made of measured lines: what stands between `<!-- NAME -->` and `<!-- /NAME -->`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from figures import country, expected, overflow
from figures.lines import HERE, Row, rows

PAGE = HERE.parent / "routing.md"
RULES = ("pool", "at-once", "delay", "expected", "none")


def fill() -> None:
    """Into the page. Raises ValueError if it has no place for a table."""
    text = PAGE.read_text(encoding="utf-8")
    made = {"national": national, "beaten": beaten, "country": day, "told": told, "right": right}
    made |= {name: partial(said, name) for name in ("callback", "recorded")}
    for name, table in made.items():
        found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.DOTALL)
        if found is None:
            raise ValueError(f"{PAGE} has no place <!-- {name} --> for its table")
        text = text[: found.start(1)] + table() + text[found.end(1) :]
    PAGE.write_text(text, encoding="utf-8")


def markdown(head: Sequence[str], found: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _order(row: Row) -> tuple[str, int, int]:
    kind, _, seconds = row["rule"].partition("-")
    return row["case"], RULES.index(row["rule"] if row["rule"] in RULES else kind), int(seconds) if seconds.isdigit() else 0


def national() -> str:
    """All lines of the acceptance case."""
    head = ("case", "rule", "calls", "in 20 s, %", "gave up, %", "answered away, %", "mean wait, s")
    made = [
        (
            r["case"],
            r["rule"],
            f"{r['calls']:,}",
            f"{r['sl20']:.2f}",
            f"{r['abandoned']:.3f}",
            f"{r['away']:.2f}",
            f"{r['asa']:.2f}",
        )
        for r in sorted(rows("national"), key=_order)
    ]
    hot = [f"The hot site of `22-hot` (double load) has {r['hot_sl20']:.1f} % in 20 s." for r in rows("national") if r["hot_sl20"]]
    return "\n\n".join([markdown(head, made), *hot])


def beaten() -> str:
    """Each penalty against the curve of fixed delays at the same share away."""
    head = (
        "penalty",
        "answered away, %",
        "gave up, %",
        "fixed delay, same share away: at most",
        "at least",
        "gave up with the penalty",
    )
    found = overflow.compared()
    made = [
        (one["penalty"], f"{one['away']:.2f}", f"{one['gave_up']:.3f}", _number(one["delay"]), _number(one["least"]), one["says"])
        for one in found
    ]
    said = []
    for words in ("fewer", "more", "not decided", "outside of the curve"):
        which = [one["penalty"] for one in found if one["says"] == words]
        said += [f"{words}: {', '.join(which)}"] if which else []
    return "\n\n".join([markdown(head, made), f"By these lines, {'; '.join(said)}."])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def day() -> str:
    """A country's day."""
    head = ("rule", "calls", "in 20 s, %", "gave up, %", "answered away, %", "mean wait, s", "worst quarter, in 20 s", "CPU s")
    made = []
    for rule, row in country.days().items():
        worst = min(row["quarters"], key=lambda one: one["sl20"])
        at = f"{worst['sl20']:.1f} % ({worst['at']})"
        figures = (
            f"{row['sl20']:.2f}",
            f"{row['abandoned']:.3f}",
            f"{row['away']:.2f}",
            f"{row['asa']:.2f}",
            at,
            f"{row['cpu_s']:.0f}",
        )
        made.append((rule, f"{row['calls']:,}", *figures))
    picture = "![Load, agents and service over a day](img/routing-country.svg)"
    return f"{markdown(head, made)}\n\n{picture}" if made else "(Not measured yet: both runs take some minutes of a core each.)"


def told() -> str:
    """The expected wait and its error."""
    head = ("where", "callers in line", "told, s", "waited, s", "mean error, s")
    made = []
    for title, found in expected.subjects():
        if found:
            calls, said, waited, off = expected.whole(found)
            made.append((title, f"{calls:,}", f"{said:.1f}", f"{waited:.1f}", f"{off:.1f}"))
    return markdown(head, made)


def said(name: str) -> str:
    """What a command printed, as it was."""
    path = HERE / f"{name}.txt"
    return f"```text\n{path.read_text(encoding='utf-8').rstrip()}\n```" if path.exists() else ""


def right() -> str:
    """The twin against the formulas."""
    head = ("case", "calls", "gave up, %", "by formula", "mean wait, s", "by formula")
    names, found = ("abandoned", "abandoned_formula", "wait", "wait_formula"), rows("erlang")
    made = [(r["case"] + " \\*" * ("source" in r), f"{r['calls']:,}", *(f"{r[name]:.3f}" for name in names)) for r in found]
    copied = ["\\*: from an earlier table of this page; its raw line was not kept."] if any("source" in r for r in found) else []
    return "\n\n".join([markdown(head, made), *copied])
