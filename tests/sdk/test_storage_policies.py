"""A Data Storage that misbehaves, under both policies: exit code, the applied change, the delivery of the record."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk.spool import Spool

THING = "probe/do_thing"


class MisbehavingServer(ThreadingHTTPServer):
    """A server that answers the first `bad` POSTs wrongly, and then as it should."""

    daemon_threads = True

    def __init__(self, how: str, bad: int = 1_000) -> None:
        super().__init__(("127.0.0.1", 0), _MisbehavingHandler)
        self.how, self.bad = how, bad
        self.tokens: list[str | None] = []
        self.stored: list[dict[str, Any]] = []
        self.over = threading.Event()


class _MisbehavingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MisbehavingServer

    def do_POST(self) -> None:
        server = self.server
        server.tokens.append(self.headers["authorization"])
        events = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server.bad -= 1
        if server.bad >= 0:
            if server.how == "hangs":
                server.over.wait(60)
                return
            self._answer(int(server.how), {"title": "told to"})
            return
        server.stored += events
        self._answer(
            200,
            [{"index": n, "id": event["id"], "outcome": "stored", "reason": None} for n, event in enumerate(events)],
        )

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client gave up waiting
            super().handle()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def storage() -> Iterator[Callable[..., MisbehavingServer]]:
    servers: list[MisbehavingServer] = []

    def start(how: str, bad: int = 1_000) -> MisbehavingServer:
        server = MisbehavingServer(how, bad)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


def run(action: Any, storage_url: str, policy: str, marks: Path, **env: str) -> Any:
    return action.run(
        "run", THING, "-p", f"marks={marks}", DATA_STORAGE_URL=storage_url, DATA_STORAGE_POLICY=policy, **env
    )


@pytest.mark.parametrize("how", ["refuses", "hangs", "500", "400", "401"])
@pytest.mark.parametrize("policy", ["best-effort", "require"])
def test_a_store_that_does_not_take_it(
    action: Any, storage: Callable[..., MisbehavingServer], closed_port: str, tmp_path: Path, how: str, policy: str
) -> None:
    url = closed_port if how == "refuses" else f"http://127.0.0.1:{storage(how).server_port}"
    started, marks = time.monotonic(), tmp_path / "marks"
    ended = run(action, url, policy, marks)

    assert ended.code == (0 if policy == "best-effort" else 5)
    assert marks.exists() == (policy == "best-effort")
    assert ended.results["record-status"] == "deferred"
    assert ended.results["changed"] == ("true" if policy == "best-effort" else "false")
    states = [event["state"] for event in ended.marked]
    assert states == ["started", "applying", "succeeded" if policy == "best-effort" else "failed"]
    assert [event["state"] for event in action.kept()] == states
    assert time.monotonic() - started < 60  # it comes to an end; how soon, the benchmark of a busy machine cannot say


@pytest.mark.parametrize("policy", ["best-effort", "require"])
def test_a_store_that_recovers_within_the_patience_has_it_all(
    action: Any, storage: Callable[..., MisbehavingServer], tmp_path: Path, policy: str
) -> None:
    server = storage("500", bad=1)
    ended = run(action, f"http://127.0.0.1:{server.server_port}", policy, tmp_path / "marks")

    assert (ended.code, ended.results["record-status"], ended.marked) == (0, "stored", [])
    assert [event["state"] for event in server.stored] == ["started", "applying", "succeeded"]


@pytest.mark.parametrize("policy", ["best-effort", "require"])
def test_after_a_401_the_token_is_read_again_and_never_shown(
    action: Any, storage: Callable[..., MisbehavingServer], tmp_path: Path, policy: str
) -> None:
    server, token = storage("401", bad=1), tmp_path / "token"
    token.write_text("t0ken-of-the-pod\n")
    ended = run(
        action,
        f"http://127.0.0.1:{server.server_port}",
        policy,
        tmp_path / "marks",
        DATA_STORAGE_TOKEN_FILE=str(token),
    )

    assert (ended.code, ended.results["record-status"]) == (0, "stored")
    assert set(server.tokens) == {"Bearer t0ken-of-the-pod"}
    assert "t0ken" not in ended.stdout + ended.stderr


def test_what_a_step_could_not_send_is_sent_by_the_next_to_the_same_service_only(
    action: Any, service: Any, closed_port: str
) -> None:
    """The spool outlives the process; here the next run on the same machine drains it."""
    here = str(service.base_url)
    deferred = action.run("run", THING, DATA_STORAGE_URL=closed_port)
    elsewhere = action.run("run", THING, DATA_STORAGE_URL=here)
    record = f"/api/v1/action-records/{deferred.document['record']['id']}"

    assert (deferred.document["record"]["status"], elsewhere.document["record"]["status"]) == ("deferred", "stored")
    assert service.get(record).status_code == 404
    assert [event["state"] for event in action.kept()] == ["started", "applying", "succeeded"]

    spool = Spool(action.spool)
    spool.to(closed_port).folder.rename(spool.to(here).folder)  # as if the service were back at its address
    action.run("run", THING, DATA_STORAGE_URL=here)

    assert (service.get(record).json()["state"], action.kept()) == ("succeeded", [])
