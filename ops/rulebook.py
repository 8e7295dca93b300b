"""The rule book: what of a centre's configuration is changed while it runs, as one frozen object with a version.

It has the tables of ops/centre.py under the same names, so the same reader, checks and messages serve both. JSON between
programs, TOML for people; each reads back what it wrote as an equal object. What stands at its default is left out of both.
A version is never changed: a change is a new one that names who and why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ops import centre as c
from ops import config as configuration
from ops import text_file
from ops.centre import CentreConfig
from ops.config import ConfigError, Source
from ops.config_lines import lines_of
from ops.rule_checks import Finding, rule_tables

NAME = Path("rules")  # stands in messages about a book that came in no file
_SHEETS = (".csv", ".tsv", ".xls", ".xlsx", ".ods")
_NOWHERE = Source(NAME)
HEAD = ("version", "who", "why", "at_ms")
LONGEST = 3_000_000  # characters of a document: gRPC takes 4 MB, 20,000 agents need half
_BARE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True)
class RuleBook:
    """One version of the rules."""

    version: int = 0  # counts up by one; 0: none yet
    who: str = ""  # login of the one who made it; "": the installation's file
    why: str = ""
    at_ms: int = 0  # when it was made, UTC; 0: by the installation's file
    queue: tuple[c.Queue, ...] = ()
    agent: tuple[c.Agent, ...] = ()
    calendar: tuple[c.Calendar, ...] = ()
    branch: tuple[c.Branch, ...] = ()
    vip: tuple[c.Vip, ...] = ()
    blacklist: tuple[c.Blacklisted, ...] = ()
    not_ready: tuple[c.NotReadyReason, ...] = ()
    shares: c.Shares = c.Shares()  # noqa: RUF009  # frozen


TABLES = tuple(field.name for field in fields(RuleBook) if field.name not in HEAD)
_LISTS = tuple(name for name in TABLES if name != "shares")


def seed(config: CentreConfig) -> RuleBook:
    """Version 1: what the centre's file says. The same file gives the same book wherever it is read."""
    tables = {name: getattr(config, name) for name in _LISTS}
    shares = c.Shares(**{field.name: getattr(config.federation, field.name) for field in fields(c.Shares)})
    return RuleBook(1, "", config.path.name, 0, shares=shares, **tables)


def into(book: RuleBook, config: CentreConfig) -> CentreConfig:
    """The configuration with the rules of this version in the place of its own."""
    shares = {field.name: getattr(book.shares, field.name) for field in fields(c.Shares)}
    federation = replace(config.federation, **shares)
    return replace(config, federation=federation, **{name: getattr(book, name) for name in _LISTS})


def same_rules(one: RuleBook, other: RuleBook) -> bool:
    """Whether they say the same, whoever said it."""
    return all(getattr(one, name) == getattr(other, name) for name in TABLES)


# ---- out
def plain(value: Any, whole: bool = False) -> Any:
    """As plain data; `whole` with what stands at its default."""
    if is_dataclass(value):
        items = ((f, getattr(value, f.name)) for f in fields(value))
        return {f.name: plain(item, whole) for f, item in items if whole or item != _default(f)}
    if isinstance(value, tuple):
        return [plain(item, whole) for item in value]
    return value


def to_json(book: RuleBook) -> str:
    """One line; the same book gives the same text."""
    return json.dumps(plain(book), ensure_ascii=False, separators=(",", ":"))


def sha256(book: RuleBook) -> str:
    """Of its JSON, in hex: two books with the same are the same."""
    return hashlib.sha256(to_json(book).encode()).hexdigest()


def to_toml(book: RuleBook) -> str:
    """For people; `read` reads it back."""
    return "\n".join(_table("", book)) + "\n"


def _default(field: Any) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _table(path: str, value: Any) -> Iterator[str]:
    """Scalars first, then the tables below."""
    given = {f.name: item for f in fields(value) if (item := getattr(value, f.name)) != _default(f)}
    for name, item in given.items():
        if not _is_table(item):
            yield f"{name} = {_value(item)}"
    for name, item in given.items():
        if is_dataclass(item):
            yield from ("", f"[{path}{name}]", *_table(f"{path}{name}.", item))
        elif _is_table(item):
            for one in item:
                yield from ("", f"[[{path}{name}]]", *_table(f"{path}{name}.", one))


def _is_table(value: Any) -> bool:
    return is_dataclass(value) or (isinstance(value, tuple) and bool(value) and is_dataclass(value[0]))


def _value(value: Any) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if name and set(name) <= _BARE else json.dumps(name, ensure_ascii=False)


# ---- in
def from_json(text: str) -> RuleBook:
    """Raises ConfigError."""
    if len(text) > LONGEST:
        raise ConfigError((f"{NAME}: has {len(text)} characters; at most {LONGEST} are taken",))
    return from_data(configuration.parse(text, NAME.with_suffix(".json")), _NOWHERE)


def from_data(data: Any, source: Source = _NOWHERE) -> RuleBook:
    """All of it or nothing. Raises ConfigError with every mistake: line, path of the field, what to write."""
    return configuration.tables(RuleBook, data, source, _cross)


def kept(text: str) -> RuleBook:
    """A book that was checked when it was taken: only its shape is looked at, whatever newer checks say. Raises ConfigError."""
    return configuration.tables(RuleBook, configuration.parse(text, NAME.with_suffix(".json")), _NOWHERE)


def read(path: Path) -> RuleBook:
    """A rule book (.json, else TOML), or the rules of a centre's file as version 1. Raises ConfigError."""
    if path.suffix.lower() in _SHEETS:
        raise ConfigError(
            (f"{path}: a spreadsheet cannot be read; write TOML or JSON, as `tierline rules export rules.toml` does",)
        )
    try:
        text = text_file.read(path)
    except (OSError, ValueError) as error:
        raise ConfigError((f"{path}: cannot be read: {error}",)) from error
    return reads(text, path)


def reads(text: str, path: Path) -> RuleBook:
    """The same from text; `path` says what it is by its suffix."""
    text = text_file.unmarked(text)
    data = configuration.parse(text, path)
    if "centre" in data:
        return seed(configuration.loads(text, path))
    return from_data(data, Source(path, {} if path.suffix == ".json" else lines_of(text)))


def _cross(book: RuleBook) -> Iterator[Finding]:
    if not 0 <= book.version < 1 << 53:
        yield ("version",), "counts from 1"
    if not 0 <= book.at_ms < 1 << 53:
        yield ("at_ms",), "is no time"
    yield from rule_tables(book)
