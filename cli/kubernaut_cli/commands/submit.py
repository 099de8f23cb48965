"""`kubernaut submit`: create a workflow in a cluster."""

import json

import click

from kubernaut_cli.cluster import ClusterClient
from kubernaut_cli.clusterrun import follow as follow_workflow
from kubernaut_cli.options import cluster_options, output_option
from kubernaut_cli.terminal import echo
from kubernaut_cli.workflowfile import read_text, read_workflow, without_cluster_fields
from kubernaut_controller import load_yaml

__all__ = ["submit"]


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--follow", is_flag=True, help="Watch it until its end; the exit code is then that of `kubernaut run`.")
@click.option("--dry-run", is_flag=True, help="Plan every step; change nothing.")
@output_option("text", "json")
@cluster_options
def submit(file: str, follow: bool, dry_run: bool, output: str, namespace: str | None, context: str | None) -> None:
    """Create the WorkflowExecution in FILE (- for standard input) in a cluster, where the controller runs it.

    Exit code: 2 the workflow has faults, 3 no kubeconfig, controller or right, or the name is taken, 75 no answer. With
    --follow those of `kubernaut run`.
    """
    text = read_text(file)
    workflow = read_workflow(file, text=text, unknown_actions=True)
    document = without_cluster_fields(load_yaml(text, file))
    if dry_run:
        document["spec"]["dryRun"] = True
    cluster = ClusterClient(context, namespace or workflow.metadata.namespace)
    document["metadata"]["namespace"] = cluster.namespace
    created = cluster.create(document)
    if follow:
        follow_workflow(cluster, created, output)
    elif output == "json":
        echo(json.dumps(created, indent=2, ensure_ascii=False))
    else:
        name = created["metadata"]["name"]
        echo(f"{cluster.namespace}/{name} created; kubernaut status {name} -n {cluster.namespace} --follow")
