"""The local engine's loop with fake executor: it always comes to its end."""

import asyncio
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kubernaut_cli.engine.executor import NotStarted
from kubernaut_cli.engine.pipelinerun import read_pipeline_run
from kubernaut_cli.engine.pod import LocalPod
from kubernaut_cli.engine.report import RunReport
from kubernaut_cli.engine.run import LocalRun
from kubernaut_cli.engine.task import generic_task
from kubernaut_cli.localrun import _run_folder
from kubernaut_controller import InvalidWorkflow, parse_workflow, render

Make = Callable[..., Any]
TASK = generic_task()
GOOD_RESULTS = {
    "status": "succeeded", "changed": "true", "output": "{}", "error": "", "record-id": "", "record-status": "stored"
}  # fmt: skip


@dataclass
class FakeExecutor:
    """A fake executor. A step does what `behaviours` says for its name, else it writes good results.

    `most` is the largest number of steps that ran at once.
    """

    behaviours: dict[str, Callable[[LocalPod], int | None]] = field(default_factory=dict)
    image_runs: bool = False
    limits_memory: bool = False
    keeps_spool: bool = True
    ran: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    alive: int = 0
    most: int = 0

    async def start(self, pod: LocalPod) -> "FakeContainer":
        name = pod.folder.name
        self.ran.append(name)
        behaviour = self.behaviours.get(name)
        if behaviour is no_image:
            behaviour(pod)
        self.alive += 1
        self.most = max(self.most, self.alive)
        return FakeContainer(self, pod, behaviour)


@dataclass
class FakeContainer:
    engine: FakeExecutor
    pod: LocalPod
    behaviour: Callable[[LocalPod], int | None] | None

    async def wait(self) -> int:
        for _ in range(3):
            await asyncio.sleep(0)
        self.engine.alive -= 1
        self.engine.ended.append(self.pod.folder.name)
        for name, text in GOOD_RESULTS.items():
            (self.pod.results / name).write_text(text)
        return (self.behaviour(self.pod) or 0) if self.behaviour else 0

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class NullRecorder:
    """A recorder that accepts every event and knows no record."""

    def send(self, _event: object) -> None: ...

    def read(self, _record_id: object) -> None: ...


def execute(text: str, folder: Path, executor: FakeExecutor, **options: Any) -> RunReport:
    local = LocalRun(
        run=read_pipeline_run(render(parse_workflow(text, "test")), TASK),
        task=TASK,
        executor=executor,
        recorder=NullRecorder(),  # type: ignore[arg-type] # only these two methods are used
        config_maps={},
        secrets={},
        folder=folder,
        **options,
    )
    return asyncio.run(local.execute())


def replace_result(name: str, make: Callable[[Path], object]) -> Callable[[LocalPod], int]:
    """Return a behaviour that replaces a result file with something else."""

    def behaviour(pod: LocalPod) -> int:
        (pod.results / name).unlink()
        make(pod.results / name)
        return 0

    return behaviour


def engine_error(pod: LocalPod) -> int:
    raise OSError("the engine went away")


def no_image(_pod: LocalPod) -> int:
    raise NotStarted("ImageNotPulled", "It cannot be pulled.")


def print_list(pod: LocalPod) -> int:
    pod.output.write_text("[1]")
    return 1


ODD_RESULTS: dict[str, tuple[Any, str, str]] = {
    "a link": (replace_result("output", lambda path: path.symlink_to("/etc/passwd")), "failed", "NoResults"),
    "a pipe": (replace_result("status", os.mkfifo), "failed", "NoResults"),
    "a folder": (replace_result("error", lambda path: path.mkdir()), "failed", "NoResults"),
    "not UTF-8": (replace_result("output", lambda path: path.write_bytes(b"caf\xe9")), "failed", "NoResults"),
    "too large": (replace_result("output", lambda path: path.write_text("x" * 5000)), "failed", "NoResults"),
    "an unknown word": (replace_result("status", lambda path: path.write_text("ok")), "failed", "Contradiction"),
    "very deep": (replace_result("output", lambda path: path.write_text("[" * 3000)), "failed", "Contradiction"),
    "none": (replace_result("status", lambda path: None), "failed", "NoResults"),
    "standard output is a list": (print_list, "failed", "Contradiction"),
    "an engine that goes away": (engine_error, "lost", "EngineError"),
    "no image": (no_image, "failed", "ImageNotPulled"),
}


@pytest.mark.parametrize("kind", ODD_RESULTS)
def test_odd_results_fail_their_step_and_nothing_else(kind: str, workflow: Make, step: Make, tmp_path: Path) -> None:
    behaviour, state, reason = ODD_RESULTS[kind]
    executor = FakeExecutor({"a": behaviour})
    text = workflow(step("a"), step("b", runAfter=["a"]), step("c"), **{"finally": [step("z")]})
    report = execute(text, tmp_path, executor)
    step_report = report.step("a")

    assert (step_report.state, (step_report.error or {})["reason"]) == (state, reason)
    assert {other.name: other.state for other in report.steps[1:]} == {
        "b": "skipped",
        "c": "succeeded",
        "z": "succeeded",
    }
    assert (report.phase, report.exit_code) == ("Failed", 1)
    assert set(executor.ended) >= {"c", "z"}
    assert "root:" not in json.dumps(report.document())


