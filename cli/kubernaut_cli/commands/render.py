"""`kubernaut render`: print the PipelineRun of a workflow, or the Roles or IAM policies that its actions need."""

import json
from datetime import timedelta
from typing import Any

import click

from kubernaut_cli.catalog import find_action
from kubernaut_cli.iam import iam_of
from kubernaut_cli.options import output_option, workflow_options
from kubernaut_cli.terminal import echo
from kubernaut_cli.workflowfile import read_workflow, without_identity
from kubernaut_controller import dump_yaml
from kubernaut_controller.pipelinerun import render as render_pipeline_run
from kubernaut_controller.rbac import rbac_of
from kubernaut_controller.taskref import TASK, bundle_task_ref, cluster_task_ref

__all__ = ["render"]


@click.command()
@workflow_options
@output_option("yaml", "json")
@click.option("--cluster-resolver", metavar="NAMESPACE", help="Take the Task from this namespace (cluster resolver).")
@click.option("--bundle", metavar="IMAGE@DIGEST", help="Take the Task from this Tekton bundle.")
@click.option(
    "--rbac",
    is_flag=True,
    help="Print the Roles that its actions need, not the PipelineRun.",
)
@click.option(
    "--iam",
    is_flag=True,
    help="Print the IAM policy that its AWS actions need, not the PipelineRun.",
)
def render(  # noqa: PLR0913, PLR0917 – one for each option
    file: str,
    repositories: tuple[str, ...],
    unknown_actions: bool,
    max_timeout: timedelta | None,
    output: str,
    cluster_resolver: str | None,
    bundle: str | None,
    rbac: bool,
    iam: bool,
) -> None:
    """Print the PipelineRun of the workflow in FILE; `kubernaut render FILE | kubectl create -f -` runs it.

    Exit code: 2 the workflow has faults.
    """
    if cluster_resolver and bundle:
        raise click.UsageError("--cluster-resolver and --bundle exclude each other; the Task has one source.")
    if rbac and iam:
        raise click.UsageError("--rbac and --iam exclude each other; ask for one after the other.")
    if bundle and "@sha256:" not in bundle:
        raise click.UsageError(f"--bundle {bundle}: name it by digest, such as registry/kubernaut-action@sha256:…")
    workflow = read_workflow(file, repositories=repositories, unknown_actions=unknown_actions, max_timeout=max_timeout)
    if rbac:
        documents = rbac_of(workflow, find_action)
        echo("---\n".join(dump_yaml(item) for item in documents) or "# no action of kubernetes/ is in it", nl=False)
        return
    if iam:
        for name, policy in iam_of(workflow, find_action).items():
            echo(f"# {name}", err=True)
            echo(json.dumps(policy, indent=2))
        return
    document = render_pipeline_run(without_identity(workflow), task_ref=_task_ref(cluster_resolver, bundle))
    text = dump_yaml(document) if output == "yaml" else json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    echo(text, nl=False)


def _task_ref(namespace: str | None, bundle: str | None) -> dict[str, Any]:
    if namespace:
        return cluster_task_ref(namespace)
    return bundle_task_ref(bundle) if bundle else TASK
