"""Where each key of a TOML file stands: tomllib does not tell, and an error without its line is half an error."""

from __future__ import annotations

import re

Keys = tuple[str | int, ...]

_TABLE = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_ARRAY = re.compile(r"^\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=\s*(.*)$""")
_NAME = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_STRING = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*$')
DEEPEST = 8
_TEXT = re.compile(
    r"""\"{3}(?:[^\\"]|\\.|\"(?!\"\"))*\"{3}|'{3}(?:[^']|'(?!''))*'{3}"""  # over several lines
    r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*""",
    re.S,
)
_DEEP = re.compile(rf'(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]+|"")[ \t]*\.[ \t]*){{{DEEPEST}}}')


def deep_key(text: str) -> int:
    """The first line with a key of more than DEEPEST parts, 0 if there is none.

    Python's reader of TOML takes memory by the square of the parts: a file of 200 kB with one long key took 13 GB.
    """
    found = _DEEP.search(_TEXT.sub(lambda match: '""' + "\n" * match[0].count("\n"), text))
    return found.string.count("\n", 0, found.start()) + 1 if found is not None else 0


def lines_of(text: str) -> dict[Keys, int]:
    """Key path -> line (from 1). `[[agent]]` twice gives ("agent", 0) and ("agent", 1). The text must be valid TOML."""
    found: dict[Keys, int] = {}
    table: Keys = ()
    counts: dict[Keys, int] = {}
    value = _Value()
    for number, line in enumerate(text.splitlines(), 1):
        if value.open:
            value.read(line)
        elif match := _ARRAY.match(line):
            path = _within(_split(match[1]), counts)
            counts[path] = counts.get(path, -1) + 1
            table = (*path, counts[path])
            found.setdefault(path, number)
            found[table] = number
        elif match := _TABLE.match(line):
            table = _within(_split(match[1]), counts)
            found[table] = number
        elif match := _KEY.match(line):
            found[table + _split(match[1])] = number
            value.read(match[2])
    return found


def line_of(lines: dict[Keys, int], path: Keys) -> int:
    """The line of a key, or of the nearest table around it; 0 when nothing of it is in the file."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


def _within(path: Keys, counts: dict[Keys, int]) -> Keys:
    """`calendar.hours` below the third `[[calendar]]` is ("calendar", 2, "hours")."""
    found: Keys = ()
    for n, name in enumerate(path):
        found = (*found, name)
        if n < len(path) - 1 and found in counts:
            found = (*found, counts[found])
    return found


def _split(dotted: str) -> Keys:
    return tuple(name.strip("\"'") for name in _NAME.findall(dotted))


class _Value:
    """Follows a value over lines: an array or a multi-line string may go on, and what is in it is no key of ours."""

    def __init__(self) -> None:
        self.depth = 0
        self.quote = ""

    @property
    def open(self) -> bool:
        return self.depth > 0 or self.quote != ""

    def read(self, text: str) -> None:
        """Take one more line of the value."""
        if self.quote:
            _, ended, text = text.partition(self.quote)
            if not ended:
                return
            self.quote = ""
        rest = _STRING.sub(lambda m: m[0] if m[0] in ('"""', "'''") else "", text)
        for quote in ('"""', "'''"):
            if rest.count(quote) % 2:
                self.quote = quote
                rest = rest.split(quote)[0]
        self.depth += rest.count("[") + rest.count("{") - rest.count("]") - rest.count("}")
