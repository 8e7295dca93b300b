"""Reads the configuration of a centre: TOML as people write it, or the resolved JSON that `tierline up` makes of it.

Generic over the dataclasses of ops/centre.py: a field added there is read, type-checked and dumped without a change here.
All mistakes of a file are told at once, each with file, line, key and what to write instead.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ops import text_file
from ops.centre import CentreConfig
from ops.config_checks import RULES, cross
from ops.config_lines import DEEPEST, Keys, deep_key, line_of, lines_of
from ops.rule_checks import Finding

T = TypeVar("T")
RESOLVED = ("path", "state", "secured")  # in the JSON only: never written by hand
_EXAMPLES = {str: '"text"', int: "a whole number like 5", bool: "true or false", Path: '"path"'}


class ConfigError(ValueError):
    """The file cannot be used; `problems` has one line for each mistake, `findings` the same as (key, what is wrong)."""

    def __init__(self, problems: tuple[str, ...], findings: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.findings = findings or tuple(("", problem) for problem in problems)


@dataclass(frozen=True, slots=True)
class Source:
    """Where data came from, for messages: `lines` of config_lines.lines_of, {} where there are none."""

    path: Path
    lines: dict[Keys, int] = field(default_factory=dict)


def load(path: Path | str) -> CentreConfig:
    """The centre in `path` (.json: resolved; else TOML). Raises ConfigError with every mistake in it, OSError never."""
    path = Path(path)
    try:
        text = text_file.read(path)
    except FileNotFoundError as error:
        raise ConfigError(
            (f"{path}: no such file; write one (centre.toml is an example) or tell another with --config",)
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError((f"{path}: cannot be read: {error}",)) from error
    return loads(text, path)


def loads(text: str, path: Path) -> CentreConfig:
    """The same from text; `path` says where it stands, what it is by its suffix, and where its relative paths start."""
    text, resolved = text_file.unmarked(text), path.suffix == ".json"
    data = _parse(text, path, resolved)
    config = _Reader(path, {} if resolved else lines_of(text), resolved).read(data)
    return config if resolved else replace(config, path=path.absolute(), state=path.absolute().parent / "var")


def dump(config: CentreConfig) -> str:
    """The JSON that `load` reads back as an equal object (with absolute paths)."""
    return json.dumps(_plain(config), ensure_ascii=False, indent=1) + "\n"


def tables(kind: type[T], data: Any, source: Source, cross: Callable[[T], Iterable[Finding]] = lambda _: ()) -> T:
    """`data` as an object of `kind`, checked as a file is; `cross` tells what does not fit together. Raises ConfigError."""
    reader = _Reader(source.path, source.lines, resolved=True)
    made: T = reader.table(kind, data, ())
    reader.end()
    for at, text in cross(made):
        reader.wrong(at, text)
    reader.end()
    return made


def parse(text: str, path: Path) -> dict[str, Any]:
    """Plain data of a .json or TOML text. Raises ConfigError."""
    return _parse(text_file.unmarked(text), path, path.suffix == ".json")


def _parse(text: str, path: Path, resolved: bool) -> dict[str, Any]:
    if not resolved and (line := deep_key(text)):
        raise ConfigError((f"{path}:{line}: a key of more than {DEEPEST} parts; nothing here has as many",))
    try:
        data = text_file.from_json(text) if resolved else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError((f"{path}: {'JSON' if resolved else 'TOML'} cannot be parsed: {error}",)) from error
    if not isinstance(data, dict):
        raise ConfigError((f"{path}: want one JSON object",))
    return data


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value.absolute()) if isinstance(value, Path) else value


class _Reader:
    """Turns plain data into the dataclasses and gathers what is wrong with it."""

    def __init__(self, path: Path, lines: dict[Keys, int], resolved: bool) -> None:
        self.path, self.lines, self.resolved = path, lines, resolved
        self.problems: list[tuple[int, str, str, str]] = []  # line, whole text, key, what is wrong

    def read(self, data: dict[str, Any]) -> CentreConfig:
        config = self.table(CentreConfig, data, ())
        self.end()
        for at, text in cross(config):
            self.wrong(at, text)
        self.end()
        assert isinstance(config, CentreConfig)
        return config

    def end(self) -> None:
        """Raise what was found so far."""
        if self.problems:
            told = sorted(self.problems)
            raise ConfigError(tuple(text for _, text, _, _ in told), tuple((key, text) for _, _, key, text in told))

    def wrong(self, at: Keys, text: str) -> None:
        """Keep one mistake: `centre.toml:12: ports.sip: ...`."""
        line = line_of(self.lines, at)
        where = f"{self.path}:{line}" if line else str(self.path)
        key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")
        self.problems.append((line, f"{where}: {key}: {text}" if key else f"{where}: {text}", key, text))

    def table(self, kind: type, data: Any, at: Keys) -> Any:
        """One dataclass from one table; None when it cannot be made."""
        if not isinstance(data, dict):
            return self.wrong(at, f"is {_told(data)}; write a table: [{'.'.join(map(str, at))}]")
        known = {field.name: field for field in self._fields(kind)}
        for name in data.keys() - known.keys():
            self.wrong((*at, name), self._unknown(name, known, kind))
        found = len(self.problems)
        hints = get_type_hints(kind)
        given = {name: self.value(hints[name], data[name], (*at, name)) for name in known if name in data}
        for name, text in _missing(known, data):
            self.wrong(at, f"{name} is missing; {text}" if at else f"the table [{name}] is missing; {text}")
        self._ranges(kind, given, at)
        return None if len(self.problems) > found else kind(**given)

    def _fields(self, kind: type) -> Iterator[Field[Any]]:
        for one in fields(kind):
            if kind is not CentreConfig or self.resolved or one.name not in RESOLVED:
                yield one

    def _unknown(self, name: str, known: dict[str, Field[Any]], kind: type) -> str:
        near = get_close_matches(name, known, 1, 0.6)
        if near:
            return f"unknown key; did you mean {near[0]}?"
        return f"unknown key; {'the file' if kind is CentreConfig else 'this table'} knows: {', '.join(known)}"

    def _ranges(self, kind: type, given: dict[str, Any], at: Keys) -> None:
        for name, value in given.items():
            rule = RULES.get(kind, {}).get(name)
            if rule is not None and value is not None and (text := rule(value)):
                self.wrong((*at, name), text)

    def value(self, hint: Any, data: Any, at: Keys) -> Any:
        """One value of the type `hint`."""
        if is_dataclass(hint) and isinstance(hint, type):
            return self.table(hint, data, at)
        if get_origin(hint) is tuple:
            return self.array(get_args(hint)[0], data, at)
        if get_origin(hint) is dict:
            return self.levels(data, at)
        return self.scalar(hint, data, at)

    def array(self, item: Any, data: Any, at: Keys) -> Any:
        """A tuple of scalars, or of tables."""
        if is_dataclass(item) and isinstance(data, dict):
            return self.wrong(at, f"is one table; write [[{at[-1]}]] with two brackets, once for each")
        if not isinstance(data, list):
            return self.wrong(at, f"is {_told(data)}; write a list: {at[-1]} = [{_EXAMPLES.get(item, '')}]")
        items = tuple(self.value(item, one, (*at, index)) for index, one in enumerate(data))
        return None if None in items else items

    def levels(self, data: Any, at: Keys) -> Any:
        """A mapping of names to whole numbers."""
        if not isinstance(data, dict) or any(isinstance(v, bool) or not isinstance(v, int) for v in data.values()):
            return self.wrong(at, f"is {_told(data)}; write names with whole numbers: {at[-1]} = {{ general = 1 }}")
        return dict(data)

    def scalar(self, hint: Any, data: Any, at: Keys) -> Any:
        """Text, a whole number, yes or no, or a path. TOML's true is no number."""
        wanted = str if hint is Path else hint
        if not isinstance(data, wanted) or (wanted is int and isinstance(data, bool)):
            return self.wrong(at, f"is {_told(data)}; write {_instead(hint, data, at[-1])}")
        return Path(data) if hint is Path else data


def _missing(known: dict[str, Field[Any]], data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, one in known.items():
        if name not in data and one.default is MISSING and one.default_factory is MISSING:
            yield (
                name,
                f"write {name} = ..." if not is_dataclass(one.type) and name != "centre" else 'write [centre] and name = "..."',
            )


def _told(data: Any) -> str:
    kinds = {bool: "yes/no", int: "a number", float: "a fraction", str: "text", list: "a list", dict: "a table"}
    kind = kinds.get(type(data), type(data).__name__)
    return kind if isinstance(data, list | dict) else f"{kind} ({json.dumps(data, ensure_ascii=False, default=str)})"


def _instead(hint: Any, data: Any, key: str | int) -> str:
    """The very thing to write where it can be guessed: `sip = 5060` for "5060"."""
    if hint is int and isinstance(data, str) and data.strip().isdigit():
        return f"{key} = {data.strip()} without quotes"
    if hint is bool and isinstance(data, str) and data.lower() in ("true", "false", "yes", "no"):
        return f"{key} = {'true' if data.lower() in ('true', 'yes') else 'false'} without quotes"
    if hint is str and isinstance(data, int) and not isinstance(data, bool):
        return f'{key} = "{data}" with quotes'
    return _EXAMPLES[hint]
