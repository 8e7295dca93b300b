"""What people see while it plays: on a terminal one table that is redrawn, elsewhere one line a change."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.numbers import mask

Json = Mapping[str, Any]


def width(text: str) -> int:
    """Columns it takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def pad(text: str, columns: int) -> str:
    """Filled up with blanks."""
    return text + " " * max(0, columns - width(text))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    widths = [max(width(row[n]) for row in (head, *rows)) for n in range(len(head))]
    return ["  ".join(pad(cell, widths[n]) for n, cell in enumerate(row)).rstrip() for row in (head, *rows)]


@dataclass
class Show:
    """Where the show goes. `live`: a terminal, where the board is redrawn in place."""

    live: bool = field(default_factory=lambda: sys.stdout.isatty())
    total: int = 0
    title: str = ""
    done: dict[str, int] = field(default_factory=dict)  # result -> calls
    _drawn: int = 0
    _last: dict[str, str] = field(default_factory=dict)

    def line(self, text: str) -> None:
        """A line that stays."""
        self._wipe()
        print(text, flush=True)

    def scene(self, title: str) -> None:
        """A new scene begins."""
        self.title = title
        self.line(f"-- {title}")

    def result(self, name: str, about: str, result: Json) -> None:
        """A call is over, as the caller's phone tells it."""
        self.done[result["result"]] = self.done.get(result["result"], 0) + 1
        ended = f"{result['result']} after {result['total_ms'] / 1000:.0f} s" + (f", {result['error']}" if result["error"] else "")
        self.line(f"   {sum(self.done.values()):>2}/{self.total} {pad(name, 15)}{mask(result['from']):<13}{ended:<24}{about}")

    def board(self, board: Json) -> None:
        """The supervisor's board."""
        if self.live:
            self._wipe()
            lines = self._lines(board)
            self._drawn = len(lines)
            print("\n".join(lines), flush=True)
        else:
            self._changes(board)

    def _lines(self, board: Json) -> list[str]:
        queues = [[row["queue"], str(row["waiting"]), str(row["talking"]), str(row["ready"])] for row in board["queues"]]
        seats = [[row["seat"], row["name"], row["state"].replace("_", " "), row["reason"], _with(row)] for row in _seats(board)]
        left = table(("queue", "waiting", "talking", "ready"), queues)
        right = table(("seat", "agent", "state", "", "with"), seats)
        rows = max(len(left), len(right))
        both = zip(left + [""] * (rows - len(left)), right + [""] * (rows - len(right)), strict=True)
        done = "   ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        head = f"   {self.title}   {sum(self.done.values())} of {self.total} calls over   {done}"
        return ["", head[:118], *("   " + pad(one, 40) + other for one, other in both)]

    def _changes(self, board: Json) -> None:
        for row in _seats(board):
            state = f"{row['state']} {row['reason']} {_with(row)}".rstrip()
            if self._last.get(row["agent"]) != state and row["state"] in ("talking", "not_ready"):
                print(f"      seat {row['seat']} {pad(row['name'], 8)}{state}", flush=True)
            self._last[row["agent"]] = state

    def _wipe(self) -> None:
        if self.live and self._drawn:
            sys.stdout.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0


def _seats(board: Json) -> list[Json]:
    return sorted(board["agents"], key=lambda row: (len(str(row["seat"])), str(row["seat"])))


def _with(row: Json) -> str:
    call = row["call"]
    if not call or row["state"] not in ("offered", "talking"):
        return ""
    home = call["home"]
    return f"{mask(call['calling'])} {home['province']}{home['city']} {'/'.join(call['menu_path'])}".rstrip()
