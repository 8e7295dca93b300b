"""What others than media nodes know of the published menu: which queues it leads to, and from where."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

INDEX, QUEUES = "index.json", "queues"


def asked(folder: Path) -> dict[str, tuple[str, ...]]:
    """Queue -> places of the menu in `folder` that lead to it, like "menu.main, item 2 (bill)". {}: nothing is published there, or
    nothing that tells it."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {str(queue): tuple(map(str, places)) for queue, places in index.get(QUEUES, {}).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def bereft(folder: Path, removed: Collection[str]) -> Iterator[tuple[str, str]]:
    """(queue, why it must stay) of the queues among `removed` that the published menu leads to."""
    for queue, places in sorted(asked(folder).items()):
        if queue in removed and places:
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            where = "; ".join(places[:3]) + more
            yield queue, f'the published menu leads to queue "{queue}" ({where}): publish a menu without it first'
