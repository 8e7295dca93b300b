"""Calls in the ledger: list with search, detail with facts, recording, CSV."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from console.api.context import SUPERVISOR, Call, Route
from console.api.errors import NotFound
from console.api.fields import Text, Whole
from console.api.spreadsheet import Sheet
from console.api.words import LANGUAGES
from console.ledger.fold import Row
from console.ledger.queries import Search
from ops.number_plan import searched

log = logging.getLogger(__name__)
OUTCOMES = ("answered", "abandoned", "self_served", "refused", "failed", "elsewhere", "open")
PORTION = 2000  # calls of an export that are read at once


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
    await _listened(call)
    headers = {"Content-Type": "audio/wav", "Cache-Control": "private, no-store", "Content-Disposition": "inline"}
    return web.FileResponse(found, headers=headers)


async def _listened(call: Call) -> None:
    """Into the trail before the first sound. A player asks in parts: those are one listening."""
    acts, name = call.ctx.acts, f"{call.fields['call']}/{call.fields['number']}"
    if call.request.method == "HEAD" or not acts.new_listening(call.session.token, name):
        return
    try:
        await call.note("listened", call.fields["call"], after={"recording": call.fields["number"]}, first=True)
    except BaseException:
        acts.forget_listening(call.session.token, name)
        raise


def inside(vault: Path, path: str) -> Path | None:
    """The file of a recording; None unless it is a .wav that really lies in the vault, whatever the path (a fact) says."""
    try:
        root, found = vault.resolve(), (vault / path).resolve()
        return found if found.is_relative_to(root) and found.suffix == ".wav" and found.is_file() else None
    except (OSError, ValueError):
        return None


async def export(call: Call) -> web.StreamResponse:
    """The same list, all of it, as a spreadsheet takes it. What cannot be sent to its end breaks off as a failed download."""
    if call.request.method != "HEAD":
        shown = {name: f"…{value[-4:]}" if name == "number" else value for name, value in call.fields.items()}
        await call.note("calls_exported", after=shown, first=True)
    sheet = Sheet.of(call.ctx.config, call.fields.get("language", call.ctx.config.centre.languages[0]))
    disposition = 'attachment; filename="calls.csv"'
    response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": disposition})
    portions = _portions(call)
    first = await anext(portions)  # an error that comes before anything is sent is told as one
    await response.prepare(call.request)
    await response.write(sheet.heads() + sheet.rows(first))
    try:
        async for rows in portions:
            await response.write(sheet.rows(rows))
    except SQLAlchemyError as error:
        log.error("an export broke off", extra={"why": type(error).__name__})
        if call.request.transport is not None:
            call.request.transport.abort()  # without the last chunk: the browser says that the download failed
        return response
    await response.write_eof()
    return response


async def _portions(call: Call) -> AsyncIterator[list[Row]]:
    """All calls of the search, each portion read by itself: a slow reader holds no transaction open. At least one, maybe empty."""
    search = _search(call)
    while True:
        rows = await asyncio.to_thread(call.ctx.queries.calls, search, PORTION)
        yield rows
        if len(rows) < PORTION:
            return
        search = replace(search, before=(rows[-1]["first_ms"], rows[-1]["id"]))


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
_LANGUAGE = Text("language", "of heads and words; the centre's first without it", required=False, choices=LANGUAGES)
_NUMBER = Whole("number", "which recording of the call, from 1", least=1, most=999)
_WAV = "/api/calls/{call}/recordings/{number}"
ROUTES = (
    Route("GET", "/api/calls", SUPERVISOR, list_calls, "Calls, newest first", query=(*_FILTERS, *_PAGE), reply="Calls"),
    Route("GET", "/api/calls.csv", SUPERVISOR, export, "All of them as CSV", query=(*_FILTERS, _LANGUAGE), produces="text/csv"),
    Route("GET", "/api/calls/{call}", SUPERVISOR, show_call, "One call", parts=(_CALL,), reply="CallDetail", errors=(404,)),
    Route(
        "GET", _WAV, SUPERVISOR, play, "A recording; takes Range", parts=(_CALL, _NUMBER), errors=(404, 416), produces="audio/wav"
    ),
)
