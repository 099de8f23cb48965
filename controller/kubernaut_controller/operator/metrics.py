"""The controller's Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "API_REQUESTS",
    "RECONCILE_ERRORS",
    "RECONCILE_SECONDS",
    "RECORDS_GIVEN_UP",
    "RECORDS_SENT",
    "TO_PIPELINERUN_SECONDS",
    "WORKFLOWS",
]

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

RECONCILE_SECONDS = Histogram(
    "kubernaut_reconcile_seconds", "Time of one reconcile: the decision and its effects.", ["kind"], buckets=_FAST
)
RECONCILE_ERRORS = Counter("kubernaut_reconcile_errors_total", "Reconciles that failed and are tried again.", ["kind"])
WORKFLOWS = Gauge("kubernaut_workflows", "Existing WorkflowExecutions, by phase.", ["phase"])
TO_PIPELINERUN_SECONDS = Histogram(
    "kubernaut_created_to_pipelinerun_seconds",
    "Time from the first event of a workflow to the creation of its PipelineRun, with its target free.",
    buckets=_FAST,
)
RECORDS_SENT = Counter("kubernaut_record_events_total", "Events answered by Data Storage.", ["outcome"])
RECORDS_GIVEN_UP = Counter(
    "kubernaut_records_given_up_total", "Workflows closed after the deadline without all records stored."
)
API_REQUESTS = Counter("kubernaut_api_requests_total", "Requests to the API server.", ["method", "resource", "code"])
