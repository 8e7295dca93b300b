"""The raw lines of docs/figures: what `tierline sim ... --json` printed, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]
HOMES = {"22": "national", "22-hot": "national", "20": "national", "country": "country", "hotline": "hotline"}
HOMES |= {"equal talks": "fairness", "random talks": "fairness"}


def rows(name: str) -> list[Row]:
    """The lines of figures/NAME.jsonl; none if there is no such file yet."""
    path = HERE / f"{name}.jsonl"
    return _read(path) if path.exists() else []


def _read(path: Path) -> list[Row]:
    return [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines() if one.startswith("{")]


def take(path: Path) -> None:
    """Lines of a finished or running job, into the files they belong to; a line of the same case, rule and seed is replaced."""
    for row in _read(path):
        name = HOMES.get(row["case"], "erlang")
        if isinstance(row.get("expected"), list):  # of a twin that did not tell the queues apart yet
            row["expected"] = {"hotline": row["expected"]}
        kept = {_key(one): one for one in rows(name)} | {_key(row): row}
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in kept.values())
        (HERE / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _key(row: Row) -> tuple[str, str, int]:
    return row["case"], row["rule"], row.get("seed", 1)
