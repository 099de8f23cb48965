"""Asking Prometheus and silencing alerts: of servers that answer as theirs do, and of the real ones if installed."""

import json
import math
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback import free_port

from kubernaut_kubectl.monitoring.alertmanager import silence_alert
from kubernaut_kubectl.monitoring.prometheus import assert_query, query_shortfall
from kubernaut_sdk import Action
from kubernaut_sdk.testing import ActionRunner, Ran
from kubernaut_sdk.times import rfc3339, utcnow

Json = dict[str, Any]
Answer = Callable[[str, str, dict[str, list[str]], Any], tuple[int, Any]]
ALERT = [{"name": "alertname", "value": "Latency"}]


class MonitoringServer(ThreadingHTTPServer):
    """A server that answers as `answer` says, and keeps the headers of the last request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.headers: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), PlayedMonitoringHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class PlayedMonitoringHandler(BaseHTTPRequestHandler):
    server: MonitoringServer

    def respond(self) -> None:
        url, size = urlsplit(self.path), int(self.headers.get("content-length") or 0)
        content = self.rfile.read(size).decode()
        form = "form" in self.headers.get("content-type", "")
        query = parse_qs(content if form else url.query)
        self.server.headers = dict(self.headers.items())
        body = json.loads(content) if content and not form else None
        status, document = self.server.answer(self.command, url.path, query, body)
        text = (document if isinstance(document, str) else json.dumps(document)).encode()
        self.send_response(status)
        if status in {301, 302, 307}:
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = respond  # noqa: N815 – the names that http.server calls

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], MonitoringServer]]:
    servers = []

    def start(answer: Answer) -> MonitoringServer:
        servers.append(MonitoringServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def run(action: Action, inputs: Json, *, secrets: dict[str, str] | None = None, minutes: int = 5) -> Ran:
    runner = ActionRunner(action, timeout=timedelta(minutes=minutes), secrets=secrets or {}, storage="none")
    return runner.run(inputs)


def message_of(ran: Ran) -> str:
    assert ran.error is not None, ran
    return ran.error.message


def vector(*samples: tuple[str, str]) -> Json:
    result = [{"metric": {"__name__": "up", "job": job}, "value": [0, value]} for job, value in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def asked(url: str, **more: Any) -> Json:
    return {"url": url, "query": "up", "op": ">=", "threshold": 1, **more}


@pytest.mark.parametrize(
    ("samples", "series", "shortfall"),
    [
        ([1.0], "one", None),
        ([], "one", "the query has no data, which is not 0."),
        ([0.0], "one", '{job="0"} is 0, not >= 1.'),
        ([math.nan], "one", '{job="0"} is NaN, not >= 1.'),
        ([1.0, 1.0], "one", "the query has 2 series, such as"),
        ([1.0, 2.0], "all", None),
        ([1.0, 0.0], "all", '{job="1"} is 0, not >= 1 (1 of 2 series).'),
        ([1.0, 0.0], "any", None),
        ([0.0, math.nan], "any", '{job="0"} is 0, not >= 1 (2 of 2 series).'),
        ([math.inf], "one", None),
    ],
)
def test_no_data_is_not_zero_and_nan_compares_with_nothing(samples: list[float], series: str, shortfall: Any) -> None:
    found = query_shortfall([({"job": str(n)}, value) for n, value in enumerate(samples)], ">=", 1, series)
    assert found is None if shortfall is None else (found or "").startswith(shortfall)


def test_a_query_is_waited_for_until_it_has_held(serve: Callable[[Answer], MonitoringServer]) -> None:
    values = iter(["0", "0", "1", "0"])  # it holds once in between, and only then for long

    def answer(method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        assert (method, path, query) == ("POST", "/prefix/api/v1/query", {"query": ["up"]})
        return 200, vector(("a", next(values, "1")))

    server = serve(answer)
    ran = run(assert_query, asked(f"{server.url}/prefix/", hold="1m"), secrets={"token": "s3cret-token"})

    assert (ran.exit_code, ran.status, ran.changed) == (0, "unchanged", False), ran
    assert next(values, None) is None
    assert server.headers["authorization"] == "Bearer s3cret-token"
    assert "s3cret-token" not in ran.log


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        ((200, vector(("a", "0"))), 4, 'up{job="a"} is 0, not >= 1.'),
        ((200, vector()), 4, "the query has no data, which is not 0."),
        ((400, {"status": "error", "errorType": "bad_data", "error": "parse error"}), 2, "does not understand it"),
        ((422, {"status": "error", "errorType": "execution", "error": "too many samples"}), 1, "too many samples"),
        ((503, "busy"), 75, "answers 503: busy"),
        ((302, ""), 3, "answers 302, a redirect, which is not followed"),
        ((401, ""), 3, "answers 401; check the step's Secret"),
        ((200, "<html>"), 1, "did not answer with JSON but with '<html>'"),
        ((404, "not here"), 3, "has nothing at"),
        ((200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), 2, "it gives a matrix"),
    ],
)
def test_the_ends_of_a_query(
    serve: Callable[[Answer], MonitoringServer], answer: tuple[int, Any], code: int, expected: str
) -> None:
    ran = run(assert_query, asked(serve(lambda *_: answer).url), minutes=1)

    assert ran.exit_code == code
    assert expected in message_of(ran)


@pytest.mark.parametrize("url", ["ftp://a", "a", "https://user:hush@a", "https://a?x=1", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    ran = run(assert_query, asked(url))
    assert ran.exit_code == 2
    assert "hush" not in message_of(ran)


class Alertmanager:
    """The part of Alertmanager's API v2 that silences use."""

    def __init__(self, alerts: int) -> None:
        self.alerts, self.silences = alerts, list[Json]()

    def __call__(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/api/v2/alerts":
            assert query["filter"] == ['alertname="Latency"']
            return 200, [{"labels": {"alertname": "Latency"}}] * self.alerts
        if path == "/api/v2/silences" and method == "POST":
            self.silences.append({**body, "id": f"s{len(self.silences)}", "status": {"state": "active"}})
            return 200, {"silenceID": self.silences[-1]["id"]}
        if path == "/api/v2/silences":
            return 200, self.silences
        assert method == "DELETE"
        next(item for item in self.silences if path.endswith(item["id"]))["status"]["state"] = "expired"
        return 200, ""


def test_an_alert_is_silenced_once_and_the_silence_is_expired_by_undo(
    serve: Callable[[Answer], MonitoringServer],
) -> None:
    manager = Alertmanager(2)
    inputs = {"url": serve(manager).url, "matchers": ALERT, "ttl": "30m", "comment": "being repaired"}
    first, again = (run(silence_alert, inputs) for _ in range(2))

    assert (first.exit_code, first.output, again.status) == (0, {"silence": "s0", "alerts": 2}, "unchanged"), first
    [silence] = manager.silences
    assert silence["comment"] == f"being repaired (record {first.record_id})"
    assert silence["matchers"] == [{"name": "alertname", "value": "Latency", "isRegex": False, "isEqual": True}]
    assert first.change is not None
    undone = ActionRunner(silence_alert, storage="none").undo(inputs, first.change)
    assert undone.exit_code == 0, undone
    assert silence["status"]["state"] == "expired"


@pytest.mark.parametrize(("minutes", "status"), [(16, "unchanged"), (2, "succeeded")])
def test_a_silence_that_ends_long_before_the_wanted_time_is_not_enough(
    serve: Callable[[Answer], MonitoringServer], minutes: int, status: str
) -> None:
    manager = Alertmanager(1)
    inputs = {"url": serve(manager).url, "matchers": ALERT, "ttl": "30m"}
    first = run(silence_alert, inputs)
    manager.silences[0]["endsAt"] = rfc3339(utcnow() + timedelta(minutes=minutes))
    second = run(silence_alert, inputs)

    assert (first.status, second.status) == ("succeeded", status), second
    if status == "succeeded":  # each undo expires its own, however often
        assert second.change is not None
        undone = [ActionRunner(silence_alert, storage="none").undo(inputs, second.change).status for _ in range(2)]
        assert undone == ["succeeded", "unchanged"]
        assert [silence["status"]["state"] for silence in manager.silences] == ["active", "expired"]


@pytest.mark.parametrize(
    ("alerts", "inputs", "code", "expected"),
    [
        (0, {}, 3, 'there are no alerts with alertname="Latency" that fire now; nothing is done.'),
        (11, {}, 3, "are more than max_alerts 10; narrow the selection"),
        (1, {"ttl": "5h"}, 2, "a silence lasts between 1m and 4h"),
        (1, {"matchers": []}, 2, "inputs.matchers"),
        (1, {"matchers": [{"name": "alertname", "value": ""}]}, 2, "inputs.matchers"),
    ],
)
def test_a_silence_that_is_refused(
    serve: Callable[[Answer], MonitoringServer], alerts: int, inputs: Json, code: int, expected: str
) -> None:
    manager = Alertmanager(alerts)
    ran = run(silence_alert, {"url": serve(manager).url, "matchers": ALERT, **inputs})

    assert (ran.exit_code, manager.silences) == (code, [])
    assert expected in message_of(ran)


def test_a_silence_that_somebody_expires_is_told(serve: Callable[[Answer], MonitoringServer]) -> None:
    manager = Alertmanager(1)

    def expiring(method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        answer = manager(method, path, query, body)
        if method == "POST":
            manager.silences[-1]["status"]["state"] = "expired"
        return answer

    ran = run(silence_alert, {"url": serve(expiring).url, "matchers": ALERT})
    assert ran.exit_code == 4
    assert message_of(ran) == "the silence s0 was expired by somebody."


@pytest.fixture
def monitored(tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
    """Starts a real server, and returns its address; skips where it is not installed."""
    running = []

    def start(program: str, config: str) -> str:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")
        (tmp_path / "config.yml").write_text(config)
        port = free_port()
        cluster = ["--cluster.listen-address="] if program.endswith("alertmanager") else []
        options = [f"--config.file={tmp_path / 'config.yml'}", f"--web.listen-address=127.0.0.1:{port}", *cluster]
        options.append(f"--storage.{'tsdb.' if not cluster else ''}path={tmp_path / 'data'}")
        running.append(subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/-/ready").close()
            except OSError:
                time.sleep(0.1)
            else:
                break
        return url

    yield start
    for process in running:
        process.terminate()
        process.wait()


def test_a_real_prometheus_is_asked(monitored: Callable[[str, str], str]) -> None:
    url = monitored("prometheus", "global: {scrape_interval: 1s}\n")
    good = run(assert_query, {**asked(url), "query": "vector(1)"})
    scalar = run(assert_query, {**asked(url), "query": "scalar(vector(2))"})
    nothing = run(assert_query, asked(url), minutes=1)
    nan = run(assert_query, {**asked(url), "query": "vector(0) / 0"}, minutes=1)
    wrong = run(assert_query, {**asked(url), "query": "up{"})

    assert [ran.exit_code for ran in (good, scalar, nothing, nan, wrong)] == [0, 0, 4, 4, 2]
    assert "no data" in message_of(nothing)
    assert "NaN" in message_of(nan)


def test_a_real_alertmanager_is_silenced(monitored: Callable[[str, str], str]) -> None:
    url = monitored("prometheus-alertmanager", "route: {receiver: none}\nreceivers: [{name: none}]\n")
    alert = json.dumps([{"labels": {"alertname": "Latency", "pod": 'a"b'}}]).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/api/v2/alerts", alert, headers)).close()
    matchers = [
        *ALERT,
        {"name": "pod", "value": 'a"b'},
        {"name": "zone", "value": "x.*", "is_regex": True, "is_equal": False},
    ]
    inputs = {"url": url, "matchers": matchers}
    first, again = (run(silence_alert, inputs) for _ in range(2))
    assert (first.exit_code, again.status) == (0, "unchanged"), first
    assert first.change is not None
    assert ActionRunner(silence_alert, storage="none").undo(inputs, first.change).exit_code == 0
    assert run(silence_alert, {**inputs, "matchers": [{"name": "alertname", "value": "Other"}]}).exit_code == 3
