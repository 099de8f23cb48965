"""The client and the recorder with a Data Storage that misbehaves: a real server with scripted answers."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk.ids import mint
from kubernaut_sdk.recorder import Recorder, drain
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable
from kubernaut_sdk.times import rfc3339, utcnow


class ScriptedServer(ThreadingHTTPServer):
    """A server with scripted answers that keeps what it received."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.answers: list[Any] = []
        self.tokens: list[str | None] = []
        self.events: list[dict[str, Any]] = []
        self.judge: Callable[[list[Any]], dict[str, Any] | None] = lambda _events: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.tokens.append(self.headers.get("authorization"))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if problem := self.server.judge(events):
            text = json.dumps(problem).encode()
            self.send_response(problem["status"])
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        if answer == "hang":
            time.sleep(20)
        elif answer == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif answer == "trickle":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            for _ in range(50):
                time.sleep(0.2)
                self.wfile.write(b" ")
        else:
            outcome = "refused" if answer == "refuse" else "stored"
            self.server.events += events if answer == 200 else []
            outcomes = [{"index": 0, "id": event["id"], "outcome": outcome, "reason": "told to"} for event in events]
            body = json.dumps(outcomes if answer in {200, "refuse"} else {"detail": "no"}).encode()
            self.send_response(200 if answer == "refuse" else answer)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[StorageClient]:
    new_client = StorageClient(server.url)
    yield new_client
    new_client.close()


def event(state: str = "started") -> dict[str, Any]:
    return {"id": str(mint()), "attempt": 0, "state": state, "at": rfc3339(utcnow())}


@pytest.mark.parametrize("answer", [500, 503, 429, "cut"])
def test_what_may_pass_is_tried_again(server: ScriptedServer, client: StorageClient, answer: Any) -> None:
    server.answers = [answer]

    assert client.post([event()], within=5)[0]["outcome"] == "stored"
    assert len(server.events) == 1


@pytest.mark.parametrize("answer", [400, 403, 413])
def test_what_will_not_pass_is_told_at_once(server: ScriptedServer, client: StorageClient, answer: int) -> None:
    server.answers = [answer]
    with pytest.raises(StorageUnavailable, match=f"answered {answer}"):
        client.post([event()], within=30)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_event_that_the_store_blames_is_refused_alone(
    server: ScriptedServer, client: StorageClient, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    odd = event("failed")
    problem = {"type": "about:blank", "title": "Odd", "status": status, "detail": "an odd event."}
    monkeypatch.setattr(server, "judge", lambda events: problem if odd in events else None)
    outcomes = client.post([event(), event(), odd, event()], within=30)

    assert [one["outcome"] for one in outcomes] == ["stored", "stored", "refused", "stored"]
    assert [one["index"] for one in outcomes] == [0, 1, 2, 3]
    assert "an odd event." in outcomes[2]["reason"]
    assert len(server.events) == 3


def test_what_is_no_json_is_refused_alone(client: StorageClient) -> None:
    outcomes = client.post([event(), {**event(), "at": object()}, event()], within=30)

    assert [one["outcome"] for one in outcomes] == ["stored", "refused", "stored"]
    assert outcomes[1]["reason"] == "the event is not JSON: Object of type object is not JSON serializable."


def test_an_event_larger_than_a_request_does_not_keep_others_from_being_sent(client: StorageClient) -> None:
    outcomes = client.post([event(), {**event(), "output": {"x": "y" * (4 << 20)}}, event()], within=30)

    assert len(outcomes) == 3


def test_a_file_of_the_spool_that_holds_no_event_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = event()
    spool.put(kept)
    for name, content in (("a.json", b"{"), ("b.json", b"[1]"), ("c.json", b"\xff"), ("d.json", b"[" * 100_000)):
        (tmp_path / name).write_bytes(content)

    assert [waiting for _, waiting in spool.waiting()] == [kept]
    assert len(spool.paths()) == 1
    assert len(list(tmp_path.glob("*.json.unreadable"))) == 4


def test_half_a_character_is_kept_in_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = {**event(), "error": {"code": 1, "reason": "R", "message": "\ud800"}}
    spool.put(kept)

    assert [waiting for _, waiting in spool.waiting()] == [kept]


def test_after_a_401_the_token_file_is_read_again(server: ScriptedServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    client = StorageClient(server.url, token)
    client.post([event()], within=5)
    server.answers = [401]
    token.write_text("new\n")

    assert client.post([event()], within=5)[0]["outcome"] == "stored"
    client.close()
    assert server.tokens == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_second_401_is_told(server: ScriptedServer, client: StorageClient) -> None:
    server.answers = [401, 401]
    with pytest.raises(StorageUnavailable, match="answered 401"):
        client.post([event()], within=5)


@pytest.mark.parametrize("answer", ["hang", "trickle"])
def test_a_server_that_does_not_come_to_an_end_is_left_in_time(
    server: ScriptedServer, client: StorageClient, answer: str
) -> None:
    server.answers = [answer] * 20
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        client.post([event()], within=1)

    assert time.monotonic() - started < 5


def test_what_is_not_stored_is_spooled_and_marked_and_drained_by_the_next(
    server: ScriptedServer, tmp_path: Path
) -> None:
    spool, lines = Spool(tmp_path / "spool"), list[str]()
    own = spool.to(server.url)
    server.answers = [500] * 20
    recorder = Recorder(StorageClient(server.url), spool, log_line=lines.append)
    lost = event()
    assert recorder.confirm(lost) == "deferred"
    recorder.close()
    assert [waiting for _, waiting in own.waiting()] == [lost]
    assert json.loads(lines[0])["kubernaut_record"] == lost

    server.answers = []
    following = Recorder(StorageClient(server.url), spool, log_line=lines.append)
    assert following.confirm(event()) == "stored"
    following.close()
    assert list(own.waiting()) == []
    assert lost in server.events


def test_a_refused_event_is_not_lost_in_silence(server: ScriptedServer, tmp_path: Path) -> None:
    lines = list[str]()
    server.answers = ["refuse"]
    recorder = Recorder(StorageClient(server.url), Spool(tmp_path), log_line=lines.append)

    assert recorder.confirm(event()) == "deferred"
    recorder.close()
    assert json.loads(lines[0])["not_stored"] == "told to"


def test_events_keep_their_order(server: ScriptedServer, tmp_path: Path) -> None:
    recorder = Recorder(StorageClient(server.url), Spool(tmp_path))
    told = [event() for _ in range(50)]
    for item in told[:-1]:
        recorder.send(item)
    recorder.confirm(told[-1])
    recorder.close()

    assert server.events == told


def test_draining_stops_where_the_store_is_away(closed_port: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("kubernaut_sdk.recorder._PATIENCE", 0.2)
    spool = Spool(tmp_path)
    spool.put(event())

    assert drain(StorageClient(closed_port), spool) == (0, 0)
    assert len(list(spool.waiting())) == 1