@pytest.mark.parametrize(
    ("behaviour", "ran"),
    [
        (None, ["a", "b", "well"]),
        (print_list, ["a", "badly", "never"]),
        (no_image, ["a", "badly", "never"]),
    ],
)
def test_a_when_of_finally_decides_by_how_a_step_ended(
    behaviour: Any, ran: list[str], workflow: Make, step: Make, tmp_path: Path
) -> None:
    conditions = {"well": ("a", "succeeded"), "badly": ("a", "failed"), "never": ("b", "skipped")}
    last = [step(name, when={"step": on, "state": state}) for name, (on, state) in conditions.items()]
    executor = FakeExecutor({"a": behaviour} if behaviour else {})
    report = execute(workflow(step("a"), step("b", runAfter=["a"]), **{"finally": last}), tmp_path, executor)

    assert sorted(executor.ran) == ran
    assert {row.name for row in report.steps if row.final and row.state == "skipped"} == set(conditions) - set(ran)
    assert (report.phase == "Succeeded") is (behaviour is None)


def test_an_error_in_the_display_does_not_stop_the_run(workflow: Make, step: Make, tmp_path: Path) -> None:
    def raises(_step: object) -> None:
        raise UnicodeEncodeError("ascii", "▸", 0, 1, "ordinal not in range")

    report = execute(workflow(step("a"), step("b")), tmp_path, FakeExecutor(), on_change=raises)

    assert report.phase == "Succeeded"


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (3, 3), (8, 8), (100, 12)])
def test_no_more_steps_run_at_once_than_parallel_allows(
    workflow: Make, step: Make, tmp_path: Path, parallel: int, most: int
) -> None:
    executor = FakeExecutor()
    text = workflow(*(step(f"s{number}") for number in range(12)), **{"finally": [step("y"), step("z")]})
    report = execute(text, tmp_path, executor, parallel=parallel)

    assert (report.phase, executor.most) == ("Succeeded", most)
    assert len(executor.ran) == len(set(executor.ran)) == 14


OUTSIDE = ["../../out1", "..", "/tmp/out1", "a/../../b", ".hidden", "A", "a\n", "x" * 254, ""]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("place", ["name", "generateName", "task"])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str, place: str, workflow: Make, step: Make) -> None:
    document = render(parse_workflow(workflow(step("a")), "test"))
    if place == "task":
        document["spec"]["pipelineSpec"]["tasks"][0]["name"] = name
    else:
        document["metadata"] = {place: name}
    with pytest.raises(InvalidWorkflow) as refused:
        read_pipeline_run(document, TASK)

    assert "name" in str(refused.value).lower()


@pytest.mark.parametrize("name", ["../out1", "..", ".", "", "a/b"])
def test_a_runs_folder_is_below_the_data_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflow, match="is no name of a PipelineRun"):
        _run_folder(tmp_path / "data", name)

    assert list(tmp_path.glob("*")) == [tmp_path / "data"]


def test_every_run_has_a_folder_of_its_own_and_follows_no_link(tmp_path: Path) -> None:
    first, second = _run_folder(tmp_path, "fix"), _run_folder(tmp_path, "fix")
    (tmp_path / "runs" / "led").symlink_to(tmp_path / "elsewhere")
    third = _run_folder(tmp_path, "led")

    assert len({first, second, third}) == 3
    assert all(folder.parent == tmp_path / "runs" and not folder.is_symlink() for folder in (first, second, third))
    assert not (tmp_path / "elsewhere").exists()


def test_tasks_that_would_never_end_are_refused(workflow: Make, step: Make) -> None:
    document = render(parse_workflow(workflow(step("a"), step("b")), "test"))
    first, second = document["spec"]["pipelineSpec"]["tasks"]
    for tasks, message in (
        ([{**first, "runAfter": ["b"]}, {**second, "runAfter": ["a"]}], "they wait for each other in a circle: a, b"),
        ([first, {**second, "name": "a"}], "another task has the same name"),
    ):
        document["spec"]["pipelineSpec"]["tasks"] = tasks
        with pytest.raises(InvalidWorkflow, match=message):
            read_pipeline_run(document, TASK)


def test_a_steps_own_memory_limit_takes_the_place_of_the_tasks(tmp_path: Path) -> None:
    limits: dict[str, int | None] = {}

    def note_limit(pod: LocalPod) -> None:
        limits[pod.folder.name] = pod.memory

    image = "ghcr.io/kubernaut/actions/probe@sha256:" + "0" * 64
    text = f"""
        apiVersion: kubernaut.io/v1alpha1
        kind: WorkflowExecution
        metadata: {{name: fix}}
        spec:
          steps:
            - {{name: small, actionType: x/do_thing, image: {image}}}
            - name: large
              actionType: x/do_thing
              image: {image}
              resources: {{limits: {{memory: 1.5Gi}}}}
    """
    executor = FakeExecutor({"small": note_limit, "large": note_limit}, limits_memory=True)
    report = execute(text, tmp_path, executor)

    assert limits == {"small": None, "large": 3 * 2**29}
    assert report.notes == [
        "computeResources are Kubernetes'; here the steps share this machine; only their memory limit holds."
    ]


def test_a_step_is_told_of_its_pod_by_the_names_of_the_contract(workflow: Make, step: Make, tmp_path: Path) -> None:
    told: dict[str, str] = {}

    def note(pod: LocalPod) -> None:
        told.update(pod.env)

    execute(workflow(step("a"), name="fix"), tmp_path, FakeExecutor({"a": note}))

    assert told["POD_NAME"] == f"{told['TASKRUN_NAME']}-pod"
    assert told["TASKRUN_NAME"] == f"{told['PIPELINERUN_NAME']}-a"
    assert (told["POD_NAMESPACE"], told["NODE_NAME"]) == ("shop", platform.node())
    assert UUID(told["POD_UID"]).version == 4
