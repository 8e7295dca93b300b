"""What a caller is to do, and what became of it: one call as data, read from the command line or a plan file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from media.phone.packet import DIGITS

PAUSE = "w"
PAUSE_S = 0.5
_CHOICES = {
    "digits_by": ("rtp", "info"),
    "hangup_by": ("caller", "agent"),
    "talk_from": ("agent", "answer"),
    "expect": ("", "talked", "gave_up", "refused", "ended"),
}
_PATHS = ("audio", "record")
_SECONDS = ("at", "talk", "give_up")


class BadPlan(ValueError):
    """A plan cannot be carried out; the text says which call, which field, and what to write."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One call. Times in seconds."""

    calling: str  # who calls ("from" in a file)
    called: str  # service number ("to" in a file)
    at: float = 0.0  # start, after the begin of the plan
    name: str = ""  # comes back in the result
    trunk: str = ""  # carrier to come from; "": the first one
    digits: str = ""  # keys after the answer; w waits half a second
    digits_by: str = "rtp"
    audio: Path | None = None  # said from the begin of the talk on, in a loop
    talk: float = 5.0
    talk_from: str = "agent"  # talk counts from the agent's first word, or from the answer (when the last digit is out)
    hangup_by: str = "caller"  # agent: press # at the end of the talk (a simulated seat with --hangup-on '#' obeys) and wait
    give_up: float = 60.0  # hang up when no agent was heard so long after the start
    record: Path | None = None  # what was heard
    expect: str = ""  # a result; another one is an error


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a call. Milliseconds after its start, 0 if it did not come to that."""

    name: str
    calling: str
    called: str
    result: str  # talked, gave_up (while waiting), refused (not answered), ended (by the centre before an agent was heard), failed
    status: int  # final SIP status: 200 if answered
    ended_by: str  # caller, centre, nobody
    reason: str  # Reason header of the centre, or its reason phrase
    answered_ms: int = 0
    agent_ms: int = 0  # an agent was heard
    talk_ms: int = 0
    total_ms: int = 0
    packets: int = 0  # RTP packets heard
    record: str = ""
    error: str = ""  # what went wrong and what to do

    def line(self) -> str:
        """As one line of JSON, with `from` and `to` as a plan has them."""
        row = asdict(self)
        return json.dumps({"from": row.pop("calling"), "to": row.pop("called")} | row, ensure_ascii=False)


def keys(digits: str) -> list[str]:
    """The keys and pauses of `1w2`, one by one. Raises BadPlan for what is neither."""
    wrong = {key for key in digits if key.upper() not in DIGITS and key.lower() != PAUSE}
    if wrong:
        raise BadPlan(
            f"digits: {''.join(sorted(wrong))!r} is no key; write keys out of {DIGITS} and {PAUSE} for a pause of {PAUSE_S} s"
        )
    return [PAUSE if key.lower() == PAUSE else key.upper() for key in digits]


def load(path: Path) -> list[Plan]:
    """The calls of a plan file, a JSON list of objects. Paths in it start at the file. Raises BadPlan."""
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise BadPlan(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadPlan(f"{path} is not JSON: {error}") from error
    if not isinstance(data, list) or not data:
        raise BadPlan(f'{path}: want a list of calls, e.g. [{{"from": "13800000001", "to": "95588", "digits": "1"}}]')
    return [read(entry, f"{path}: call {number}", path.parent) for number, entry in enumerate(data, 1)]


def read(entry: Any, where: str, folder: Path) -> Plan:
    """One call out of JSON. Raises BadPlan that starts with `where`."""
    if not isinstance(entry, Mapping):
        raise BadPlan(f"{where}: want an object, not {json.dumps(entry)[:40]}")
    names = {"calling": "from", "called": "to"}
    known = {names.get(f.name, f.name): f for f in fields(Plan)}
    unknown = [name for name in entry if name not in known]
    if unknown:
        raise BadPlan(f"{where}: no field {unknown[0]!r}; there are: {', '.join(known)}")
    missing = [name for name, f in known.items() if f.default is MISSING and not entry.get(name)]
    if missing:
        raise BadPlan(f"{where}: {missing[0]!r} is missing")
    values = {known[name].name: _value(known[name].name, value, f"{where}: {name}", folder) for name, value in entry.items()}
    return Plan(**values)


def _value(field: str, value: Any, where: str, folder: Path) -> Any:
    if field in _SECONDS:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BadPlan(f"{where}: want seconds, not {json.dumps(value)}")
        return float(value)
    if value is None and field in _PATHS:
        return None
    if not isinstance(value, str):
        raise BadPlan(f"{where}: want text in quotes, not {json.dumps(value)}")
    if field in _CHOICES and value not in _CHOICES[field]:
        raise BadPlan(f"{where}: {value!r} is none of {', '.join(filter(None, _CHOICES[field]))}")
    if field == "digits":
        keys(value)
    return folder / value if field in _PATHS else value
