"""A proxy to the API server with faults on request, for one controller with a kubeconfig of its own."""

import asyncio
import base64
import json
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from realcluster import kubectl


@dataclass
class Faults:
    """The faults to cause, and how often each has happened.

    Attributes:
        stall: Watches stay open, and nothing comes through.
        gone: So many watches are answered with 410.
        busy: So many writes are answered with 429 and Retry-After.
        conflict: So many status writes are answered with 409.
        unknown: So many requests are answered with 401, as after a token's end.
    """

    stall: bool = False
    gone: int = 0
    busy: int = 0
    conflict: int = 0
    unknown: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    cuts: set[web.StreamResponse] = field(default_factory=set)

    def take(self, name: str) -> bool:
        left = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
            self.seen[name] = self.seen.get(name, 0) + 1
        return bool(left)


def refused(code: int, reason: str, **headers: str) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": "told to",
        "code": code,
    }
    return web.json_response(
        status, status=code, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


class Proxy:
    """A proxy to the kubeconfig's API server, over plain HTTP on loopback."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.server = cluster["server"]
        self.context = ssl.create_default_context(cadata=authority)
        self.headers = {"authorization": f"Bearer {user['token']}"}
        self.faults = Faults()
        self.port = 0
        self._watches: set[asyncio.Task[Any]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch") == "true"
        if self.faults.take("unknown"):
            return refused(401, "Unauthorized")
        if request.method != "GET" and self.faults.take("busy"):
            return refused(429, "TooManyRequests", retry_after="1")
        if request.path.endswith("/status") and self.faults.take("conflict"):
            return refused(409, "Conflict")
        headers = {"content-type": request.headers["content-type"]} if "content-type" in request.headers else {}
        async with self.session.request(
            request.method, self.server + request.path_qs, data=await request.read() or None, headers=headers
        ) as answer:
            response = web.StreamResponse(
                status=answer.status, headers={"content-type": answer.headers.get("content-type", "")}
            )
            await response.prepare(request)
            if watch and self.faults.take("gone"):
                told = {
                    "type": "ERROR",
                    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"},
                }
                await response.write(json.dumps(told).encode() + b"\n")
                return response
            task = asyncio.current_task()
            if watch and task is not None:
                self._watches.add(task)
                task.add_done_callback(self._watches.discard)
            async for part in answer.content.iter_any():
                await self.stalled(watch=watch)
                await response.write(part)
            return response

    async def stalled(self, *, watch: bool) -> None:
        for _ in range(3000):
            if not (watch and self.faults.stall):
                return
            await asyncio.sleep(0.1)

    def cut(self) -> None:
        """Break off every watch."""
        self.loop.call_soon_threadsafe(lambda: [task.cancel() for task in list(self._watches)])

    async def serve(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self.context, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, headers=self.headers, timeout=timeout) as self.session:
            app = web.Application(client_max_size=16 * 1024 * 1024)
            app.router.add_route("*", "/{path:.*}", self.handle)
            # whoever is cut off is meant to be, and no error of this program's
            logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self.started.set()
            await self.stop.wait()
            await runner.cleanup()

    def run(self) -> None:
        async def main() -> None:
            self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
            await self.serve()

        self.started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
        self.thread.start()
        self.started.wait(10)


@contextmanager
def running_proxy(kubeconfig: Path, folder: Path) -> Iterator[tuple[Proxy, Path]]:
    """Yield a proxy, and the kubeconfig that leads through it."""
    proxy = Proxy(kubeconfig)
    proxy.run()
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--flatten", "--minify"))
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{proxy.port}"}
    config["users"][0]["user"] = {"token": "none"}
    path = folder / "proxied.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    try:
        yield proxy, path
    finally:
        proxy.faults.stall = False
        proxy.cut()
        proxy.loop.call_soon_threadsafe(proxy.stop.set)
        proxy.thread.join(10)
