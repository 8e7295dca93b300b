"""What every request passes: errors as JSON, session and role, cross-site protection, headers."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler
from aiohttp.typedefs import Middleware

from console.api.context import PUBLIC, ROLES, Call, Context, Route
from console.api.errors import Forbidden, NotLoggedIn, answer_for
from console.ledger.people import Session, User
from console.metrics import Metrics

COOKIE = "tierline"
HEADER = "X-Tierline"  # a page of another site cannot send it without being allowed by CORS, which nobody is
_SAFE = frozenset(["GET", "HEAD"])
_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=()",
}


def errors(metrics: Metrics) -> Middleware:
    """The outermost: whatever happens, the answer is JSON, has the headers and is counted."""

    @web.middleware
    async def middleware(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001  # the one place that turns exceptions into answers
            response = answer_for(error)
        metrics.requests.labels(str(response.status)).inc()
        return response

    return middleware


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer; what the API says is kept by nobody."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store" if request.path.startswith("/api/") else "no-cache")


def guarded(ctx: Context, route: Route) -> WebHandler:
    """The route's handler behind its checks."""

    async def handle(request: web.Request) -> web.StreamResponse:
        who = await _allowed(ctx, route, request)
        fields = await route.take(request)
        return await route.handler(Call(ctx, request, fields, who))

    return handle


async def _allowed(ctx: Context, route: Route, request: web.Request) -> tuple[User, Session] | None:
    if request.method not in _SAFE or route.path == "/api/live":
        same_site(request, ctx.config.console.public_url, header=request.method not in _SAFE)
    if route.role == PUBLIC:
        return None
    who = await ctx.sessions.find(request.cookies.get(COOKIE, ""))
    if who is None:
        raise NotLoggedIn("not_logged_in", "log in first")
    if who[0].role not in ROLES[route.role]:
        raise Forbidden("role", f"this needs the role {route.role}")
    if who[0].must_change and not route.before_change:
        raise Forbidden("change_password", "this is a first password: choose one of your own")
    return who


def same_site(request: web.Request, public_url: str, header: bool) -> None:
    """Raises Forbidden unless the request comes from our own page (or from a program that says so)."""
    origin = request.headers.get("Origin", "")
    if origin and origin != public_url and (urlsplit(origin).netloc != request.host or not request.host):
        raise Forbidden("origin", "requests of other sites are not taken")
    if header and not request.headers.get(HEADER):
        raise Forbidden("origin", f"header {HEADER} is missing")
