"""While the API server is away the log says so once a minute; a controller that never gets ready is not healthy."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml
from loopback import free_port

from kubernaut_controller.operator import server
from kubernaut_controller.operator.api import ApiError
from kubernaut_controller.operator.logfilter import RepeatFilter


def record(message: str, error: Exception | None = None, level: int = logging.ERROR) -> logging.LogRecord:
    raised = (type(error), error, None) if error else None
    return logging.LogRecord("kopf.x", level, "f", 1, message, (), raised)


def test_an_api_server_that_is_away_is_a_sentence_and_no_traceback() -> None:
    told = record("Watcher has failed: ...", ApiError(0, "NoAnswer", "GET api: refused"))

    assert RepeatFilter().filter(told)
    assert told.getMessage() == "the API server does not answer: 0 NoAnswer: GET api: refused; it is asked again"
    assert told.exc_info is None


def test_the_same_is_said_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("kubernaut_controller.operator.logfilter.time.monotonic", lambda: now)
    filtered = RepeatFilter()
    attempts = [
        f"Request attempt #{number}/9 failed; will retry: GET /apis?watch=true&v={number}" for number in range(3)
    ]

    assert [filtered.filter(record(text)) for text in attempts] == [True, False, False]
    assert filtered.filter(record("another"))
    now += 61
    assert filtered.filter(record(attempts[0]))


def test_faults_of_the_code_keep_their_traceback() -> None:
    told = record("it failed", KeyError("x"))
    filtered = RepeatFilter()

    assert filtered.filter(told)
    assert filtered.filter(told)
    assert told.exc_info is not None


@pytest.mark.parametrize(("ready", "seconds", "status"), [(True, 0.0, 200), (False, 300.0, 200), (False, -1.0, 503)])
def test_who_never_gets_ready_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, ready: bool, seconds: float, status: int
) -> None:
    monkeypatch.setattr(server, "STARTING", seconds)
    port = free_port()

    async def ask() -> int:
        async with (
            server.serving("127.0.0.1", port, lambda: ready),
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/healthz") as answer,
        ):
            return answer.status

    assert asyncio.run(ask()) == status


def test_without_an_api_server_the_process_says_so_once(tmp_path: Path, closed_port: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": closed_port}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    env = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    argv = [sys.executable, "-m", "kubernaut_controller.operator", "--port=0"]
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(json.loads(line))
            if "cannot be listed yet" in line:
                break
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(5)  # two tries more
        process.terminate()
        lines += [json.loads(line) for line in process.stderr]
    away = [line["message"] for line in lines if line["level"] in {"warning", "error"}]

    assert len([message for message in away if "cannot be listed yet" in message]) == 1, away
    assert not any("exception" in line for line in lines)
    assert len(away) <= 3, away
