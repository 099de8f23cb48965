"""All commands that list, found in click's tree: the same formats, the same rows in each of them."""

import csv
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from kubernaut_cli.conformance_table import RESULTS
from kubernaut_cli.listing import FORMATS
from kubernaut_cli.program import program
from kubernaut_conformance import CheckResult
from kubernaut_conformance.checks import IMAGE_CHECKS
from kubernaut_datastorage import embedded
from kubernaut_sdk.ids import mint
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.times import rfc3339, utcnow

Run = Callable[..., Any]

LISTINGS = {
    "actions list": (),
    "conform": ("--list",),
    "doctor": (),
    "effectiveness": (),
    "history list": (),
    "patterns": (),
    "records status": (),
    "status": (),
    "target": (),
}
"""Command → the words with which it lists."""
ONE_THING = {"actions show", "build", "history show", "render", "run", "submit", "undo"}
"""The commands that print one document or one report."""
WORKFLOW = {
    "apiVersion": "kubernaut.io/v1alpha1",
    "kind": "WorkflowExecution",
    "metadata": {"name": "fix", "namespace": "shop", "creationTimestamp": "2026-01-31T09:05:07Z"},
    "spec": {"requester": "alice"},
    "status": {"phase": "Running", "progress": "1/2"},
}


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group, with its name."""
    for part in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), part)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *names, part)
        else:
            yield " ".join([*names, part]), command


EVERY = dict(commands(program))


class _Cluster(BaseHTTPRequestHandler):
    """An API server that knows one WorkflowExecution, and nothing else."""

    def do_GET(self) -> None:
        found = self.path.split("?")[0].endswith("/namespaces/shop/workflowexecutions")
        body = json.dumps({"items": [WORKFLOW]} if found else {"kind": "Status", "code": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None: ...


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "current-context": "x",
    }
    file.write_text(json.dumps(config))
    yield file
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kubeconfig: Path) -> Iterator[dict[str, str]]:
    """The environment of commands of which each finds something to list."""
    folder = tmp_path_factory.mktemp("world")
    target = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
    with embedded(folder / "served") as service:
        client = StorageClient(service.url)
        client.post([event(number, target) for number in range(3)], within=10)
        client.close()
        recorder = Recorder(StorageClient("http://127.0.0.1:9"), Spool(folder / "spool"), log_line=lambda _line: None)
        recorder.confirm(event(9, target))
        recorder.close()
        yield {
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "KUBECONFIG": str(kubeconfig),
            "DATA_STORAGE_URL": service.url,
            "DATA_STORAGE_SPOOL": str(folder / "spool"),
            "DOCKER_HOST": "tcp://127.0.0.1:9",
        }


def event(number: int, target: dict[str, str]) -> dict[str, Any]:
    change = {"before": {"replicas": number}, "after": {"replicas": number + 1}}
    known = {"action_type": "kubernetes/scale_deployment", "target": target, "change": change, "changed": True}
    return {"id": str(mint()), "attempt": 0, "state": "succeeded", "at": rfc3339(utcnow()), **known}


def test_every_command_with_formats_lists_or_shows_one_thing() -> None:
    with_formats = {
        name for name, command in EVERY.items() if any(option.name == "output" for option in command.params)
    }

    assert with_formats == set(LISTINGS) | ONE_THING
    for name in with_formats:
        [formats] = [option for option in EVERY[name].params if option.name == "output"]
        assert formats.opts == ["-o", "--output"], name


@pytest.mark.parametrize("name", LISTINGS)
def test_every_listing_takes_the_same_options(name: str) -> None:
    [formats] = [option for option in EVERY[name].params if option.name == "output"]

    assert isinstance(formats.type, click.Choice)
    assert tuple(formats.type.choices)[: len(FORMATS)] == FORMATS
    assert set(formats.type.choices) - set(FORMATS) <= {"junit"}
    assert formats.default == "table"
    assert ["--no-headers"] in [option.opts for option in EVERY[name].params]


@pytest.mark.parametrize("name", LISTINGS)
def test_every_format_of_a_listing_has_the_same_rows(name: str, called: Run, world: dict[str, str]) -> None:
    def printed(*words: str) -> str:
        done = called(*name.split(), *LISTINGS[name], *words, env=world)
        assert done.code in {0, 3 if name == "doctor" else 0}, done.stderr
        return str(done.stdout)

    rows = json.loads(printed("-o", "json"))
    assert isinstance(rows, list)
    assert rows
    table = list(csv.reader(io.StringIO(printed("-o", "csv"))))
    assert len(yaml.safe_load(printed("-o", "yaml"))) == len(rows)
    assert len(printed("-o", "name").splitlines()) == len(rows)
    assert len(table) == len(rows) + 1
    assert [
        heading for heading in table[0] if heading.replace("(UTC)", "") != heading.lower().replace("(utc)", "")
    ] == []
    assert list(csv.reader(io.StringIO(printed("-o", "csv", "--no-headers")))) == table[1:]
    for output in ("table", "wide"):
        headed, bare = (
            [line.split() for line in printed("-o", output, *words).splitlines()] for words in ((), ("--no-headers",))
        )
        assert bare == headed[1:]
        assert len(bare) >= len(rows)


@pytest.mark.parametrize("output", FORMATS)
def test_the_results_of_an_examination_are_a_listing(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    passed, failed = IMAGE_CHECKS[:2]
    results = [CheckResult(passed, "image", "passed"), CheckResult(failed, "image", "failed", "it has no spec")]
    RESULTS.print(results, output, headers=False)
    shown = capsys.readouterr().out

    assert [name for name in (passed.name, failed.name) if name not in shown] == []
    assert ("it has no spec" in shown) is (output != "name")


def test_conform_refuses_the_format_of_results_for_the_checks(called: Run) -> None:
    refused = called("conform", "--list", "-o", "junit")

    assert refused.code == 2
    assert "-o junit is for results" in refused.stderr


def test_one_target_is_shown_in_full_and_several_are_listed(called: Run, world: dict[str, str]) -> None:
    one = called("target", "checkout", env=world).stdout
    several = called("target", env=world).stdout
    unknown = called("target", "elsewhere", "--since=12h", env=world)

    assert one.splitlines()[0] == "shop/Deployment/checkout"
    assert "is it still so? kubernetes/scale_deployment of " in one
    assert several.split()[:2] == ["target", "incidents"]
    assert unknown.code == 3
    assert unknown.stderr.endswith("(UTC) names a target elsewhere; without a name, all targets are listed.\n")
    assert called("target", "elsewhere", "-o", "name", env=world).code == 3


def test_the_deletion_of_a_target_is_told_and_shown(called: Run, tmp_path: Path) -> None:
    with embedded(tmp_path / "served") as service:
        client = StorageClient(service.url)
        targets = [{"kind": "Deployment", "namespace": "shop", "name": name} for name in ("api", "web-api", "web")]
        client.post([event(number, target) for number, target in enumerate(targets)], within=10)
        client.close()
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DATA_STORAGE_URL": service.url}
        told = called("target", "web", "--deleted", "5m", env=env)
        shown = called("target", "web", env=env).stdout
        document = json.loads(called("target", "web", "-o", "json", env=env).stdout)
        faults = {
            words: called("target", *words, env=env)
            for words in [("", "--deleted=1s"), ("eb", "--deleted=1s"), ("no", "--deleted=1s"), ("api", "--deleted=2d")]
        }

    assert told.code == 0
    [minute] = re.findall(
        r"^shop/Deployment/web: deleted (.{16}) \(UTC\); silence after that does not count$", told.stdout, re.MULTILINE
    )
    assert f"deleted {minute}: silence after that does not count\n" in shown
    assert [one["deleted"][0][:16].replace("T", " ") for one in document] == [minute]
    unnamed, several = faults["", "--deleted=1s"], faults["eb", "--deleted=1s"]
    assert (unnamed.code, several.code) == (2, 2)
    assert unnamed.stderr.endswith("Error: --deleted: name the target that was deleted.\n")
    known = "shop/Deployment/web, shop/Deployment/web-api"
    assert several.stderr.endswith(f"Error: --deleted: eb names 2 targets ({known}); name one of them whole.\n")
    assert faults["no", "--deleted=1s"].code == 3
    assert faults["api", "--deleted=2d"].code == 2
    assert "the deletion was not stored: " in faults["api", "--deleted=2d"].stderr
    assert " is not of the last 24 hours; " in faults["api", "--deleted=2d"].stderr


def test_patterns_say_what_each_means(called: Run, world: dict[str, str]) -> None:
    [crowd] = [
        one for one in json.loads(called("patterns", "-o", "json", env=world).stdout) if one["pattern"] == "crowd"
    ]
    wide = called("patterns", "-o", "wide", env=world).stdout

    assert (crowd["of"], crowd["acts"]) == ("shop/Deployment/checkout", 3)
    assert "a count, not a finding" in wide


@pytest.mark.parametrize("command", ["effectiveness", "patterns", "target"])
def test_where_nothing_is_known_it_is_said_where_was_looked(called: Run, tmp_path: Path, command: str) -> None:
    with embedded(tmp_path):
        pass
    shown = called(command, f"--data={tmp_path}", "-o", "json", env={"HOME": str(tmp_path)})

    assert (shown.code, shown.stdout) == (0, "[]\n")
    assert shown.stderr.startswith("no record since ")
    assert shown.stderr.endswith(f" (UTC) in the embedded store in {tmp_path}, which holds 0 records\n")
