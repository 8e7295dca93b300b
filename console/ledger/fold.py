"""Facts of one call -> its rows. Pure: any order and any repeats of the same facts give the same rows.

How that is had: facts are grouped by kind and ordered by (time, number in the id); every column is then a function of those
groups, never of what was folded before. Row keys come from the facts (fact id, offer id, queue and time of entering), so that a
late fact changes rows but never renames them. `agent_changed` is no part of a call (stretches.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tierline.ledger.v1 import ledger_pb2

from ops.facts import Fact

Row = dict[str, Any]
# Bits by the proto's field numbers, so that a new kind leaves the rows there are as they are.
SEEN = {f.name: 1 << (f.number - 10) for f in ledger_pb2.Fact.DESCRIPTOR.oneofs_by_name["body"].fields}


@dataclass(frozen=True, slots=True)
class Rows:
    """What the tables hold about one call, by key."""

    call: Row
    segments: dict[str, Row] = field(default_factory=dict)
    menu: dict[str, Row] = field(default_factory=dict)
    recordings: dict[str, Row] = field(default_factory=dict)


class ByKind(dict[str, list[Fact]]):
    """Facts of one call by kind, each list in order."""

    def body(self, kind: str) -> Row:
        """Body of the first fact of this kind, {} if there is none."""
        return self[kind][0].body if kind in self else {}

    def last(self, kind: str) -> Row:
        """Body of the last fact of this kind, {} if there is none."""
        return self[kind][-1].body if kind in self else {}

    def at(self, kind: str) -> int:
        """Time of the first fact of this kind, 0 if there is none."""
        return self[kind][0].at_ms if kind in self else 0


def order(fact: Fact) -> tuple[int, int, str]:
    """Sort key: time, then the number that ends the id (a count or version of its source), then the id."""
    return fact.at_ms, number(fact.id), fact.id


def number(fact_id: str) -> int:
    """The number that ends a fact's id; 0 if none does. Never larger than a database takes."""
    tail = fact_id[fact_id.rfind(":") + 1 :]
    return int(tail) if tail.isascii() and tail.isdigit() and len(tail) < 16 else 0


@lru_cache(maxsize=256)
def short(name: str) -> str:
    """`REASON_NO_ANSWER` -> `no_answer`; unspecified -> ""."""
    word = name[name.find("_") + 1 :].lower()
    return "" if word == "unspecified" else word


def fold(facts: Iterable[Fact]) -> Rows:
    """All rows of one call from all its facts (at least one; ids may repeat)."""
    by = ByKind()
    for fact in {fact.id: fact for fact in facts}.values():
        if fact.kind in by:
            by[fact.kind].append(fact)
        else:
            by[fact.kind] = [fact]
    for group in by.values():
        if len(group) > 1:
            group.sort(key=order)
    segments = _segments(by)
    recordings = _recordings(by)
    return Rows(_call(by, segments, recordings), segments, _menu(by), recordings)


# ---- the call ---------------------------------------------------------------------------------------------------
def _call(by: ByKind, segments: dict[str, Row], recordings: dict[str, Row]) -> Row:
    some, recorded = next(iter(by.values()))[0], "recorded" in by
    row = {
        "id": some.call,
        "tenant": some.tenant,
        "first_ms": min([group[0].at_ms for group in by.values()]),
        "last_ms": max([group[-1].at_ms for group in by.values()]),
        **_who(by),
        **_service(by, segments),
        **_end(by),
        "recording": "filed" if recorded else "failed" if "recording_failed" in by else "",
        "recorded_ms": sum([rec["duration_ms"] for rec in recordings.values()]) if recorded else 0,
        "seen": sum([SEEN[kind] for kind in by]),
    }
    row["state"] = _state(by, row["result"], segments)
    return row


def _who(by: ByKind) -> Row:
    """Caller, called and the way in. The media node and the router know better than the edge: they read the number plan."""
    edge, routed, started, outcome = by.body("edge_invite"), by.body("routed"), by.body("call_started"), by.body("edge_outcome")
    home = started.get("home") or routed.get("home") or {}
    return {
        "trunk": started.get("trunk") or routed.get("trunk") or edge.get("trunk", ""),
        "calling": started.get("calling") or routed.get("calling") or edge.get("calling", ""),
        "called": started.get("called") or routed.get("called") or edge.get("called", ""),
        "country": home.get("country", ""),
        "province": home.get("province", ""),
        "city": home.get("city", ""),
        "carrier": home.get("carrier", ""),
        "edge": edge.get("edge") or outcome.get("edge", ""),
        "node": started.get("node") or routed.get("node", ""),
        "routed_by": outcome.get("routed_by", ""),
        "sip_status": outcome.get("sip_status", 0),
        "refused": short(routed.get("refused", "")),
        "started_ms": by.at("call_started"),
    }


