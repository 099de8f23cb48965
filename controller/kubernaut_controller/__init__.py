"""The custom resources WorkflowExecution and RemediationRequest, and the PipelineRun of a WorkflowExecution."""

from kubernaut_controller.documents import dump_yaml, load_yaml
from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_controller.pipelinerun import pipeline_run_name, record_id_of, render, step_context
from kubernaut_controller.validation import dependencies, faults_of, require_valid
from kubernaut_controller.workflow import InputFrom, Metadata, Spec, Step, WorkflowExecution, parse_workflow

__all__ = [
    "Fault",
    "InputFrom",
    "InvalidWorkflow",
    "Metadata",
    "Spec",
    "Step",
    "WorkflowExecution",
    "dependencies",
    "dump_yaml",
    "faults_of",
    "load_yaml",
    "parse_workflow",
    "pipeline_run_name",
    "record_id_of",
    "render",
    "require_valid",
    "step_context",
]
