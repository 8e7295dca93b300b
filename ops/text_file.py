"""Text of files that people write: UTF-8 with or without a byte order mark, because Windows editors put one there.

Other encodings are refused with what to do, but for spreadsheets: those write GB18030 or UTF-16 and leave no choice.
"""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

MARK = "\ufeff"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: Path) -> str:
    """Raises OSError, and ValueError with what to do."""
    return decoded(path.read_bytes())


def read_table(path: Path) -> str:
    """The same for a CSV file. Raises OSError, ValueError."""
    return decoded_table(path.read_bytes())


def decoded(data: bytes) -> str:
    """UTF-8 without its mark. Raises ValueError with the encoding that it seems to be."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        seems = "UTF-16" if _wide(data) else "GB18030 (ANSI)" if _is(data, "gb18030") else "not text"
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is no UTF-8 text (it seems to be {seems}); save the file as UTF-8") from None


def decoded_table(data: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or else GB18030, which refuses most of what is neither. Raises ValueError."""
    encodings = ("utf-16",) if _wide(data) else ("utf-8-sig", "gb18030")
    for name in encodings:
        if _is(data, name):
            return data.decode(name)
    return decoded(data)


def unmarked(text: str) -> str:
    """Text that came by another way, without the mark."""
    return text.removeprefix(MARK)


def from_json(text: str | bytes) -> Any:
    """JSON in which no name stands twice in an object: nobody can know which was meant. Raises ValueError."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f'"{name[:60]}" stands twice in one object; keep one')
        found[name] = value
    return found


def _wide(data: bytes) -> bool:
    return data.startswith(_UTF_16)


def _is(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
