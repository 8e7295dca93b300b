"""Edge, router, media and recordings against each other, call by call: every difference has a name (Q2). Pure but for `files`.

The three see a call independently: the edge writes its accounting before it asks anybody, the router in its atomic steps, the media
node at its own transitions. A call is `unexplained` if at least one difference is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from console.ledger.database import Database
from console.ledger.fold import SEEN, Row
from console.ledger.models import CallRow, RecordingRow, table

CALL, RECORDING = table(CallRow), table(RecordingRow)
GRACE_MS = 15_000  # after its last fact a call gets so long for the facts that still are on their way
OPEN_MS = 4 * 3_600_000  # a call without an end and without news for so long has none
TALK_SLACK_MS = 2000  # router and media may measure the talk so differently
SHORT_TALK_MS = 1000  # shorter talks need no recording

# code -> what it means; the page has the words in both languages.
DIFFERENCES = {
    "no_edge": "router or media know a call that no edge took",
    "no_outcome": "the edge took an INVITE and never told its final answer",
    "no_media": "the edge says answered, no media node knows the call",
    "not_answered": "a media node answered, the edge did not see it",
    "refused_but_answered": "the router refused it, the edge says answered",
    "no_end": "the media node started the call and never ended it",
    "no_bridge": "the media node counts a conversation, the router bridged none",
    "no_conversation": "the router bridged it, the media node counts no conversation",
    "not_left": "it entered a queue and neither left it nor was bridged",
    "not_released": "the call is over and its agent was never released",
    "talk_differs": "router and media measured different talk times",
    "no_recording": "a conversation that should be recorded has no recording and no word why",
    "recording_failed": "the recording failed",
    "recording_short": "the recording is shorter than the talk",
    "file_missing": "the filed recording is not in the vault, or of another size",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Which talks must have a recording."""

    record: bool = True
    unrecorded_queues: frozenset[str] = frozenset()

    def wants(self, row: Row) -> bool:
        """Whether this call must have a recording."""
        return self.record and row["queue"] not in self.unrecorded_queues and row["talk_ms"] >= SHORT_TALK_MS


@dataclass(frozen=True, slots=True)
class Finding:
    """One call with its differences."""

    call: str
    at_ms: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found. `open`: calls that still last and are not judged."""

    from_ms: int
    to_ms: int
    calls: int
    open: int
    by_code: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def unexplained(self) -> int:
        """Calls with a difference."""
        return len(self.findings)


def judge(row: Row, policy: Policy, now_ms: int) -> tuple[str, ...] | None:
    """The differences of one call row; None: too early to say."""
    if now_ms - row["last_ms"] < (GRACE_MS if row["result"] else OPEN_MS) and not (_lost_at_edge(row, now_ms)):
        return None
    if _has(row, "placed") and not _has(row, "enqueued"):
        return tuple(_guest(row))
    return (*_edge(row), *_ends(row), *_recording(row, policy))


def _guest(row: Row) -> Iterable[str]:
    """Another centre's caller with an agent of ours: edge and router must agree; media node and recording are at its home."""
    if _has(row, "bridged") and not _has(row, "edge_invite"):
        yield "no_edge"
    if _has(row, "edge_invite") and not _has(row, "edge_outcome"):
        yield "no_outcome"
    if row["result"] and _has(row, "bridged") and not _has(row, "agent_released"):
        yield "not_released"


def _lost_at_edge(row: Row, now_ms: int) -> bool:
    """Nobody but the edge and perhaps the router ever spoke of it, and that is long enough ago."""
    return not _has(row, "call_started") and now_ms - row["last_ms"] >= 60_000


def _has(row: Row, kind: str) -> bool:
    return bool(row["seen"] & SEEN[kind])


def _edge(row: Row) -> Iterable[str]:
    answered = 200 <= row["sip_status"] < 300
    if not _has(row, "edge_invite"):
        yield "no_edge"
        return
    if not _has(row, "edge_outcome"):
        yield "no_outcome"
    if row["refused"] and answered:
        yield "refused_but_answered"
    elif answered and not _has(row, "call_started"):
        yield "no_media"
    if _has(row, "call_started") and _has(row, "edge_outcome") and not answered and row["sip_status"] != 487:
        yield "not_answered"


def _ends(row: Row) -> Iterable[str]:
    waits = _has(row, "callback_asked") and not _has(row, "bridged")  # to be called back; the router tells when it is given up
    if _has(row, "call_started") and not _has(row, "call_ended") and row["reason"] != "node_lost" and not waits:
        yield "no_end"
    if row["media_result"] == "answered" and not _has(row, "bridged"):
        yield "no_bridge"
    if _has(row, "bridged") and row["media_result"] not in ("answered", ""):
        yield "no_conversation"
    if _has(row, "enqueued") and not _has(row, "left_queue") and not _has(row, "bridged") and not waits:
        yield "not_left"
    if _has(row, "bridged") and not _has(row, "agent_released"):
        yield "not_released"
    elif _has(row, "bridged") and _has(row, "call_ended") and abs(row["talk_ms"] - row["router_talk_ms"]) > TALK_SLACK_MS:
        yield "talk_differs"


def _recording(row: Row, policy: Policy) -> Iterable[str]:
    if row["recording"] == "failed":
        yield "recording_failed"
    elif row["recording"] == "deleted":
        return  # it was there, and was kept as long as it should be
    elif policy.wants(row) and row["recording"] != "filed":
        yield "no_recording"
    elif row["recording"] == "filed" and row["recorded_ms"] < row["talk_ms"] * 0.95 - TALK_SLACK_MS:
        yield "recording_short"


def audit(database: Database, tenant: str, span: tuple[int, int], policy: Policy, now_ms: int, vault: Path | None = None) -> Report:
    """Judge all calls that began in span [from, to) ms; with `vault` look at the files too."""
    missing = _missing(database, tenant, span, vault) if vault is not None else frozenset()
    codes: Counter[str] = Counter()
    findings, calls, still_open = [], 0, 0
    c = CALL.c
    query = select(CALL).where(c.tenant == tenant, c.first_ms >= span[0], c.first_ms < span[1]).order_by(c.first_ms, c.id)
    with database.read() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query).mappings():
            calls += 1
            named = judge(dict(row), policy, now_ms)
            still_open += named is None
            if named is not None and row["id"] in missing:
                named = (*named, "file_missing")
            if named:
                codes.update(named)
                findings.append(Finding(row["id"], row["first_ms"], named))
    return Report(span[0], span[1], calls, still_open, dict(codes), tuple(findings))


def _missing(database: Database, tenant: str, span: tuple[int, int], vault: Path) -> frozenset[str]:
    """Calls with a filed recording whose file is not there or of another size."""
    r, c = RECORDING.c, CALL.c
    query = select(r.call, r.path, r.bytes).join(CALL, c.id == r.call)
    query = query.where(c.tenant == tenant, c.first_ms >= span[0], c.first_ms < span[1], r.path != "")
    with database.read() as connection:
        rows: list[Any] = list(connection.execute(query))
    return frozenset(row.call for row in rows if not _there(vault, row.path, row.bytes))


def _there(vault: Path, path: str, size: int) -> bool:
    try:
        found = (vault / path).stat().st_size
    except (OSError, ValueError):
        return False
    return size in (0, found)
