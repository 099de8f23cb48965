"""`kubernaut run` from a workflow file to records, with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from kubernaut_cli.workflowfile import without_cluster_fields
from kubernaut_controller import parse_workflow, render
from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage
from kubernaut_sdk.records import Record
from kubernaut_sdk.spool import Spool

Make = Callable[..., Any]
PROBES = str(Path(__file__).parents[1] / "probe_actions.py")


class Command:
    """The command, with a data folder for this test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"

    def start(self, *args: str, **env: str) -> "subprocess.Popen[str]":
        base = {name: value for name, value in os.environ.items() if not name.startswith(("ACTION_", "DATA_STORAGE_"))}
        # under nohup a process ignores SIGHUP from its start, and so would the command
        hears_hangups = ["env", "--default-signal=HUP"]
        return subprocess.Popen(
            [*hears_hangups, sys.executable, "-m", "kubernaut_cli", *args, f"--data={self.data}"],
            env={**base, "ACTION_MODULES": PROBES, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, text: str, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
        process = self.start("run", self.file(text), *args, **env)
        stdout, stderr = process.communicate(timeout=90)
        assert "Traceback" not in stderr, stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def file(self, text: str) -> str:
        (self.folder / "wf.yaml").write_text(text)
        return str(self.folder / "wf.yaml")

    def records(self) -> dict[str, Record]:
        """Return the record of each step."""
        with embedded(self.data) as service:
            storage = DataStorage(service.url)
            found = {record.step or "?": record for record in storage.get_action_history()}
            storage.close()
        return found


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def behave(step: Make, name: str, how: str = "well", *, inputs: Any = None, **fields: Any) -> Any:
    return step(name, actionType="probe/do_thing", inputs={"how": how, **(inputs or {})}, **fields)


def states(report: Any) -> dict[str, str]:
    return {row["name"]: row["state"] for row in report["steps"]}


def test_the_whole_path(command: Command, workflow: Make, step: Make, tmp_path: Path) -> None:
    text = "$(params.x) $$ 'q' \"d\"\n é 🚀"
    source = {"input": "text", "step": "a", "pointer": "/whole"}
    ended = command.run(
        workflow(
            step("a", inputs={"path": str(tmp_path / "a"), "text": text}),
            step("b", inputs={"path": str(tmp_path / "b")}, inputsFrom=[source]),
            signal={"fingerprint": "f1", "name": "Slow"},
            **{"finally": [step("z", inputs={"path": str(tmp_path / "z"), "text": "z"})]},
        ),
        "-o",
        "json",
    )
    report = json.loads(ended.stdout)

    assert (ended.returncode, report["phase"]) == (0, "Succeeded")
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == text
    records = command.records()
    assert {name: record.state for name, record in records.items()} == dict.fromkeys("abz", "succeeded")
    record = records["b"]
    assert str(record.id) == report["steps"][1]["recordId"]
    assert record.image is None
    assert record.signal is not None
    assert record.signal.fingerprint == "f1"
    assert record.workflow is not None
    assert (record.workflow.namespace, record.workflow.name) == ("shop", "probe")
    assert record.intended_at
    assert record.started_at
    assert record.finished_at
    assert record.intended_at <= record.started_at <= record.finished_at
    assert record.change is not None
    assert record.change.after == {"text": text}


def test_a_dry_run_changes_nothing_and_hands_on_what_is_implied(
    command: Command, workflow: Make, step: Make, tmp_path: Path
) -> None:
    source = {"input": "text", "step": "a", "pointer": "/text"}
    ended = command.run(
        workflow(
            step("a", inputs={"path": str(tmp_path / "a"), "text": "hello"}),
            step("b", inputs={"path": str(tmp_path / "b")}, inputsFrom=[source]),
        ),
        "--dry-run",
    )

    assert ended.returncode == 0
    assert '+ text: "hello"' in ended.stdout
    assert not (tmp_path / "a").exists()
    assert {record.state for record in command.records().values()} == {"planned"}


def test_independent_steps_run_side_by_side(command: Command, workflow: Make, step: Make) -> None:
    nap = {"where": "verify", "how": "never-there"}
    ended = command.run(
        workflow(*(behave(step, name, "never-there", inputs=nap, onFailure="continue") for name in "abc")), "-o", "json"
    )
    rows = json.loads(ended.stdout)["steps"]

    assert ended.returncode == 0
    assert max(row["startedAt"] for row in rows) < min(row["finishedAt"] for row in rows)


def test_a_failure_stops_what_follows_and_finally_still_runs(
    command: Command, workflow: Make, step: Make, tmp_path: Path
) -> None:
    ended = command.run(
        workflow(
            behave(step, "a", "Failed"),
            behave(step, "b", runAfter=["a"]),
            **{"finally": [step("z", inputs={"path": str(tmp_path / "z"), "text": "z"})]},
        ),
        "-o",
        "json",
    )
    report = json.loads(ended.stdout)

    assert (ended.returncode, report["phase"]) == (1, "Failed")
    assert states(report) == {"a": "failed", "b": "skipped", "z": "succeeded"}
    assert report["steps"][1]["message"] == "step a failed"
    assert {name: record.state for name, record in command.records().items()} == states(report)


def test_retries_are_attempts_of_one_record(command: Command, workflow: Make, step: Make) -> None:
    ended = command.run(workflow(behave(step, "a", "Transient", inputs={"times": 1}, retries=2)))
    record = command.records()["a"]

    assert ended.returncode == 0
    assert "✓ a: succeeded at attempt 2" in ended.stdout
    assert record.attempts is not None
    assert [attempt.error.reason if attempt.error else None for attempt in record.attempts] == ["Transient", None]


# a shell and a terminal that goes away both say so, and the second is not a person who cannot wait
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP, signal.SIGHUP]])
def test_ctrl_c_cancels_what_runs_and_finally_still_runs(
    command: Command, workflow: Make, step: Make, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    marks = tmp_path / "marks"
    file = command.file(
        workflow(
            behave(step, "a", "sleep", inputs={"where": "plan", "marks": str(marks)}),
            behave(step, "b", runAfter=["a"]),
            **{"finally": [step("z", inputs={"path": str(tmp_path / "z"), "text": "z"})]},
        )
    )
    process = command.start("run", file, "-o", "json")
    while not marks.exists():
        time.sleep(0.02)
    for number in signals:
        process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    report = json.loads(stdout)

    assert (process.returncode, report["phase"], stderr) == (130, "Cancelled", "")
    assert states(report) == {"a": "cancelled", "b": "skipped", "z": "succeeded"}
    assert {name: record.state for name, record in command.records().items()} == states(report)


def test_a_pipe_that_nobody_reads_any_more_cancels_and_finally_still_runs(
    command: Command, workflow: Make, step: Make, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    file = command.file(
        workflow(
            step("a", inputs={"path": str(marks), "text": "a"}),
            step("b", runAfter=["a"]),
            **{"finally": [step("z", inputs={"path": str(tmp_path / "z"), "text": "z"})]},
        )
    )
    process = command.start("run", file)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr as stream:
        stderr = stream.read()

    assert (process.wait(60), stderr) == (130, "kubernaut: standard output: Broken pipe; not all was printed\n")
    assert (tmp_path / "z").read_text() == "z"
    assert {record.state for record in command.records().values()} <= {"succeeded", "skipped", "cancelled"}


@pytest.mark.parametrize("how", ["full", "closed", "ascii"])
def test_an_output_that_cannot_be_written_does_not_change_how_it_ends(
    command: Command, workflow: Make, step: Make, tmp_path: Path, how: str
) -> None:
    file = command.file(workflow(step("a", inputs={"path": str(tmp_path / "a"), "text": "a"})))
    argv = [sys.executable, "-m", "kubernaut_cli", "run", file, f"--data={command.data}"]
    program = {
        "full": 'exec "$@" > /dev/full',
        "closed": 'exec "$@" >&-',
        "ascii": 'PYTHONIOENCODING=ascii exec "$@"',
    }[how]
    env = {**os.environ, "ACTION_MODULES": PROBES}
    ended = subprocess.run(["sh", "-c", program, "sh", *argv], env=env, capture_output=True, text=True, timeout=90)
    sentence = "kubernaut: standard output: No space left on device; not all was printed\n" if how == "full" else ""

    assert (ended.returncode, ended.stderr) == (0, sentence)
    assert (tmp_path / "a").read_text() == "a"
    assert ("\\u2713 a: succeeded" in ended.stdout) is (how == "ascii")


def test_a_run_stays_within_its_data_folder(command: Command, workflow: Make, step: Make) -> None:
    argv = [sys.executable, "-m", "kubernaut_cli", "render", command.file(workflow(step("a")))]
    rendered = subprocess.run(argv, env={**os.environ, "ACTION_MODULES": PROBES}, capture_output=True, text=True)
    document = yaml.safe_load(rendered.stdout)
    document["metadata"] = {"name": "../../out1"}
    ended = command.run(json.dumps(document))

    assert ended.returncode == 2
    assert ended.stderr == (
        "kubernaut: metadata.name: '../../out1' is no Kubernetes name; write small letters, digits and '-'.\n"
    )


def test_a_step_that_is_killed_is_lost_and_its_tools_are_not_left(
    command: Command, workflow: Make, step: Make, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    process = command.start(
        "run", command.file(workflow(behave(step, "a", "block", inputs={"marks": str(marks)}))), "-o", "json"
    )
    while not marks.exists():
        time.sleep(0.02)
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    report = json.loads(process.communicate(timeout=60)[0])

    assert process.returncode == 1
    assert states(report) == {"a": "lost"}
    assert "its container ended with 137 and said nothing" in report["steps"][0]["message"]
    assert command.records()["a"].state == "lost"


def test_time_is_over_for_the_tasks(command: Command, workflow: Make, step: Make, tmp_path: Path) -> None:
    ended = command.run(
        workflow(
            behave(step, "a", "block", inputs={"where": "plan"}),
            timeout="2s",
            **{"finally": [step("z", inputs={"path": str(tmp_path / "z"), "text": "z"})]},
        ),
        "-o",
        "json",
    )
    report = json.loads(ended.stdout)

    assert (ended.returncode, report["phase"]) == (124, "TimedOut")
    assert states(report)["z"] == "succeeded"


def test_a_secret_reaches_its_step_and_nobody_else(
    command: Command, workflow: Make, step: Make, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "password").write_text("c4nary-value")
    text = workflow(step("a", secretName="git", inputs={"path": str(tmp_path / "x"), "text": "c4nary-value"}))
    missing, ended = command.run(text), command.run(text, f"--secret=git={secret}")

    assert missing.returncode == 2
    assert missing.stderr == "kubernaut: step a: its secretName is 'git'; give it with --secret git=FOLDER.\n"
    assert ended.returncode == 0
    assert (tmp_path / "x").read_text() == "c4nary-value"
    kept = [path.read_bytes() for path in command.data.rglob("*") if path.is_file()]
    assert all(b"c4nary-value" not in content for content in kept)
    assert "c4nary-value" not in ended.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "not usable YAML"),
        ("kind: WorkflowExecution", "spec: missing; it is required."),
        ("kind: PipelineRun", "spec: missing; it is required."),
    ],
)
def test_a_bad_file_starts_nothing_and_records_nothing(command: Command, text: str, sentence: str) -> None:
    ended = command.run(text)

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert command.records() == {}


