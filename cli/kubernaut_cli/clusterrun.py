"""A WorkflowExecution of a cluster as a RunReport, and the watching of it to its end."""

import json
import sys
import time
from typing import Any

from kubernaut_cli.cluster import ClusterClient
from kubernaut_cli.engine.report import RunReport, StepReport
from kubernaut_cli.progress import Progress, show_progress
from kubernaut_cli.terminal import echo
from kubernaut_controller.status import Phase
from kubernaut_controller.trace import TRACE_ID
from kubernaut_controller.views import WorkflowView, objects_of, text_of, time_of
from kubernaut_sdk.states import State

__all__ = ["follow", "phase_of", "report_of"]

Json = dict[str, Any]

_POLL = 0.5
"""Seconds between two reads of a workflow that is followed."""


def phase_of(document: Json) -> str:
    """Return the phase of a WorkflowExecution; Pending until its controller has set one."""
    return WorkflowView(document).phase or "Pending"


def report_of(document: Json) -> RunReport:
    """Return the report of a WorkflowExecution, in the form that a local run's report has."""
    view = WorkflowView(document)
    steps = [
        StepReport(text_of(step.get("name")), text_of(step.get("actionType")), final)
        for final, name in ((False, "steps"), (True, "finally"))
        for step in objects_of(view.spec.get(name))
    ]
    report = RunReport(view.name, steps, bool(view.spec.get("dryRun")), trace_id=view.annotations.get(TRACE_ID))
    _update(report, document)
    return report


def follow(cluster: ClusterClient, document: Json, output: str) -> None:
    """Show a workflow's progress until its end, then exit with the code that a local run of it would have.

    Args:
        cluster: The cluster that it is in.
        document: The WorkflowExecution, as it was read last.
        output: `text`, or `json` for the report alone on standard output.
    """
    report = report_of(document)
    try:
        with show_progress(report, quiet=output == "json") as progress:
            shown = _show_changes(report, {}, progress)
            while report.phase in {"Pending", "Running"}:
                time.sleep(_POLL)
                document = cluster.read(document["metadata"]["name"])
                _update(report, document)
                shown = _show_changes(report, shown, progress)
    except KeyboardInterrupt:
        name = document["metadata"]["name"]
        echo(f"it goes on; kubernaut cancel {name} -n {cluster.namespace} ends it", err=True)
        sys.exit(130)
    if output == "json":
        echo(json.dumps(report.document(), indent=2, ensure_ascii=False))
    else:
        echo(WorkflowView(document).message)
    sys.exit(report.exit_code)


def _show_changes(report: RunReport, shown: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Show what has changed since the last call, and return what has been shown by now: step → state, "" → message."""
    message = report.notes[0] if report.notes else ""
    if report.phase == "Pending" and message and message != shown.get(""):
        progress.print_line(message)
    for step in report.steps:
        if step.state is not shown.get(step.name) and step.state is not State.INTENDED:
            if shown.get(step.name) is None and step.state is not State.STARTED and step.started_at is not None:
                # it started and ended between two reads
                progress.step_changed(StepReport(step.name, step.action_type, step.final, State.STARTED))
            progress.step_changed(step)
    return {"": message, **{step.name: step.state for step in report.steps if step.state is not State.INTENDED}}


def _update(report: RunReport, document: Json) -> None:
    """Take over what the WorkflowExecution's status says."""
    view = WorkflowView(document)
    report.phase = Phase(phase_of(document))
    report.notes[:] = [view.message] if view.message else []
    for known in view.steps:
        step = report.step(known["name"])
        step.state, step.message = State(known["state"]), known.get("message") or ""
        step.changed, step.output, step.error = known.get("changed"), known.get("output"), known.get("error")
        step.record_id, step.log = known.get("recordId"), known.get("taskRun")
        step.started_at, step.finished_at = time_of(known.get("startedAt")), time_of(known.get("finishedAt"))
