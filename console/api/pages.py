"""The page's files, metrics, health, and the description of the API."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from console.api import reach
from console.api.context import PUBLIC, Call, Route
from console.api.errors import Forbidden, NotFound

WEB = Path(__file__).parent.parent / "web"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


async def metrics(call: Call) -> web.StreamResponse:
    """For Prometheus; no personal data."""
    if not reach.of_this_machine(call.ctx.config, call.client.address):
        raise Forbidden("forbidden", "metrics are told to this machine only")
    return web.Response(body=generate_latest(call.ctx.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def healthz(call: Call) -> web.StreamResponse:
    """The process is up and serves."""
    return web.Response(text="ok\n")


async def page(request: web.Request) -> web.StreamResponse:
    """A file of the page. Only names that were there at start, so no path can lead elsewhere."""
    name = request.match_info.get("name") or "index.html"
    found = request.app[FILES].get(name)
    if found is None:
        raise NotFound("not_found", "there is no such page")
    return web.FileResponse(found, headers={"Content-Type": f"{TYPES[found.suffix]}; charset=utf-8"})


def files() -> dict[str, Path]:
    """All files of the page by their URL path."""
    return {path.relative_to(WEB).as_posix(): path for path in sorted(WEB.rglob("*")) if path.suffix in TYPES}


FILES: web.AppKey[dict[str, Path]] = web.AppKey("files", dict)
ROUTES = (
    Route("GET", "/metrics", PUBLIC, metrics, "Prometheus metrics", produces="text/plain"),
    Route("GET", "/healthz", PUBLIC, healthz, "Health", produces="text/plain"),
)