def test_an_unknown_action_is_refused_before_anything_starts(command: Command, workflow: Make, step: Make) -> None:
    ended = command.run(workflow(step("a"), step("b", actionType="probe/nothing_known")))

    assert ended.returncode == 2
    assert "spec.steps[1] \"b\".actionType: the catalogue has no 'probe/nothing_known'" in ended.stderr
    assert command.records() == {}


def test_what_was_rendered_runs_as_it_is(command: Command, workflow: Make, step: Make, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "kubernaut_cli", "render"]
    file = command.file(workflow(step("a", inputs={"path": str(tmp_path / "x"), "text": "x"})))
    rendered = subprocess.run(
        [*argv, file], env={**os.environ, "ACTION_MODULES": PROBES}, capture_output=True, text=True
    )
    ended = command.run(rendered.stdout)

    assert ended.returncode == 0
    assert (tmp_path / "x").read_text() == "x"


def exported(text: str) -> str:
    """Return a workflow as `kubectl get wfe -o json` prints it after a run."""
    document = json.loads(text)
    document["metadata"] |= {
        "uid": "9b2e8f8e-6d1a-4f57-9d55-0c1f5f1b7a11",
        "resourceVersion": "81",
        "generation": 1,
        "creationTimestamp": "2026-09-01T03:00:00Z",
        "finalizers": ["kubernaut.io/controller"],
    }
    return json.dumps({**document, "status": {"phase": "Succeeded"}})


