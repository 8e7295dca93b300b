"""A day as it really was: from the facts of the ledger to a file, and from the file to callers that can be tried with other rules
[R8].

The file is JSON lines, UTF-8; with the suffix .gz it is packed. Its first line is
`{"tierline_day": 1, "from_ms": .., "to_ms": .., "sites": [..], "answer_ms": .., "missed_per_mille": ..}` (how agents answered),
each other one a call (`Seen`) or a span in which an agent took calls (`Duty`), told apart by the key `call` or `agent`. Times
are UTC ms; defaults are left out. Callers' numbers are not in it: who called twice bears the same running number.

*What a record cannot say, and what is put in its place.* How long a caller who was answered would still have waited: the rest
of the patience is drawn from an exponential with the mean that fits what was seen best (all waits together / number of those
who left; for an exponential that is the maximum of likelihood with censored data). How long somebody who left would have
talked: a real talk of the same queue, drawn. Both are drawn by the call's own id, so each rule meets the same callers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ops.facts import Fact
from router.core.home import city_key
from router.core.match import SEAT_REASONS
from router.core.policy import VIP_POINTS
from router.sim.roster import Hired
from router.sim.traffic import Arrival

VERSION = 1
NEVER_MS = 1 << 45
MISSED = ("REASON_NO_ANSWER", "REASON_EXPIRED")
Skills = Mapping[str, Mapping[str, int]]  # agent -> skill -> level


class BadDay(ValueError):
    """The file is no recorded day; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that asked for an agent. `outcome`: answered, abandoned, turned_away, callback (`wait_ms`: until it was asked for)."""

    call: str
    at_ms: int
    queue: str
    outcome: str
    wait_ms: int = 0
    talk_ms: int = 0
    site: str = ""
    city: str = ""
    customer: int = 0
    vip: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    """An agent took calls from then to then."""

    agent: str
    from_ms: int
    to_ms: int
    skills: dict[str, int] = field(default_factory=dict)
    site: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """What was recorded."""

    from_ms: int
    to_ms: int
    sites: tuple[str, ...]
    calls: tuple[Seen, ...]
    duties: tuple[Duty, ...]
    answer_ms: int = 0  # mean time from an offer to the bridge
    missed_per_mille: int = 0  # offers that nobody answered


# ---- facts in, day out ------------------------------------------------------------------------------------------
def day_of(facts: Iterable[Fact], site: str, skills: Skills | None = None) -> Day:
    """The day of one centre. `skills` of its agents as configured; who is not in it is taken to have those of the queues that
    the agent answered (the queue's name for its skill, level 1)."""
    calls: dict[str, list[Fact]] = defaultdict(list)
    agents: dict[str, list[Fact]] = defaultdict(list)
    first, last = NEVER_MS, 0
    for fact in _once(facts):
        first, last = min(first, fact.at_ms), max(last, fact.at_ms)
        if fact.kind == "agent_changed":
            agents[fact.agent].append(fact)
        elif fact.call:
            calls[fact.call].append(fact)
    people: dict[str, int] = {}
    usual = _usual(calls)
    seen = [one for facts_ in calls.values() if (one := _seen(facts_, site, people, usual))]
    learned = skills if skills is not None else _answered_queues(calls)
    duties = [
        duty for agent, facts_ in agents.items() for duty in _duties(agent, facts_, site, learned.get(agent, {}), (first, last))
    ]
    return Day(first, last, (site,), tuple(sorted(seen, key=lambda s: (s.at_ms, s.call))), tuple(duties), *_seats(calls))


def _once(facts: Iterable[Fact]) -> Iterator[Fact]:
    """A fact may be written more than once; its id tells."""
    seen: set[str] = set()
    for fact in facts:
        if fact.id not in seen:
            seen.add(fact.id)
            yield fact


def _seats(calls: Mapping[str, list[Fact]]) -> tuple[int, int]:
    """How agents answered: mean ms from the offer to the bridge, and missed offers per mille."""
    offered = {f.body["offer"]: f.at_ms for facts in calls.values() for f in facts if f.kind == "offered"}
    bridged = {f.body.get("offer", ""): f.at_ms for facts in calls.values() for f in facts if f.kind == "bridged"}
    rang = [bridged[offer] - at for offer, at in offered.items() if offer in bridged]
    missed = sum(f.kind == "offer_failed" and f.body.get("reason") in MISSED for facts in calls.values() for f in facts)
    return (sum(rang) // len(rang) if rang else 0), (1000 * missed // len(offered) if offered else 0)


def _usual(calls: Mapping[str, list[Fact]]) -> dict[str, int]:
    """Queue -> its own priority: the lowest that was seen. What a call has more is its VIP level, ten points each."""
    found: dict[str, int] = {}
    for facts in calls.values():
        for fact in facts:
            if fact.kind == "enqueued":
                queue, priority = fact.body["queue"], fact.body.get("priority", 0)
                found[queue] = min(found.get(queue, priority), priority)
    return found


def _seen(facts: list[Fact], site: str, people: dict[str, int], usual: Mapping[str, int]) -> Seen | None:
    """One call; None if it never asked for an agent, or is another centre's that was placed here."""
    by = {fact.kind: fact for fact in sorted(facts, key=lambda fact: fact.at_ms, reverse=True)}  # the first of each kind
    entered = by.get("enqueued") or by.get("turned_away")
    if entered is None or any(fact.kind == "placed" and fact.body.get("home") for fact in facts):
        return None
    who = (by.get("call_started") or by.get("routed") or entered).body
    calling, home = who.get("calling", ""), who.get("home") or {}
    customer = people.setdefault(calling, len(people) + 1) if calling else 0
    outcome, wait = _outcome(by, entered)
    talk = sum(fact.body.get("talk_ms", 0) for fact in facts if fact.kind == "agent_released")
    at = entered.body.get("entered_ms", entered.at_ms)
    queue = entered.body["queue"]
    vip = (entered.body.get("priority", 0) - usual.get(queue, 0)) // VIP_POINTS if entered.kind == "enqueued" else 0
    return Seen(entered.call, at, queue, outcome, wait, talk, site, home.get("city", ""), customer, vip)


def _outcome(by: Mapping[str, Fact], entered: Fact) -> tuple[str, int]:
    if "callback_asked" in by:
        return "callback", max(0, by["callback_asked"].at_ms - int(entered.body.get("entered_ms", entered.at_ms)))
    for kind, outcome in (("bridged", "answered"), ("turned_away", "turned_away"), ("left_queue", "abandoned")):
        if kind in by:
            return outcome, int(by[kind].body.get("waited_ms", 0))
    return "abandoned", 0


def _answered_queues(calls: Mapping[str, list[Fact]]) -> Skills:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for facts in calls.values():
        for fact in facts:
            if fact.kind == "bridged":
                found[fact.agent][fact.body["queue"]] = 1
    return found


def _duties(agent: str, facts: list[Fact], site: str, skills: Mapping[str, int], day: tuple[int, int]) -> list[Duty]:
    facts = sorted(facts, key=lambda fact: fact.at_ms)
    spans: list[tuple[int, int]] = []
    since = day[0] if _on_duty(facts[0].body.get("previous", ""), "") else -1
    for fact in facts:
        on = _on_duty(fact.body["state"], fact.body.get("reason", ""))
        if on and since < 0:
            since = fact.at_ms
        elif not on and since >= 0:
            spans.append((since, fact.at_ms))
            since = -1
    if since >= 0:
        spans.append((since, day[1]))
    return [Duty(agent, a, b, dict(skills), site) for a, b in spans if b > a]


def _on_duty(state: str, reason: str) -> bool:
    """Takes calls, or would but for a call that was missed."""
    return reason in SEAT_REASONS if state == "not_ready" else state not in ("", "logged_out")


# ---- the file ---------------------------------------------------------------------------------------------------
def write(day: Day, path: Path) -> None:
    """Raises OSError."""
    head = {"tierline_day": VERSION, "from_ms": day.from_ms, "to_ms": day.to_ms, "sites": list(day.sites)}
    head |= {"answer_ms": day.answer_ms, "missed_per_mille": day.missed_per_mille}
    rows = [head, *map(_slim, day.calls), *map(_slim, day.duties)]
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _slim(one: Seen | Duty) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if value not in ("", 0, {})}


def read(path: Path) -> Day:
    """Raises BadDay, OSError."""
    data = path.read_bytes()
    try:
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadDay(f"{path}: {error}") from error
    rows = [_row(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not rows or rows[0].get("tierline_day") != VERSION:
        raise BadDay(f'{path}:1: a recorded day begins with {{"tierline_day": {VERSION}, ...}}')
    calls = [_make(Seen, row, path, n) for n, row in enumerate(rows[1:], 2) if "call" in row]
    duties = [_make(Duty, row, path, n) for n, row in enumerate(rows[1:], 2) if "call" not in row]
    head = rows[0]
    seats = (head.get("answer_ms", 0), head.get("missed_per_mille", 0))
    return Day(int(head["from_ms"]), int(head["to_ms"]), tuple(head["sites"]), tuple(calls), tuple(duties), *seats)


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadDay(f"{path}:{number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadDay(f"{path}:{number}: want one JSON object a line")
    return row


def _make(kind: Any, row: dict[str, Any], path: Path, number: int) -> Any:
    known = {one.name for one in fields(kind)}
    try:
        return kind(**row)
    except TypeError as error:
        raise BadDay(f"{path}:{number}: want the keys {', '.join(sorted(known))}: {error}") from error


# ---- callers and agents to try rules with -----------------------------------------------------------------------
def arrivals(day: Day) -> list[Arrival]:
    """Its callers, with what the record cannot say filled in."""
    talks: dict[str, list[int]] = defaultdict(list)
    for seen in day.calls:
        if seen.talk_ms > 0:
            talks[seen.queue].append(seen.talk_ms)
    patience = {queue: _patience_ms([one for one in day.calls if one.queue == queue]) for queue in {c.queue for c in day.calls}}
    return sorted(_arrival(day, seen, talks[seen.queue], patience[seen.queue]) for seen in day.calls)


def _patience_ms(calls: Sequence[Seen]) -> float:
    """Mean; infinite if nobody ever left."""
    left = sum(one.outcome == "abandoned" for one in calls)
    return sum(one.wait_ms for one in calls) / left if left else math.inf


def _arrival(day: Day, seen: Seen, talks: list[int], patience: float) -> Arrival:
    one, two, three = _chances(seen.call)
    rest = -patience * math.log1p(-one) if math.isfinite(patience) else NEVER_MS
    waits = seen.wait_ms if seen.outcome == "abandoned" else seen.wait_ms + rest
    talk = seen.talk_ms or (talks[int(two * len(talks))] if talks else 1)
    site = day.sites.index(seen.site or day.sites[0])
    customer = f"{site}-{seen.customer}" if seen.customer else ""
    at = max(0, seen.at_ms - day.from_ms)
    back, there = seen.outcome == "callback", 1.0 if seen.talk_ms else 0.0
    return Arrival(
        at,
        site,
        seen.queue,
        talk,
        max(1, int(waits)),
        city_key(seen.city),
        customer,
        seen.vip,
        three,
        callback=back,
        picks_up=there,
    )


def _chances(call: str) -> tuple[float, float, float]:
    """Three numbers in 0..1 that are always the same for a call."""
    digest = hashlib.sha1(call.encode(), usedforsecurity=False).digest()
    one, two, three = (int.from_bytes(digest[n : n + 6], "big") / (1 << 48) for n in (0, 6, 12))
    return one, two, three


def agents(day: Day, queues: Mapping[str, str]) -> list[Hired]:
    """Its agents. `queues`: queue -> skill, of the rules that are tried: who was seen to answer a queue has its skill."""
    spans: dict[str, list[Duty]] = defaultdict(list)
    for duty in day.duties:
        spans[duty.agent].append(duty)
    return [_hired(day, agent, sorted(duties, key=lambda duty: duty.from_ms), queues) for agent, duties in spans.items()]


def _hired(day: Day, agent: str, duties: list[Duty], queues: Mapping[str, str]) -> Hired:
    first = duties[0]
    times = tuple((max(0, one.from_ms - day.from_ms), one.to_ms - day.from_ms) for one in duties)
    known = set(queues.values())
    skills = {name if name in known else queues.get(name, name): level for name, level in first.skills.items()}
    return Hired(agent, day.sites.index(first.site or day.sites[0]), tuple(skills.items()), times, city=first.city)
