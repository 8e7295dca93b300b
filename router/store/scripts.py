"""The Lua scripts as text: includes resolved, and before them the tables that Python owns, rendered as Lua.

There is one source of each table: the state machines of router/core. A script that runs in Redis carries them in its own text,
so its SHA changes with them, and two routers of different versions never share a script.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from router.core.agent import AGENT
from router.core.call import CALL
from router.core.commands import Times
from router.core.match import NO_ANSWER_REASON, SEAT_REASONS, SPAN, UNREACHABLE
from router.store.rows import VIEW_AGENT, VIEW_CALL

FOLDER = Path(__file__).parent / "lua"
_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One verb."""

    name: str
    text: str
    sha: str


def lua(value: object) -> str:
    """A Python value as Lua text: numbers, strings, mappings, sequences."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{lua(str(k))}]={lua(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "{" + ",".join(lua(v) for v in value) + "}"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def tables(times: Times) -> str:
    """What stands before every script."""
    named = {
        "AGENT": AGENT,
        "CALL": CALL,
        "TIMES": asdict(times),
        "SPAN": SPAN,
        "SEAT_REASON": NO_ANSWER_REASON,
        "UNREACHABLE": UNREACHABLE,
        "OURS": dict.fromkeys(sorted(SEAT_REASONS), 1),
        "VIEW_AGENT": VIEW_AGENT,
        "VIEW_CALL": VIEW_CALL,
    }
    return "".join(f"local {name} = {lua(value)}\n" for name, value in named.items())


def _included(text: str, seen: set[str]) -> str:
    def body(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in seen:
            return ""
        seen.add(name)
        return _included((FOLDER / "include" / f"{name}.lua").read_text(), seen)

    return _INCLUDE.sub(body, text)


@lru_cache
def load(times: Times) -> dict[str, Script]:
    """All verbs by name."""
    prefix = tables(times)
    scripts = {}
    for path in sorted(FOLDER.glob("*.lua")):
        text = prefix + _included(path.read_text(), set())
        scripts[path.stem] = Script(path.stem, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return scripts