@pytest.mark.parametrize("rendered", [False, True], ids=["a WorkflowExecution", "its PipelineRun"])
def test_an_exported_object_that_is_run_twice_is_two_runs(
    command: Command, workflow: Make, step: Make, tmp_path: Path, rendered: bool
) -> None:
    texts = []
    for text in ("one", "two"):
        made = exported(workflow(step("a", inputs={"path": str(tmp_path / "x"), "text": text})))
        texts.append(json.dumps(render(parse_workflow(made))) if rendered else made)
    reports = [json.loads(command.run(text, "-o", "json").stdout) for text in texts]
    ids = {report["steps"][0]["recordId"] for report in reports}

    assert len(ids) == 2
    with embedded(command.data) as service:
        storage = DataStorage(service.url)
        found = {str(record.id): record for record in storage.get_action_history()}
        storage.close()
    assert set(found) == ids
    assert {(record.inputs or {})["text"] for record in found.values()} == {"one", "two"}


def test_an_exported_object_is_rendered_as_one_that_was_never_made(workflow: Make, step: Make, tmp_path: Path) -> None:
    file = tmp_path / "wf.json"
    file.write_text(exported(workflow(step("a"))))
    argv = [sys.executable, "-m", "kubernaut_cli", "render", "-o", "json", str(file)]
    run = json.loads(subprocess.run(argv, env={**os.environ, "ACTION_MODULES": PROBES}, capture_output=True).stdout)

    assert "generateName" in run["metadata"]
    assert "ownerReferences" not in run["metadata"]
    assert "recordId" not in {param["name"] for param in run["spec"]["pipelineSpec"]["tasks"][0]["params"]}


