"""No client follows a redirect, since its token is for one server alone."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kopf
import pytest

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.recordsclient import RecordsClient
from kubernaut_datastorage.store import DatabaseUnavailable
from kubernaut_datastorage.tokenreview import KubernetesTokenReviewer
from kubernaut_sdk import DataStorage
from kubernaut_sdk.incluster import ServiceAccount
from kubernaut_sdk.storage import StorageUnavailable

TOKEN = "Bearer s3cr3t-of-one-server"


class RedirectingServer(ThreadingHTTPServer):
    """A server that records requests, and redirects to another server where there is one."""

    daemon_threads = True

    def __init__(self, other: "RedirectingServer | None" = None, status: int = 307) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.other, self.status = other, status
        self.heard: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: RedirectingServer

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.heard.append(self.headers.get("authorization"))
        self.send_response(self.server.status if self.server.other else 200)
        if self.server.other:
            self.send_header("location", self.server.other.url + self.path)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815 – the names that http.server calls

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[tuple[RedirectingServer, RedirectingServer]]:
    """Return a server that redirects, and its target."""
    with RedirectingServer() as other, RedirectingServer(other) as first:
        for server in (other, first):
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield first, other
        for server in (other, first):
            server.shutdown()


async def records(url: str, folder: Path) -> None:
    client = RecordsClient(url, folder / "token")
    reading = asyncio.create_task(client.read("01890000-0000-7000-8000-000000000000"))
    async with asyncio.timeout(10):
        while client.last_error is None:  # noqa: ASYNC110 – it is told as text, not as an event
            await asyncio.sleep(0.01)
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    await client.close()
    assert client.last_error == "it answered 307"


async def api(url: str, folder: Path) -> None:
    token = (folder / "token").read_text()
    client = Api(lambda: kopf.ConnectionInfo(server=url, token=token))
    with pytest.raises(ApiError, match="307"):
        await client.read("pods", "shop", "web")
    await client.close()


async def reviews(url: str, folder: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await KubernetesTokenReviewer(url, ServiceAccount(folder), "kubernaut-data-storage").review("another")


async def storage(url: str, folder: Path) -> None:
    with DataStorage(url, folder / "token") as client, pytest.raises(StorageUnavailable, match="answered 307"):
        list(client.get_action_history())


@pytest.mark.parametrize("ask", [records, api, reviews, storage])
def test_no_redirect_is_followed(
    ask: Callable[[str, Path], Awaitable[None]], servers: tuple[RedirectingServer, RedirectingServer], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN.removeprefix("Bearer "))
    first, other = servers
    asyncio.run(ask(first.url, tmp_path))  # type: ignore[arg-type]

    assert set(first.heard) == {TOKEN}
    assert other.heard == []
