"""Draws the pictures of docs/routing.md and fills in its tables, from the twin's lines in docs/figures.

    python docs/draw_routing.py                     # from the lines that are there
    python docs/draw_routing.py --take FILE...      # first take the lines of these files into docs/figures

The lines are what `tierline sim NAME --json` printed; docs/routing.md says with which words. Plain SVG, no library.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the router's own score is drawn with

from figures import country, expected, lines, order, overflow, page, policies


def main() -> None:
    """Take, draw, fill in."""
    parser = argparse.ArgumentParser(prog="python docs/draw_routing.py", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--take", nargs="+", type=Path, default=[], metavar="FILE", help="lines of `tierline sim ... --json`")
    for path in parser.parse_args().take:
        lines.take(path)
    for one in (policies, order, overflow, country, expected):
        one.draw()
    page.fill()


if __name__ == "__main__":
    main()
