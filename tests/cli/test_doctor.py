"""`kubernaut doctor` says what is there, what is missing, and what to do about it."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from click.testing import CliRunner

from kubernaut_cli.commands.doctor import doctor
from kubernaut_datastorage import embedded
from kubernaut_sdk.errors import PreconditionFailed
from kubernaut_sdk.spool import Spool

TEKTON = "/apis/tekton.dev/v1"
SYSTEM = "/apis/apps/v1/namespaces/kubernaut-system/deployments/kubernaut-controller"
WORKFLOWS = "/apis/kubernaut.io/v1alpha1/namespaces/shop/workflowexecutions"
DESTINATION = "/api/v1/namespaces/shop/configmaps/kubernaut-data-storage"
Answers = dict[str, Any]
HEALTHY: Answers = {
    "/version/": {
        "major": "1",
        "minor": "36",
        "gitVersion": "v1.36.2",
        **dict.fromkeys(["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"], ""),
    },
    f"{TEKTON}/tasks": {"items": []},
    "/api/v1/namespaces/tekton-pipelines/configmaps/pipelines-info": {"data": {"version": "v1.6.0"}},
    WORKFLOWS: {"items": []},
    SYSTEM: {
        "spec": {
            "replicas": 1,
            "selector": {},
            "template": {"spec": {"containers": [{"name": "controller", "image": "ghcr.io/k/controller@sha256:00"}]}},
        },
        "status": {"readyReplicas": 1},
    },
    f"{TEKTON}/namespaces/shop/tasks/kubernaut-action": {"metadata": {"labels": {"app.kubernetes.io/version": "0.1"}}},
    DESTINATION: {"data": {"url": "http://storage:8080", "policy": "require"}},
}


@contextmanager
def api_server(answers: Answers) -> Iterator[str]:
    """An API server that gives these documents, or where there is a number, that status; 404 to all else."""

    class CannedAnswers(BaseHTTPRequestHandler):
        known: ClassVar[Answers] = answers

        def do_GET(self) -> None:
            found = self.known.get(self.path.partition("?")[0], 404)
            body = json.dumps({"reason": "x"} if isinstance(found, int) else found).encode()
            self.send_response(found if isinstance(found, int) else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 – as the base class has it

    server = ThreadingHTTPServer(("127.0.0.1", 0), CannedAnswers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def diagnose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, tuple[str, str]]]:
    """Runs the command, and gives subject → health and message; `server` is the API server's address."""

    def run(*words: str, server: str | None = None, **env: str) -> dict[str, tuple[str, str]]:
        config = tmp_path / "config"
        if server:
            cluster = {"name": "c", "cluster": {"server": server}}
            context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
            users = [{"name": "u", "user": {"token": "t"}}]
            config.write_text(
                yaml.safe_dump({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "x"})
            )
        settings = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share"), "KUBECONFIG": str(config)}
        for name in ("DATA_STORAGE_URL", "DATA_STORAGE_TOKEN_FILE", "DATA_STORAGE_SPOOL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (settings | {"DOCKER_HOST": "tcp://127.0.0.1:1"} | env).items():
            monkeypatch.setenv(name, value)
        ended = CliRunner().invoke(doctor, ["-o", "json", *words])
        found = json.loads(ended.stdout)
        faults = [check["subject"] for check in found if check["health"] == "fault"]
        assert isinstance(ended.exception, PreconditionFailed) == bool(faults)
        return {check["subject"]: (check["health"], check["message"]) for check in found}

    return run


def test_on_a_new_machine_nothing_is_wrong_and_what_is_missing_is_said(diagnose: Any, tmp_path: Path) -> None:
    found = diagnose()

    assert {subject: health for subject, (health, _) in found.items()} == {
        "kubernaut": "ok",
        "actions": "ok",
        "records": "note",
        "spool": "ok",
        "docker": "note",
        "kubeconfig": "note",
    }
    assert found["records"][1] == f"{tmp_path}/share/kubernaut has none yet; the first `kubernaut run` makes it"
    assert found["docker"][1].endswith("only build, conform, publish and --engine docker need it")


def test_a_healthy_cluster(diagnose: Any) -> None:
    with api_server(HEALTHY) as server:
        found = diagnose(server=server)

    assert {subject: found[subject] for subject in list(found)[5:]} == {
        "kubeconfig": ("ok", "context x, namespace shop"),
        "cluster": ("ok", "Kubernetes v1.36.2"),
        "tekton": ("ok", "Pipelines v1.6.0"),
        "workflows": ("ok", "you may list WorkflowExecutions in shop"),
        "controller": ("ok", "1 of 1 replicas are ready, ghcr.io/k/controller@sha256:00"),
        "task": ("ok", "kubernaut-action 0.1 is in shop"),
        "destination": ("ok", "steps in shop send records to http://storage:8080 (require)"),
    }


@pytest.mark.parametrize(
    ("answers", "subject", "health", "sentence"),
    [
        ({f"{TEKTON}/tasks": 404}, "tekton", "fault", "install Tekton Pipelines 1.0 or newer"),
        ({WORKFLOWS: 404}, "workflows", "fault", "kubectl apply --server-side -k controller/deploy"),
        ({WORKFLOWS: 403}, "workflows", "fault", "you may not list WorkflowExecutions in shop"),
        ({SYSTEM: 404}, "controller", "fault", "nothing runs workflows, unless it is elsewhere"),
        ({SYSTEM: 403}, "controller", "note", "you may not look into kubernaut-system"),
        (
            {SYSTEM: {**HEALTHY[SYSTEM], "status": {}}},
            "controller",
            "fault",
            "0 of 1 replicas are ready (ghcr.io/k/controller@sha256:00); see `kubectl describe deployment",
        ),
        (
            {f"{TEKTON}/namespaces/shop/tasks/kubernaut-action": 404},
            "task",
            "fault",
            "`kubectl apply --namespace shop -k tekton/catalog/task/kubernaut-action/0.1`",
        ),
        (
            {DESTINATION: 404},
            "destination",
            "note",
            "`kubectl create configmap kubernaut-data-storage --namespace shop ",
        ),
        ({WORKFLOWS: 404}, "workflows", "fault", "or -f install.yaml (a release's)"),
    ],
    ids=str,
)
def test_what_is_missing_in_a_cluster_is_said(
    diagnose: Any, answers: Answers, subject: str, health: str, sentence: str
) -> None:
    with api_server(HEALTHY | answers) as server:
        found = diagnose(server=server)

    assert found[subject][0] == health
    assert sentence in found[subject][1]
    assert [name for name, (state, _) in found.items() if state == "fault"] == [subject] * (health == "fault")


def test_a_cluster_that_does_not_answer_is_asked_once(diagnose: Any, closed_port: str) -> None:
    found = diagnose(server=closed_port)

    assert list(found)[-1] == "cluster"
    assert found["cluster"][0] == "fault"
    assert found["cluster"][1].endswith("look at the kubeconfig's server")


def test_a_service_that_answers_and_one_that_does_not(diagnose: Any, tmp_path: Path, closed_port: str) -> None:
    with embedded(tmp_path / "data") as service:
        good = diagnose(DATA_STORAGE_URL=service.url)
    bad = diagnose(DATA_STORAGE_URL=closed_port)

    assert good["records"] == ("ok", f"the service at {service.url} answers, and lets you read")
    assert bad["records"][0] == "fault"
    assert bad["records"][1].startswith(f"the service at {closed_port} cannot be used: ")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"DATA_STORAGE_URL": "http://host:port"},
            "DATA_STORAGE_URL=http://host:port: that is no address; write it as http://HOST:PORT or https://HOST",
        ),
        (
            {"DATA_STORAGE_URL": "http://127.0.0.1:1", "DATA_STORAGE_TOKEN_FILE": "/none"},
            "DATA_STORAGE_TOKEN_FILE=/none: it cannot be read: No such file or directory",
        ),
    ],
)
def test_an_address_or_a_token_that_is_none_is_a_fault(diagnose: Any, variables: dict[str, str], sentence: str) -> None:
    assert diagnose(**variables)["records"] == ("fault", sentence)


def test_records_of_this_machine_and_events_that_wait(diagnose: Any, tmp_path: Path, event: Any) -> None:
    with embedded(tmp_path / "data"):
        pass
    Spool(tmp_path / "waiting").put(event(attempt=0))
    found = diagnose(f"--data={tmp_path / 'data'}", DATA_STORAGE_SPOOL=str(tmp_path / "waiting"))

    assert found["records"][1].startswith(f"on this machine, {tmp_path}/data/records.db (")
    assert found["spool"] == (
        "note",
        f"events wait: 1 in {tmp_path}/waiting; `kubernaut records status` says why, `… flush` sends them",
    )


def test_as_a_program_it_ends_with_a_sentence_and_the_code_of_what_is_missing(tmp_path: Path, closed_port: str) -> None:
    env = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "DATA_STORAGE_URL": closed_port,
        "KUBECONFIG": str(tmp_path),
    }
    argv = [sys.executable, "-m", "kubernaut_cli", "doctor", "--no-headers"]
    ended = subprocess.run(argv, env=env, capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (3, "kubernaut: doctor: something is wrong with records.\n")
    assert ended.stdout.startswith("kubernaut ")
