"""Calls in the ledger: list with search, detail with facts, recording, CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from console.api.context import SUPERVISOR, Call, Route
from console.api.errors import NotFound
from console.api.fields import Text, Whole
from console.ledger.fold import Row
from console.ledger.queries import Search
from ops.number_plan import searched

OUTCOMES = ("answered", "abandoned", "self_served", "refused", "failed", "elsewhere", "open")
CSV_MOST = 200_000
_PHONE = re.compile(r"\+?[0-9]+")
_TIMES = ("first_ms", "started_ms", "entered_ms", "answered_ms", "ended_ms")
CSV_COLUMNS = (
    *("id", "first_ms", "calling", "called", "country", "province", "city", "carrier", "trunk", "language", "menu_path", "queue"),
    *("agent", "result", "reason", "side", "waited_ms", "talk_ms", "offers", "started_ms", "entered_ms", "answered_ms", "ended_ms"),
    *("recording", "node", "routed_by", "sip_status", "callback"),
)


def _search(call: Call) -> Search:
    fields, before = call.fields, None
    if cursor := fields.get("before"):
        at, _, id_ = str(cursor).partition(".")
        before = int(at), id_
    return Search(
        from_ms=fields.get("from", 0),
        to_ms=fields.get("to", 0),
        numbers=searched(fields.get("number", ""), call.ctx.config.centre.country),
        agent=fields.get("agent", ""),
        queue=fields.get("queue", ""),
        outcome=fields.get("outcome", ""),
        before=before,
    )


async def list_calls(call: Call) -> web.StreamResponse:
    """Calls, newest first, a page at a time."""
    limit = call.fields.get("limit", 50)
    rows = await asyncio.to_thread(call.ctx.queries.calls, _search(call), limit + 1)
    page = rows[:limit]
    after = f"{page[-1]['first_ms']}.{page[-1]['id']}" if len(rows) > limit else ""
    return web.json_response({"calls": page, "next": after})


async def show_call(call: Call) -> web.StreamResponse:
    """One call with everything known of it."""
    row = await asyncio.to_thread(call.ctx.queries.call, call.fields["call"])
    if row is None:
        raise NotFound("unknown_call", "there is no such call", "call")
    return web.json_response(row)


async def play(call: Call) -> web.StreamResponse:
    """A recording, whole or in part (Range)."""
    path = await asyncio.to_thread(call.ctx.queries.recording, call.fields["call"], call.fields["number"])
    found = await asyncio.to_thread(inside, call.ctx.config.vault, path) if path else None
    if found is None:
        raise NotFound("no_recording", "there is no such recording", "number")
    headers = {"Content-Type": "audio/wav", "Cache-Control": "private, no-store", "Content-Disposition": "inline"}
    return web.FileResponse(found, headers=headers)


def inside(vault: Path, path: str) -> Path | None:
    """The file of a recording; None unless it is a .wav that really lies in the vault, whatever the path (a fact) says."""
    try:
        root, found = vault.resolve(), (vault / path).resolve()
        return found if found.is_relative_to(root) and found.suffix == ".wav" and found.is_file() else None
    except (OSError, ValueError):
        return None


async def export(call: Call) -> web.StreamResponse:
    """The same list as a spreadsheet takes it: UTF-8 with a mark, times as ISO 8601 UTC."""
    disposition = 'attachment; filename="calls.csv"'
    response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": disposition})
    await response.prepare(call.request)
    await response.write(b"\xef\xbb\xbf" + _lines([[name.removesuffix("_ms") for name in CSV_COLUMNS]]))
    portions = call.ctx.queries.all_calls(_search(call), CSV_MOST)
    try:
        while rows := await asyncio.to_thread(next, portions, None):
            await response.write(_lines([[_cell(row, name) for name in CSV_COLUMNS] for row in rows]))
    finally:
        await asyncio.to_thread(portions.close)  # type: ignore[attr-defined]  # a generator: frees its connection
    await response.write_eof()
    return response


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(row: Row, name: str) -> str:
    value = row[name]
    if name in _TIMES:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds") if value else ""
    text = str(value)
    risky = text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _PHONE.fullmatch(text)
    return f"'{text}" if risky else text  # a spreadsheet must not take a caller's text for a formula


_NUMBER_TYPED = r"[+0-9A-Za-z*#.,()/\s\-\u2010-\u2015\u2212\uff08\uff09\uff0b\uff0d\uff10-\uff19]+"  # full-width forms too
_CALL = Text("call", "id of the call", longest=64)
_FILTERS = (
    Whole("from", "first moment of arrival, UTC ms", required=False),
    Whole("to", "end of arrival, UTC ms, not included", required=False),
    Text("number", "the caller's or called number in any form, or a part of it", required=False, longest=40, pattern=_NUMBER_TYPED),
    Text("agent", "id of the agent that talked last", required=False, longest=64),
    Text("queue", "id of the last queue", required=False, longest=64),
    Text("outcome", "how it ended; open: it lasts", required=False, choices=OUTCOMES),
)
_PAGE = (
    Whole("limit", "calls a page", required=False, least=1, most=500),
    Text("before", "`next` of the page before", required=False, longest=100, pattern=r"[0-9]{1,16}\..+"),
)
_NUMBER = Whole("number", "which recording of the call, from 1", least=1, most=999)
_WAV = "/api/calls/{call}/recordings/{number}"
ROUTES = (
    Route("GET", "/api/calls", SUPERVISOR, list_calls, "Calls, newest first", query=(*_FILTERS, *_PAGE), reply="Calls"),
    Route("GET", "/api/calls.csv", SUPERVISOR, export, "The same as CSV", query=_FILTERS, produces="text/csv"),
    Route("GET", "/api/calls/{call}", SUPERVISOR, show_call, "One call", parts=(_CALL,), reply="CallDetail", errors=(404,)),
    Route(
        "GET", _WAV, SUPERVISOR, play, "A recording; takes Range", parts=(_CALL, _NUMBER), errors=(404, 416), produces="audio/wav"
    ),
)
