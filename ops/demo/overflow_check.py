"""What must be so after the overflow demonstration: ledgers, screen pops and recordings against the script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.demo.check import Heard
from ops.demo.overflow_script import AGENTS, Visit

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pop:
    """What a console showed its agent about a call."""

    user: str
    call: Json


@dataclass(slots=True)
class Evidence:
    """What was seen. `rows`: of the home ledgers by centre; `pops` and `heard` by call id; `phones` by the call's name."""

    rows: dict[str, Sequence[Json]] = field(default_factory=dict)
    pops: dict[str, list[Pop]] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    phones: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One call of the script: its row at home, who answered, and everything that is not as it should be."""

    visit: Visit
    row: Json | None
    user: str
    at: str  # centre of the agent
    popped: bool
    wrong: tuple[str, ...]


def agent_of(row: Json) -> tuple[str, str]:
    """(user, centre) of a row's agent; another centre's stands as `user@centre`. ("", "") without one."""
    user, _, centre = str(row["agent"]).partition("@")
    return user, centre or AGENTS.get(user, ("", ""))[0]


def judge(visits: Sequence[Visit], seen: Evidence) -> list[Finding]:
    """Each call of the script."""
    return [_one(visit, seen) for visit in visits]


def _one(visit: Visit, seen: Evidence) -> Finding:
    rows = [row for row in seen.rows.get(visit.centre, []) if row["calling"].endswith(visit.call.calling[-11:])]
    if len(rows) != 1:
        return Finding(visit, None, "", "", False, (f"{len(rows)} rows in the ledger of {visit.centre}", *_phone(visit, seen)))
    row = rows[0]
    user, at = agent_of(row)
    pop = next((one.call for one in seen.pops.get(row["id"], []) if one.user == user), None)
    unlike = tuple(_pop(row, pop))
    wrong = (*_row(visit, row, at), *unlike, *_audio(row, seen), *_phone(visit, seen))
    return Finding(visit, row, user, at, not unlike, wrong)


def _row(visit: Visit, row: Json, at: str) -> Iterable[str]:
    want = visit.call.want
    for name in ("result", "side", "queue"):
        if row[name] != getattr(want, name):
            yield f"{name} is {row[name] or 'empty'}, want {getattr(want, name)}"
    if not at:
        yield f"nobody we know answered ({row['agent'] or 'no agent'})"
    elif visit.elsewhere == (at == visit.centre):
        yield f"answered at {at}, want {'another province' if visit.elsewhere else visit.centre}"
    elif visit.only and at != visit.only:
        yield f"answered at {at}, want {visit.only}"


def _pop(row: Json, pop: Json | None) -> Iterable[str]:
    """Caller, home area and menu path as the home ledger has them."""
    if pop is None:
        yield "the agent's console never showed the call"
        return
    if pop["calling"][-11:] != row["calling"][-11:]:
        yield "the agent was shown another caller"
    if not pop["home"]["province"] or pop["home"]["province"] != row["province"]:
        yield f"the agent was shown {pop['home']['province'] or 'no home area'}, the ledger has {row['province']}"
    if "/".join(pop["menu_path"]) != row["menu_path"]:
        yield f"the agent was shown the path {'/'.join(pop['menu_path']) or 'empty'}, the ledger has {row['menu_path']}"


def _audio(row: Json, seen: Evidence) -> Iterable[str]:
    heard = seen.heard.get(row["id"])
    if heard is None:
        yield "no recording"
    elif not heard.good:
        yield f"the recording holds {heard.caller:.0%} of the caller's words and {heard.agent:.0%} of the agent's"


def _phone(visit: Visit, seen: Evidence) -> Iterable[str]:
    told = seen.phones.get(visit.call.name)
    if told is None:
        yield "the caller's phone told no result"
    elif told["error"]:
        yield f"caller: {told['error']}"


@dataclass(frozen=True, slots=True)
class Summary:
    """The last line."""

    calls: int
    answered: int
    at_home: int
    elsewhere: int
    screen_pops: int
    recordings: int
    audio_ok: int
    unexplained: int

    @property
    def held(self) -> bool:
        """Whether all that was claimed came true."""
        return self.unexplained == 0 and self.answered == self.screen_pops == self.audio_ok == self.calls


def summarise(findings: Sequence[Finding], seen: Evidence) -> Summary:
    """Counts."""
    rows = [one.row for one in findings if one.row is not None]
    away = sum(one.at not in ("", one.visit.centre) for one in findings)
    return Summary(
        calls=len(findings),
        answered=sum(row["result"] == "answered" for row in rows),
        at_home=sum(one.at == one.visit.centre for one in findings),
        elsewhere=away,
        screen_pops=sum(one.popped for one in findings),
        recordings=sum(row["recording"] == "filed" for row in rows),
        audio_ok=sum(one.good for one in seen.heard.values()),
        unexplained=sum(bool(one.wrong) for one in findings),
    )
