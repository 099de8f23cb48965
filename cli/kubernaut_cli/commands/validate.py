"""`kubernaut validate`: check a workflow file."""

from datetime import timedelta

import click

from kubernaut_cli.options import workflow_options
from kubernaut_cli.terminal import echo
from kubernaut_cli.workflowfile import read_workflow
from kubernaut_controller.pipelinerun import render as render_pipeline_run

__all__ = ["validate"]


@click.command()
@workflow_options
def validate(file: str, repositories: tuple[str, ...], unknown_actions: bool, max_timeout: timedelta | None) -> None:
    """Check the workflow in FILE (- for standard input); print every fault with its path.

    Exit code: 0 it is valid, 2 it is not.
    """
    workflow = read_workflow(file, repositories=repositories, unknown_actions=unknown_actions, max_timeout=max_timeout)
    render_pipeline_run(workflow)  # some faults are found only by rendering
    spec = workflow.spec
    steps = f"{len(spec.steps)} step{'s' * (len(spec.steps) > 1)}"
    final = f" and {len(spec.finally_)} of finally" if spec.finally_ else ""
    echo(f"{file}: valid; {steps}{final}.")
