"""`kubernaut cancel`: cancel a workflow of a cluster."""

import click

from kubernaut_cli.cluster import ClusterClient
from kubernaut_cli.clusterrun import phase_of
from kubernaut_cli.completion import complete_cluster_workflows
from kubernaut_cli.options import cluster_options
from kubernaut_cli.terminal import echo

__all__ = ["cancel"]


@click.command()
@click.argument("name", shell_complete=complete_cluster_workflows)
@cluster_options
def cancel(name: str, namespace: str | None, context: str | None) -> None:
    """Cancel the WorkflowExecution NAME: its running steps are stopped, and `finally` still runs.

    Exit code: 0 also where it is over already, 3 no such workflow, kubeconfig or right, 75 no answer.
    """
    cluster = ClusterClient(context, namespace)
    phase = phase_of(cluster.read(name))
    if phase not in {"Pending", "Running"}:
        echo(f"{cluster.namespace}/{name} is over already: {phase}.")
        return
    cluster.cancel(name)
    echo(f"{cluster.namespace}/{name} is being cancelled; kubernaut status {name} -n {cluster.namespace} --follow")
