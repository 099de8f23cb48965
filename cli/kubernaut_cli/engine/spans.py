"""The spans of a local run: one for the run, below it one for each step that started.

A step's process or container makes its spans below its step's, since its TRACEPARENT names that.
"""

from collections.abc import Iterator
from datetime import datetime

from kubernaut_cli.engine.report import RunReport
from kubernaut_controller.status import Phase
from kubernaut_sdk.spans import FinishedSpan
from kubernaut_sdk.traceparent import WorkflowTrace

__all__ = ["run_spans"]


def run_spans(
    report: RunReport, trace: WorkflowTrace, started_at: datetime, ended_at: datetime
) -> Iterator[FinishedSpan]:
    """Yield the spans of a run that has ended.

    Args:
        report: Its report.
        trace: Its trace.
        started_at: The time of its start.
        ended_at: The time of its end.
    """
    yield FinishedSpan(
        f"workflow {report.name}",
        trace.root,
        trace.caller.span_id if trace.caller is not None else None,
        started_at,
        ended_at,
        None if report.phase is Phase.SUCCEEDED else report.phase.value,
        {"kubernaut.phase": report.phase.value, "kubernaut.dry_run": report.dry_run},
    )
    for step in report.steps:
        if step.started_at is None:
            continue
        yield FinishedSpan(
            f"step {step.name}",
            trace.step(step.name),
            trace.root.span_id,
            step.started_at,
            step.finished_at or ended_at,
            None if step.state.good else step.message or step.state.value,
            {
                "kubernaut.step": step.name,
                "kubernaut.action.type": step.action_type,
                "kubernaut.record.id": step.record_id or "",
                "kubernaut.state": step.state.value,
            },
        )
