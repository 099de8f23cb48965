"""An HTTP server for health and metrics: `/healthz`, `/readyz` (all workflows are listed) and `/metrics`.

A process that does not get ready within `STARTING` is not healthy, so that Kubernetes restarts it and operators notice.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

__all__ = ["STARTING", "serving"]

STARTING = 300.0
"""Seconds within which the controller must be ready, even with ten thousand workflows and a slow API server."""


@asynccontextmanager
async def serving(host: str, port: int, ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Serve health and metrics as long as the block lasts.

    Args:
        host: The address to listen on.
        port: The port; 0 serves nowhere.
        ready: Returns True once all workflows are listed.
    """
    if port == 0:
        yield
        return

    started = time.monotonic()

    async def healthz(_: web.Request) -> web.Response:
        if ready() or time.monotonic() - started < STARTING:
            return web.Response(text="ok\n")
        return web.Response(status=503, text=f"it has not listed all workflows in {STARTING:.0f} s; see its log\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(status=503, text="it has not listed yet\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