def _service(by: ByKind, segments: dict[str, Row]) -> Row:
    """Queue, agent, waits and the menu path."""
    waits = [row for row in segments.values() if row["kind"] == "queue"]
    talks = [row for row in segments.values() if row["kind"] == "agent" and row["answered_ms"]]
    last, chosen = _ended(by), by.get("menu_chosen", [])
    ended = last.body if last else {}
    decisive = next((row for row in waits if row["answered_ms"]), waits[-1] if waits else {})
    path = ended.get("menu_path") or [fact.body.get("item", "") for fact in chosen]
    return {
        "queue": waits[-1]["queue"] if waits else "",
        "entered_ms": waits[0]["start_ms"] if waits else 0,
        "waited_ms": decisive.get("waited_ms", 0),
        "answered_ms": talks[0]["answered_ms"] if talks else 0,
        "agent": talks[-1]["agent"] if talks else "",
        "router_talk_ms": sum(fact.body.get("talk_ms", 0) for fact in _talks_over(by)),
        "offers": len(segments) - len(waits),
        "language": ended.get("language") or (chosen[-1].body.get("language", "") if chosen else ""),
        "menu_path": "/".join(path),
    }


def _end(by: ByKind) -> Row:
    """How it ended, by the one that knows best: media node, router's refusal, loss of the node, edge."""
    if ended := _ended(by):
        outcome, talk = ended.body.get("outcome", {}), ended.body.get("talk_ms", 0)
        result, side = short(outcome.get("result", "")) or "failed", short(outcome.get("side", ""))
        told = result if ended.source.startswith("media") else ""
        return _verdict(result, short(outcome.get("reason", "")), side, ended.at_ms, talk, told)
    if refused := short(by.body("routed").get("refused", "")):
        return _verdict("refused", refused, "system", by.at("edge_outcome") or by.at("routed"))
    for fact in by.get("left_queue", []):
        if fact.body.get("reason") == "REASON_NODE_LOST":
            return _verdict("failed", "node_lost", "system", fact.at_ms)
    return _end_of_guest(by) if by.body("placed").get("home") else _end_at_edge(by)


def _end_of_guest(by: ByKind) -> Row:
    """Another centre's caller, for whom our agents were reserved: what became of our part. How the call ended its home knows."""
    released, failed, places = by.get("agent_released", []), by.get("offer_failed", []), by["placed"]
    if released:
        body = released[-1].body
        return _verdict("answered", "hangup", short(body.get("side", "")), released[-1].at_ms, body.get("talk_ms", 0))
    if "bridged" in by or len(failed) < len(places):
        return _verdict("", "", "", 0)
    return _verdict("elsewhere", short(failed[-1].body.get("reason", "")), "", failed[-1].at_ms)


def _ended(by: ByKind) -> Fact | None:
    """How it ended: the last word of a media node (one that was full may have spoken first), else the router's for a lost node."""
    facts = by.get("call_ended", [])
    told = [fact for fact in facts if fact.source.startswith("media")] or facts
    return told[-1] if told else None


def _end_at_edge(by: ByKind) -> Row:
    """The edge's final answer ended the call, unless it was a 2xx or there is none yet."""
    outcome, at = by.body("edge_outcome"), by.at("edge_outcome")
    status = outcome.get("sip_status", 0)
    if status < 300:
        return _verdict("", "", "", 0)
    if status == 487:
        return _verdict("abandoned", "cancelled", "caller", at)
    refused = outcome.get("routed_by") == "edge" and status < 500
    reason = {403: "unknown_trunk", 404: "unknown_number", 503: "overload"}.get(status, "bad_message" if refused else "")
    return _verdict("refused" if refused else "failed", reason, "system", at)


def _verdict(result: str, reason: str, side: str, ended_ms: int, talk_ms: int = 0, told: str = "") -> Row:
    end = {"result": result, "reason": reason, "side": side, "ended_ms": ended_ms}
    return {**end, "talk_ms": talk_ms, "media_result": told}


def _state(by: ByKind, result: str, segments: dict[str, Row]) -> str:
    if result:
        return "ended"
    going = [part for part in segments.values() if not part["end_ms"]]
    if any(part["answered_ms"] for part in going):
        return "talking"
    if any(part["kind"] == "queue" for part in going):
        return "waiting"
    return "menu" if "call_started" in by else "edge"


# ---- stretches --------------------------------------------------------------------------------------------------
def _segments(by: ByKind) -> dict[str, Row]:
    rows = _queue_segments(by)
    rows.update(_agent_segments(by))
    return rows


def _segment(fact: Fact, kind: str, key: str, start_ms: int) -> Row:
    return {
        "call": fact.call,
        "key": key,
        "tenant": fact.tenant,
        "kind": kind,
        "queue": fact.body.get("queue", ""),
        "agent": "",
        "seat": "",
        "start_ms": start_ms,
        "answered_ms": 0,
        "end_ms": 0,
        "waited_ms": 0,
        "talk_ms": 0,
        "outcome": "",
        "side": "",
    }


