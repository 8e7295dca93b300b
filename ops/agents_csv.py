"""Many agents from a spreadsheet: rows with a new id are added, rows with a known one change it, nobody is removed.

The first row names the columns, in English (the keys of `[[agent]]`) or Chinese. A column that is left out leaves what is there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops import rulebook
from ops.config import ConfigError, Source
from ops.config_lines import Keys
from ops.rulebook import RuleBook
from ops.text_file import unmarked

COLUMNS = {
    "id": ("id", "工号", "标识"),
    "name": ("name", "姓名", "姓名/名称"),
    "role": ("role", "角色"),
    "seat": ("seat", "分机", "座席"),
    "skills": ("skills", "技能", "技能=等级"),
    "city": ("city", "城市"),
    "weight": ("weight", "权重"),
}
_HEADS = {head: column for column, heads in COLUMNS.items() for head in heads}
_ROLES = {"座席员": "agent", "座席": "agent", "班长": "supervisor", "班长席": "supervisor", "管理员": "administrator"}
Row = dict[str, Any]


class _Wrong(ValueError):
    """A cell that cannot be read: its column and what to write."""

    def __init__(self, column: str, text: str) -> None:
        super().__init__(text)
        self.column = column


def merged(book: RuleBook, text: str, path: Path) -> RuleBook:
    """The rules with the agents of a CSV text. Raises ConfigError with every mistake: its line, its column, what to write."""
    rows = _rows(unmarked(text), path)
    data = rulebook.plain(book)
    agents: list[Row] = data.setdefault("agent", [])
    places = {agent["id"]: n for n, agent in enumerate(agents)}
    lines: dict[Keys, int] = {}
    for line, row in rows:
        place = places.setdefault(row["id"], len(agents))
        if place == len(agents):
            agents.append({})
        agents[place] = {**agents[place], **row}
        lines["agent", place] = line
    return rulebook.from_data(data, Source(path, lines))


def _rows(text: str, path: Path) -> list[tuple[int, Row]]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_mark(text), strict=True)
        heads = _heads(next(reader, []))
        found = list(_read(reader, heads, path))
    except csv.Error as error:
        raise ConfigError((f"{path}: CSV cannot be parsed: {error}",)) from error
    except _Wrong as error:
        raise ConfigError((f"{path}:1: {error}",), ((error.column, str(error)),)) from error
    if not found:
        raise ConfigError((f"{path}: has no rows below its heads",))
    return found


def _mark(text: str) -> str:
    """What stands between cells: spreadsheets write commas, semicolons or tabs, by country."""
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _heads(cells: list[str]) -> list[str]:
    """The columns in the order of the file. Raises _Wrong."""
    heads = [_HEADS.get(cell.strip().lower(), "") for cell in cells]
    for cell, head in zip(cells, heads, strict=True):
        if not head and cell.strip():
            raise _Wrong(cell.strip()[:60], f'unknown column "{cell.strip()[:60]}"; columns are: {", ".join(COLUMNS)}')
        if head and heads.count(head) > 1:
            raise _Wrong(head, f"the column {head} stands twice; keep one")
    if "id" not in heads:
        raise _Wrong("id", f"there is no column id; the first row names the columns: {', '.join(COLUMNS)}")
    return heads


def _read(reader: Any, heads: list[str], path: Path) -> Iterator[tuple[int, Row]]:
    """(line, fields) of each row; all mistakes together. Raises ConfigError."""
    wrong: list[tuple[int, str, str]] = []
    seen: dict[str, int] = {}
    for cells in reader:
        line = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        try:
            row = _row(cells, heads)
            if seen.setdefault(row["id"], line) != line:
                raise _Wrong("id", f'"{row["id"]}" stands in line {seen[row["id"]]} too; keep one of them')
            yield line, row
        except _Wrong as error:
            wrong.append((line, error.column, str(error)))
    if wrong:
        problems = tuple(f"{path}:{line}: {column}: {text}" for line, column, text in wrong)
        raise ConfigError(problems, tuple((column, f"line {line}: {text}") for line, column, text in wrong))


def _row(cells: list[str], heads: list[str]) -> Row:
    if len(cells) > len(heads):
        raise _Wrong(
            heads[-1] or "id", f"the row has {len(cells)} cells, the first row {len(heads)}; quote a cell that has a comma"
        )
    row: Row = {}
    for head, cell in zip(heads, cells, strict=False):
        if head:
            row[head] = _cell(head, cell.strip())
    if not row["id"]:
        raise _Wrong("id", "is empty; write the login of the agent")
    return row


def _cell(column: str, text: str) -> Any:
    """The value of a cell. Raises _Wrong."""
    if column == "skills":
        return _skills(text)
    if column == "weight":
        if not re.fullmatch(r"[0-9]{1,4}", text or "1"):
            raise _Wrong(column, f'"{text[:60]}" is no whole number')
        return int(text or 1)
    if column == "role":
        return _ROLES.get(text, text or "agent")
    return text


def _skills(text: str) -> dict[str, int]:
    """`billing=1, faults=2`, also between semicolons or Chinese commas. Raises _Wrong."""
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in re.split("[,;，；、]", text))):
        match = re.fullmatch(r"([^=\s]{1,64})\s*[=＝]\s*([1-9])", part)
        if match is None:
            raise _Wrong("skills", f'"{part[:60]}" cannot be read; write skills as "billing=1, faults=2" with levels 1 (best) to 9')
        if match[1] in found:
            raise _Wrong("skills", f'"{match[1]}" stands twice; keep one')
        found[match[1]] = int(match[2])
    return found
