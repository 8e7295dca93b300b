"""The Lua library as text: its pieces, before them the tables that Python owns rendered as Lua, and each verb as a function.

There is one source of each table: the state machines of router/core. The names carry a digest of the whole text, so two
routers of different versions on one Redis never run each other's code. A library of functions and not EVAL scripts, because
its tables and closures are made once at loading and not at each call (docs/adr/0201).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from router.core import expect
from router.core.agent import AGENT
from router.core.call import CALL
from router.core.callback import DAY_MS
from router.core.commands import Times
from router.core.match import LATE, SEAT_FAULT, SEAT_REASONS
from router.core.policy import CYCLE, POLICIES, SPAN, TOP_PRIORITY, VIP_POINTS
from router.core.remote import HOME, THERE
from router.store.rows import VIEW_AGENT, VIEW_CALL

FOLDER = Path(__file__).parent / "lua"
_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)
_MAKER = re.compile(r"^--@maker (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Library:
    """`text` for FUNCTION LOAD; `functions`: verb -> name for FCALL."""

    name: str
    text: str
    functions: Mapping[str, str]


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
    """What stands before the library's code."""
    named = {
        "AGENT": AGENT,
        "CALL": CALL,
        "HOME": HOME,
        "THERE": THERE,
        "TIMES": asdict(times),
        "SPAN": SPAN,
        "CYCLE": CYCLE,
        "POLICIES": POLICIES,
        "TOP_PRIORITY": TOP_PRIORITY,
        "VIP_POINTS": VIP_POINTS,
        "HANDLING_MS": expect.HANDLING_MS,
        "H_SHARE": expect.H_SHARE,
        "T_SHARE": expect.T_SHARE,
        "UNIT": expect.UNIT,
        "WORTH_MS": expect.WORTH_MS,
        "SEAT_FAULT": SEAT_FAULT,
        "SEAT_REASONS": dict.fromkeys(sorted(SEAT_REASONS), 1),
        "LATE": LATE,
        "DAY_MS": DAY_MS,
        "VIEW_AGENT": VIEW_AGENT,
        "VIEW_CALL": VIEW_CALL,
    }
    return "".join(f"local {name} = {lua(value)}\n" for name, value in named.items())


def _included(text: str) -> str:
    return _INCLUDE.sub(lambda found: (FOLDER / "include" / f"{found.group(1)}.lua").read_text(), text)


def _with_makers(text: str) -> str:
    """For `--@maker CALL`: MAKE_CALL(got), the row of CALL_FIELDS (the first CALL_TEXTS are text) from what HMGET gave."""

    def maker(found: re.Match[str]) -> str:
        name = found.group(1)
        listed = re.search(rf"^local {name}_FIELDS = \{{(.*?)\}}", text, re.MULTILINE | re.DOTALL)
        texts = re.search(rf"^local {name}_TEXTS = (\d+)", text, re.MULTILINE)
        assert listed and texts, f"no fields of {name}"
        fields = enumerate(re.findall(r"'(\w+)'", listed.group(1)), 1)
        made = (f"['{f}']=g[{n}] or ''" if n <= int(texts.group(1)) else f"['{f}']=tonumber(g[{n}] or 0)" for n, f in fields)
        return f"local function MAKE_{name}(g) return {{id='',was=g,lined=false,over=false,{','.join(made)}}} end"

    return _MAKER.sub(maker, text)


def verbs() -> dict[str, str]:
    """Verb -> body of its function."""
    return {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.lua")) if path.stem != "library"}


@lru_cache
def load(times: Times) -> Library:
    """The whole, for routers with these times."""
    code = tables(times) + _with_makers(_included((FOLDER / "library.lua").read_text()))
    bodies = verbs()
    digest = hashlib.sha256((code + "".join(bodies.values())).encode()).hexdigest()[:12]
    functions = {verb: f"tierline_{digest}_{verb}" for verb in bodies}
    for verb, body in bodies.items():
        code += f"redis.register_function('{functions[verb]}', function(KEYS, ARGV)\nR.begin(KEYS, ARGV)\n{body}end)\n"
    name = f"tierline_{digest}"
    return Library(name, f"#!lua name={name}\n{code}", functions)