def _queue_segments(by: ByKind) -> dict[str, Row]:
    """One row an entering of a queue: repeats and returns to the head of the line keep queue and entering time."""
    rows: dict[str, Row] = {}
    for fact in by.get("enqueued", []):
        start = fact.body.get("entered_ms") or fact.at_ms
        key = f"q:{fact.body.get('queue', '')}:{start}"
        if key not in rows:
            rows[key] = _segment(fact, "queue", key, start)
    rows = _by_start(rows)
    for fact in [*by.get("left_queue", []), *by.get("bridged", [])]:  # a bridge has the last word
        if row := _waiting_then(rows, fact):
            bridged = fact.kind == "bridged"
            end = fact.body.get("bridged_ms") or fact.at_ms if bridged else fact.at_ms
            row |= {"end_ms": end, "waited_ms": fact.body.get("waited_ms", 0)}
            row["outcome"] = "answered" if bridged else short(fact.body.get("reason", "")) or "moved"
            row["answered_ms"] = end if bridged else 0
    return rows


def _by_start(rows: dict[str, Row]) -> dict[str, Row]:
    """In the order of time; the offers of one moment by the number that ends their id, of which the longer one is the larger."""
    return rows if len(rows) < 2 else dict(sorted(rows.items(), key=lambda item: (item[1]["start_ms"], len(item[0]), item[0])))


def _waiting_then(rows: dict[str, Row], fact: Fact) -> Row | None:
    """The last stretch in the fact's queue that began before it (or the first, should clocks differ)."""
    same = [row for row in rows.values() if row["queue"] == fact.body.get("queue", "")]
    begun = [row for row in same if row["start_ms"] <= fact.at_ms]
    return begun[-1] if begun else same[0] if same else None


def _agent_segments(by: ByKind) -> dict[str, Row]:
    """One row an offer: offered (placed, where agent or caller is another centre's), then failed, or bridged and released."""
    rows: dict[str, Row] = {}
    for kind in ("offered", "placed", "bridged", "offer_failed", "callback_failed"):
        for fact in by.get(kind, []):
            key = f"a:{fact.body.get('offer', '')}"
            if kind == "callback_failed" and key not in rows:
                continue  # nobody was offered: its number stands in the blacklist
            if (row := rows.get(key)) is None:
                row = rows[key] = _segment(fact, "agent", key, fact.at_ms)
            row["agent"] = row["agent"] or fact.agent
            _offer_went(row, fact)
    rows = _by_start(rows)
    _release(by, [row for row in rows.values() if row["answered_ms"]])
    return rows


def _offer_went(row: Row, fact: Fact) -> None:
    body = fact.body
    if fact.kind in ("offered", "placed"):
        row |= {"seat": body.get("seat", ""), "waited_ms": body.get("waited_ms", 0)}
    elif fact.kind == "bridged":
        row |= {"answered_ms": body.get("bridged_ms") or fact.at_ms, "waited_ms": body.get("waited_ms", 0), "outcome": "answered"}
    elif not row["answered_ms"]:
        row |= {"end_ms": fact.at_ms, "outcome": short(body.get("reason", ""))}


def _talks_over(by: ByKind) -> list[Fact]:
    """Releases of agents from talks; before the first talk a callback releases those whose customer was not reached."""
    released = by.get("agent_released", [])
    return [fact for fact in released if fact.at_ms >= by.at("bridged")] if "callback_failed" in by else released


def _release(by: ByKind, talks: list[Row]) -> None:
    """Match each release to the agent's talk; what the router has not released ends with the call."""
    for fact in _talks_over(by):
        mine = [row for row in talks if row["agent"] == fact.agent and not row["end_ms"]]
        if mine:
            mine[0] |= {"end_ms": fact.at_ms, "talk_ms": fact.body.get("talk_ms", 0), "side": short(fact.body.get("side", ""))}
    if ended := _ended(by):
        for row in talks:
            row["end_ms"] = row["end_ms"] or ended.at_ms


# ---- menu, recordings -------------------------------------------------------------------------------------------
def _menu(by: ByKind) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for fact in [*by.get("menu_chosen", []), *by.get("digits", [])]:
        body = fact.body
        head = {"id": fact.id, "call": fact.call, "tenant": fact.tenant, "at_ms": fact.at_ms}
        step = {"menu": body.get("menu", ""), "item": body.get("item", ""), "language": body.get("language", "")}
        rows[fact.id] = {**head, **step, "what": body.get("what", "chosen"), "tries": body.get("tries", 0)}
    return rows


def _recordings(by: ByKind) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for fact in [*by.get("recorded", []), *by.get("recording_failed", [])]:
        body = fact.body
        row = {
            "id": fact.id,
            "call": fact.call,
            "tenant": fact.tenant,
            "at_ms": fact.at_ms,
            "reason": short(body.get("reason", "")),
        }
        row |= {name: body.get(name, "") for name in ("path", "sha256", "detail")}
        rows[fact.id] = row | {name: body.get(name, 0) for name in ("duration_ms", "talk_ms", "bytes", "started_ms")}
    return rows
