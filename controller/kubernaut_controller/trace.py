"""The trace of a workflow: the names under which its ids are written down, and the ids."""

from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.traceparent import TraceParent, WorkflowTrace

__all__ = ["SPAN_CONTEXT", "TRACE_ID", "span_context", "trace_of"]

TRACE_ID = "kubernaut.io/trace-id"
"""The annotation of a WorkflowExecution with the id of its trace."""
SPAN_CONTEXT = "tekton.dev/pipelinerunSpanContext"
"""The annotation of a PipelineRun from which Tekton continues a trace with spans of its own."""


def trace_of(workflow: WorkflowExecution) -> WorkflowTrace | None:
    """Return the trace of a workflow; None where it was never created in a cluster, and has no uid."""
    uid = workflow.metadata.uid
    return WorkflowTrace(uid) if uid else None


def span_context(span: TraceParent) -> str:
    """Return a span as the value of `SPAN_CONTEXT`."""
    return dumps({"traceparent": str(span)})
