"""The one place that turns exceptions into answers: {"error": {"code", "text", "field"}}."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from console.ledger.database import away
from console.live.router import Refused, RouterAway, RouterFault, UnknownAgent
from ops.config import ConfigError

log = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer that is no success. `code` is for programs, `text` for people."""

    status = 500

    def __init__(self, code: str, text: str, field: str = "", headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(text)
        self.code, self.text, self.field, self.headers = code, text, field, headers or {}
        self.more = more  # beside "error": lists that programs use


class BadRequest(ApiError):
    """What was sent cannot be meant."""

    status = 400


class NotLoggedIn(ApiError):
    """No session, or it ran out."""

    status = 401


class Forbidden(ApiError):
    """Logged in, but not for this."""

    status = 403


class NotFound(ApiError):
    """There is no such thing."""

    status = 404


class Conflict(ApiError):
    """What it was based on has changed."""

    status = 409


class TooMany(ApiError):
    """Wait; header Retry-After says how long."""

    status = 429


class Busy(ApiError):
    """More of it at once than we take."""

    status = 503


def answer(status: int, code: str, text: str, field: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """An error as JSON."""
    return web.json_response({"error": {"code": code, "text": text, "field": field}}, status=status, headers=headers)


def answer_for(error: Exception) -> web.Response:
    """The answer an exception deserves. What is not expected is logged with its trace and told as 500 without detail."""
    if isinstance(error, ApiError):
        body = {"error": {"code": error.code, "text": error.text, "field": error.field}, **error.more}
        return web.json_response(body, status=error.status, headers=error.headers)
    if isinstance(error, ConfigError):
        return _mistakes(error)
    if isinstance(error, web.HTTPException):
        return answer(error.status, error.reason.lower().replace(" ", "_"), error.reason, headers=_kept(error))
    if isinstance(error, Refused):
        return answer(409, error.code, str(error))
    if isinstance(error, UnknownAgent):
        return answer(409, "logged_out", "the agent has not started work")
    if isinstance(error, RouterAway):
        return answer(503, "router_away", "no router answers; calls in progress go on, try again in a moment")
    if isinstance(error, SQLAlchemyError) and away(error):
        log.warning("database away", extra={"why": type(error).__name__})
        return answer(503, "database_away", "the database does not answer; try again in a moment")
    told = "router_fault" if isinstance(error, RouterFault) else "internal"
    log.error("request failed", exc_info=error)
    return answer(500, told, "an internal error; it is in the log")


def _mistakes(error: ConfigError) -> web.Response:
    """Rules that cannot be taken: the first mistake as the error, all of them beside it."""
    found = [{"field": key, "text": text} for key, text in error.findings]
    first = {"code": "bad_rules", "text": error.problems[0], "field": found[0]["field"]}
    return web.json_response({"error": first, "mistakes": found[:200]}, status=400)


def _kept(error: web.HTTPException) -> dict[str, str]:
    return {name: error.headers[name] for name in ("Allow", "Content-Range") if name in error.headers}
