"""All routes, as one web application."""

from __future__ import annotations

from importlib.metadata import version

from aiohttp import web

from console.api import agent, auth, calls, live, pages, reach, rules, supervise
from console.api.context import PUBLIC, Call, Context, Route
from console.api.guard import errors, guarded, on_prepare
from console.api.live import CLOSING, SOCKETS
from console.api.openapi import document


async def describe(call: Call) -> web.StreamResponse:
    """This API as OpenAPI."""
    return web.json_response(openapi())


_SELF = Route("GET", "/api/openapi.json", PUBLIC, describe, "This document", reply="OpenApi")
ROUTES: tuple[Route, ...] = (
    *auth.ROUTES,
    *agent.ROUTES,
    *supervise.ROUTES,
    *calls.ROUTES,
    *rules.ROUTES,
    *live.ROUTES,
    *pages.ROUTES,
    _SELF,
)


def openapi() -> dict[str, object]:
    """The document of this version."""
    return document(ROUTES, version("tierline"))


def make(ctx: Context) -> web.Application:
    """The application: API, live connections, page."""
    app = web.Application(middlewares=[errors(ctx.metrics), reach.only_proxies(ctx.config)], client_max_size=65_536)
    app[SOCKETS], app[CLOSING], app[pages.FILES] = {}, set(), pages.files()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, guarded(ctx, route))
        if route.method == "GET" and route.produces:
            app.router.add_route("HEAD", route.path, guarded(ctx, route))
    app.router.add_get("/", pages.page)
    app.router.add_get("/{name:(?!api/).+}", pages.page)
    app.on_response_prepare.append(on_prepare)
    app.on_shutdown.append(live.hang_up)
    return app
