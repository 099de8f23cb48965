"""The controller and the local engine judge the same end of a container alike."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import pod, results, task_run, terminated, termination, workflow

from kubernaut_cli.engine.executor import NotStarted
from kubernaut_cli.engine.pipelinerun import read_pipeline_run
from kubernaut_cli.engine.pod import LocalPod
from kubernaut_cli.engine.report import StepReport
from kubernaut_cli.engine.run import LocalRun
from kubernaut_cli.engine.task import generic_task
from kubernaut_controller import parse_workflow, render
from kubernaut_controller.reconciling.events import ended_event
from kubernaut_controller.reconciling.outcomes import RecordedBy, known_outcome
from kubernaut_controller.views import PodView, TaskRunView

WORKFLOW = parse_workflow(json.dumps(workflow()), "test")
[STEP] = WORKFLOW.spec.steps
TASK = generic_task()
RUN = read_pipeline_run(render(WORKFLOW), TASK)
ERROR = {"code": 1, "reason": "Failed", "message": "no such deployment"}
INTERRUPTED = {"code": 1, "reason": "Interrupted", "message": "the step was interrupted."}
RECORD = {"state": "succeeded", "changed": True, "output": {"size": 1}}


@dataclass(frozen=True)
class Case:
    """The end of a container, whichever engine ran it."""

    code: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] | None = None
    cancelled: bool = False
    refused: bool = False


class FixedContainer:
    """A container that ends as given, with these result files."""

    def __init__(self, case: Case, place: Path) -> None:
        self.case, self.place, self.answers = case, place, asyncio.Event()

    async def wait(self) -> int:
        if self.case.cancelled:
            await self.answers.wait()
        for name, text in self.case.files.items():
            (self.place / name).write_text(text, encoding="utf-8")
        return self.case.code

    def terminate(self) -> None:
        self.answers.set()

    def kill(self) -> None:
        self.answers.set()


@dataclass
class FixedContainers:
    case: Case
    image_runs: bool = True
    limits_memory: bool = True
    keeps_spool: bool = False

    async def start(self, pod: LocalPod) -> FixedContainer:
        if self.case.refused:
            raise NotStarted("ImageNotPulled", "Its image cannot be pulled: no such host.")
        return FixedContainer(self.case, pod.results)


class FixedRecords:
    """A store of events that returns a given record."""

    def __init__(self, record: Any) -> None:
        self.record, self.events = record, list[dict[str, Any]]()

    def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def read(self, _record_id: object) -> Any:
        return self.record


def locally(case: Case, folder: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the local engine's report of the step, and its event."""
    store = FixedRecords(case.record)

    def soon(cancel: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(0.01, cancel)

    async def carried_out() -> StepReport:
        local = LocalRun(
            run=RUN,
            task=TASK,
            executor=FixedContainers(case),
            recorder=store,  # type: ignore[arg-type] # all of it that is used
            config_maps={},
            secrets={},
            folder=folder,
        )
        if case.cancelled:
            local.on_change = lambda _step: soon(local.cancel)
        return (await local.execute()).step("a")

    row = asyncio.run(carried_out())
    events = [event for event in store.events if event["state"] != "intended"]
    assert len(events) <= 1
    said = {"state": row.state, "changed": row.changed, "output": row.output, "error": row.error}
    return said, events[0] if events else None


def in_a_cluster(case: Case) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the controller's report of the step, and its event."""
    files = dict(case.files)
    known: dict[str, Any] = {}
    if case.refused:
        given = task_run(status="False", reason="TaskRunImagePullFailed", message="Back-off", steps=[])
    elif case.cancelled:
        # Tekton takes no results then; the pod's last word has them
        given = task_run(status="False", reason="TaskRunCancelled", steps=terminated(1, "TaskRunCancelled"))
        known = {"pod": PodView(pod("Failed", termination(files, case.code)))}
    else:
        status, reason = ("True", "Succeeded") if case.code == 0 else ("False", "Failed")
        given = task_run(status=status, reason=reason, results=files, steps=terminated(case.code))
    end = known_outcome(STEP, "shop", TaskRunView(given), record=case.record, **known)
    said = {"state": end.state, "changed": end.changed, "output": end.output, "error": end.error}
    event = (
        ended_event(WORKFLOW, STEP, end, "2026-01-31T09:05:15Z") if end.recorded_by is RecordedBy.CONTROLLER else None
    )
    return said, event


def without_words(said: dict[str, Any]) -> dict[str, Any]:
    """Return a step or an event without its times and its error's sentence, which differ between the engines."""
    kept = {name: value for name, value in said.items() if not name.endswith("_at") and name != "at"}
    if kept.get("error"):
        kept["error"] = {name: kept["error"][name] for name in ("code", "reason")}
    return kept


WELL = results()
CASES: dict[str, Case] = {
    "well": Case(files=WELL),
    "well, not stored": Case(files=results(stored="deferred")),
    "unchanged": Case(files=results("unchanged", changed="false")),
    "failed": Case(1, results("failed", error=ERROR)),
    "out of time": Case(124, results("timed_out", error={**ERROR, "code": 124})),
    "stopped by a signal that nobody here sent": Case(143, results("cancelled", error={**ERROR, "code": 143})),
    "code 0 and failed": Case(0, results("failed", error=ERROR)),
    "code 0 and nothing": Case(0),
    "code 0 and nothing, but a record": Case(0, record=RECORD),
    "code 0 and half of it": Case(0, {"status": "succeeded", "changed": "true"}),
    "code 0 and interrupted": Case(0, results("failed", changed="unknown", error=INTERRUPTED)),
    "code 1 and succeeded": Case(1, WELL),
    "code 2 and changed": Case(2, results("failed", error={**ERROR, "code": 2})),
    "succeeded with an error": Case(0, results(error=ERROR)),
    "unchanged and changed": Case(0, results("unchanged")),
    "an unknown word": Case(0, {**WELL, "status": "ok"}),
    "changed is no word": Case(0, {**WELL, "changed": "maybe"}),
    "output is a list": Case(0, {**WELL, "output": "[1]"}),
    "output is very deep": Case(0, {**WELL, "output": "[" * 1900}),
    "output is NaN": Case(0, {**WELL, "output": '{"n": NaN}'}),
    "error is no object": Case(1, {**results("failed"), "error": '"boom"'}),
    "error has no message": Case(1, {**results("failed"), "error": '{"code": 1}'}),
    "error.message is a number": Case(1, {**results("failed"), "error": '{"code":1,"reason":"X","message":5}'}),
    "no reason": Case(1, results("failed")),
    "killed, and said nothing": Case(137),
    "killed, but a record": Case(137, record={"state": "failed", "changed": True, "error": ERROR}),
    "killed, and a record that says well": Case(137, record=RECORD),
    "killed while it ran": Case(137, results("failed", changed="unknown", error=INTERRUPTED)),
    "an image that cannot be pulled": Case(refused=True),
    "cancelled": Case(143, results("cancelled", error={**ERROR, "code": 143}), cancelled=True),
    "cancelled, done by then": Case(0, WELL, cancelled=True),
    "cancelled, interrupted": Case(143, results("failed", changed="false", error=INTERRUPTED), cancelled=True),
    "cancelled, and said nothing": Case(143, cancelled=True),
}
STATES = {
    "well": "succeeded",
    "well, not stored": "succeeded",
    "unchanged": "unchanged",
    "out of time": "timed_out",
    "stopped by a signal that nobody here sent": "cancelled",
    "killed, and said nothing": "lost",
    "killed while it ran": "lost",
    "cancelled": "cancelled",
    "cancelled, done by then": "succeeded",
    "cancelled, interrupted": "cancelled",
    "cancelled, and said nothing": "lost",
}
"""All others failed."""


@pytest.mark.parametrize("name", CASES)
def test_both_engines_say_the_same(name: str, tmp_path: Path) -> None:
    (here, told_here), (there, told_there) = locally(CASES[name], tmp_path), in_a_cluster(CASES[name])

    assert here["state"] == STATES.get(name, "failed")
    assert without_words(here) == without_words(there)
    assert (told_here is None) == (told_there is None)
    if told_here and told_there:
        assert without_words(told_here) == without_words(told_there)
        assert all(datetime.fromisoformat(told_here[name]) for name in ("at", "finished_at"))


TEXTS = st.sampled_from(
    ["", "true", "false", "unknown", "stored", "{}", "[1]", '{"n": 1}', "null", "\x00", "é🚀", "9" * 99]
)
STATUSES = st.sampled_from(["succeeded", "unchanged", "planned", "failed", "cancelled", "timed_out", "skipped", "lost"])
FILES = st.dictionaries(st.sampled_from(sorted(WELL)), TEXTS | STATUSES) | st.builds(
    lambda odd: {**WELL, **odd}, st.dictionaries(st.sampled_from(sorted(WELL)), TEXTS | STATUSES, max_size=2)
)


@settings(max_examples=80)
@given(st.sampled_from([0, 1, 2, 3, 5, 75, 124, 137, 143]), FILES)
def test_whatever_the_results_both_say_the_same_and_success_needs_code_and_status(
    code: int, files: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here, _ = locally(Case(code, files), Path(folder))
    there, _ = in_a_cluster(Case(code, files))

    assert without_words(here) == without_words(there)
    if here["state"] in {"succeeded", "unchanged", "planned"}:
        assert (code, files["status"]) == (0, here["state"])
    if (here["error"] or {}).get("reason") in {"Contradiction", "NoResults"}:
        assert here["changed"] is None