def test_what_only_a_cluster_says_of_an_object_is_not_submitted(workflow: Make, step: Make) -> None:
    text = workflow(step("a"))

    assert without_cluster_fields(json.loads(exported(text))) == json.loads(text)


def test_storage_out_of_reach_does_not_stop_a_run(
    command: Command, workflow: Make, step: Make, tmp_path: Path, closed_port: str
) -> None:
    file = command.file(workflow(step("a", inputs={"path": str(tmp_path / "x"), "text": "x"})))
    env = {**os.environ, "ACTION_MODULES": PROBES, "DATA_STORAGE_URL": closed_port, "XDG_DATA_HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "kubernaut_cli", "run", file, "-o", "json"]
    ended = subprocess.run(argv, env=env, capture_output=True, text=True)
    row = json.loads(ended.stdout)["steps"][0]

    assert (ended.returncode, row["state"], row["recordStatus"]) == (0, "succeeded", "deferred")
    flush = [sys.executable, "-m", "kubernaut_cli", "records", "flush"]
    own = {**env, "HOME": str(tmp_path / "home")}
    elsewhere = subprocess.run([*flush, "--data", tmp_path / "kubernaut"], env=own, capture_output=True, text=True)
    assert elsewhere.returncode == 0
    assert "0 stored, 0 refused, 0 still waiting" in elsewhere.stdout
    assert f"wait for {closed_port}, and are sent to no other store" in elsewhere.stderr

    spool = Spool(tmp_path / "kubernaut" / "spool")
    with embedded(tmp_path / "served") as store:
        spool.to(closed_port).folder.rename(spool.to(store.url).folder)  # as if it were back at its address
        flushed = subprocess.run(flush, env={**own, "DATA_STORAGE_URL": store.url}, capture_output=True, text=True)
    assert "4 stored, 0 refused, 0 still waiting" in flushed.stdout


def test_history_and_verdict_speak_of_what_was_run(
    command: Command, workflow: Make, step: Make, tmp_path: Path
) -> None:
    steps = [step(f"s{number}", inputs={"path": str(tmp_path / f"{number}"), "text": "x"}) for number in range(5)]
    command.run(workflow(*steps, behave(step, "once")))
    history = command.start("history", "probe/write_text", "-o", "csv").communicate(timeout=30)[0]
    verdict = json.loads(command.start("effectiveness", "-o", "json").communicate(timeout=30)[0])
    table = command.start("effectiveness").communicate(timeout=30)[0]

    assert len(history.splitlines()) == 6
    by_type = {item["action_type"]: item for item in verdict}
    assert (by_type["probe/write_text"]["n"], by_type["probe/write_text"]["rate"]) == (5, 1.0)
    assert by_type["probe/do_thing"]["rate"] is None
    assert "not enough data: 1 of at least 5" in table


@pytest.mark.parametrize("args", [["--since", "soon"], ["--limit", "0"], ["-o", "xml"], ["--state", "done"]])
def test_bad_options_of_history(command: Command, args: list[str]) -> None:
    process = command.start("history", *args)
    _, stderr = process.communicate(timeout=30)

    assert process.returncode in {2, 3}
    assert "Traceback" not in stderr
