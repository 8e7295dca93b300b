"""`/metrics` for Prometheus, from every service alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest


async def _nothing() -> None:
    """Nothing to bring up to date."""


async def serve(
    host: str, port: int, registry: CollectorRegistry = REGISTRY, before: Callable[[], Awaitable[None]] = _nothing
) -> web.AppRunner:
    """Serve GET /metrics and GET /healthz on host:port; `await runner.cleanup()` ends it. `before` brings gauges up to date when
    they are asked for. Raises OSError if the port is taken."""

    async def metrics(_: web.Request) -> web.Response:
        await before()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
