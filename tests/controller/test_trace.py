"""One workflow is one trace: the PipelineRun, every step, its records and the exported spans have the same id."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from objects import (
    CREATED,
    NOW,
    UID,
    observed_state,
    pipeline_run,
    stamp,
    step,
    successful,
    task_run,
    terminated,
    workflow,
)

from kubernaut_controller.pipelinerun import LARGEST, render
from kubernaut_controller.reconciling import Policy, reconcile
from kubernaut_controller.reconciling.effects import ExportSpans, SendEvents, UpdateStatus
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.records import Event
from kubernaut_sdk.spans import SpanExporter
from kubernaut_sdk.traceparent import TraceParent, WorkflowTrace

TRACE = WorkflowTrace(UID)
TRACED = Policy(traces=True)
RUNNING = {"phase": "Running", "pipelineRunRef": {"name": "fix-e5621d0cdb", "uid": "run-1"}}


def rendered(*steps: Any) -> dict[str, Any]:
    return render(read_workflow_execution(workflow(*steps)))


def ended(policy: Policy = TRACED, phase: str = "Running") -> list[Any]:
    """Return the effects when the first step of two has succeeded and the second has failed."""
    document = workflow(step("a"), step("b", runAfter=["a"]), status={**RUNNING, "phase": phase})
    failed = task_run("b", "False", "Failed", steps=terminated(1))
    run = pipeline_run(document, "False", "Failed")
    observed = observed_state(document, policy=policy, pipeline_run=run, task_runs=(successful("a"), failed))
    return list(reconcile(observed, policy, NOW).effects)


def test_each_step_gets_a_traceparent_of_the_workflows_trace() -> None:
    tasks = rendered(step("a"), step("b"))["spec"]["pipelineSpec"]["tasks"]
    parents = {
        task["name"]: {param["name"]: param["value"] for param in task["params"]}["traceparent"] for task in tasks
    }

    assert parents == {"a": str(TRACE.step("a")), "b": str(TRACE.step("b"))}
    assert {TraceParent.parse(parent).trace_id for parent in parents.values()} == {TRACE.trace_id}  # type: ignore[union-attr]


def test_tekton_continues_the_trace_with_its_own_spans() -> None:
    annotations = rendered(step("a"))["metadata"]["annotations"]

    assert json.loads(annotations["tekton.dev/pipelinerunSpanContext"]) == {"traceparent": str(TRACE.root)}


def test_a_thousand_steps_fit_without_their_traceparents() -> None:
    run = rendered(*(step(f"s{number}") for number in range(1000)))

    assert len(dumps(run).encode()) <= LARGEST
    assert "traceparent" not in str(run["spec"])
    assert TRACE.trace_id in run["metadata"]["annotations"]["tekton.dev/pipelinerunSpanContext"]


def test_a_workflow_that_was_never_created_has_no_trace() -> None:
    document = workflow(step("a"))
    del document["metadata"]["uid"]
    run = render(read_workflow_execution(document))

    assert "traceparent" not in str(run)
    assert "annotations" not in run["metadata"]


def test_the_controllers_events_have_the_trace_id() -> None:
    document = workflow(step("a"), status=RUNNING)
    effects = reconcile(observed_state(document, pipeline_run=pipeline_run(document)), Policy(), NOW).effects
    [sent] = [effect for effect in effects if isinstance(effect, SendEvents)]

    assert {event["trace_id"] for event in sent.events} == {TRACE.trace_id}
    assert Event.model_validate(sent.events[0]).trace_id == TRACE.trace_id


def test_the_end_of_a_workflow_exports_its_span_and_those_of_its_steps(
    collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    effects = ended()
    [effect] = [effect for effect in effects if isinstance(effect, ExportSpans)]
    [status] = [effect for effect in effects if isinstance(effect, UpdateStatus)]
    exporter = SpanExporter("kubernaut-controller")
    exporter.export(effect.spans)
    exporter.close()

    assert collector.services == {"kubernaut-controller"}
    assert collector.parents() == {"workflow fix": None, "step a": "workflow fix", "step b": "workflow fix"}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE.trace_id}
    spans = {span.name: span for span in collector.spans}
    assert spans["step a"].span_id.hex() == TRACE.step("a").span_id
    assert (spans["step a"].status.code, spans["step b"].status.code) == (0, 2)
    assert spans["workflow fix"].status.message == status.status["message"]
    assert _time(spans["workflow fix"].start_time_unix_nano) == CREATED
    assert _time(spans["workflow fix"].end_time_unix_nano) == datetime.fromisoformat(stamp(9))
    attributes = {one.key: one.value.string_value for one in spans["step a"].attributes}
    assert (attributes["kubernaut.action.type"], attributes["kubernaut.state"]) == ("probe/write_text", "succeeded")
    assert effects.index(effect) < effects.index(status)  # a crash between the two exports the same spans again


@pytest.mark.parametrize(("policy", "phase"), [(Policy(), "Running"), (TRACED, "Failed")])
def test_nothing_is_exported_without_opentelemetry_nor_twice(policy: Policy, phase: str) -> None:
    assert not any(isinstance(effect, ExportSpans) for effect in ended(policy, phase))


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
