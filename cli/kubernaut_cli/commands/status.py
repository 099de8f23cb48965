"""`kubernaut status`: show the workflows of a cluster."""

from collections.abc import Callable
from typing import Any

import click

from kubernaut_cli.cluster import ClusterClient
from kubernaut_cli.clusterrun import follow as follow_workflow
from kubernaut_cli.clusterrun import phase_of, report_of
from kubernaut_cli.completion import complete_cluster_workflows
from kubernaut_cli.listing import Column, Listing, listing_options, print_document
from kubernaut_cli.options import cluster_options
from kubernaut_cli.progress import show_progress
from kubernaut_cli.terminal import echo
from kubernaut_controller.views import WorkflowView, text_of, time_of
from kubernaut_sdk.states import State
from kubernaut_sdk.times import utcnow

__all__ = ["status"]

Json = dict[str, Any]


@click.command()
@click.argument("name", required=False, shell_complete=complete_cluster_workflows)
@click.option("--follow", is_flag=True, help="Watch it until its end; the exit code is then that of `kubernaut run`.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="List the workflows of all namespaces.")
@listing_options
@cluster_options
def status(
    name: str | None, follow: bool, everywhere: bool, namespace: str | None, context: str | None, **listing: Any
) -> None:
    """Show the WorkflowExecution NAME, step by step; without NAME, list all.

    Of one workflow there are the formats table, json and yaml.

    Exit code: 3 there is no such workflow, no kubeconfig or no right, 75 the cluster does not answer. With --follow
    those of `kubernaut run`.
    """
    output = listing["output"]
    if name is None and follow:
        raise click.UsageError("--follow watches one workflow; name it.")
    if name is not None and output not in {"table", "json", "yaml"}:
        raise click.UsageError(f"-o {output} is for lists; of one workflow there are table, json and yaml.")
    cluster = ClusterClient(context, namespace)
    if name is None:
        LISTING.print(cluster.list_all(everywhere=everywhere), output, headers=not listing["no_headers"])
        return
    document = cluster.read(name)
    if follow:
        follow_workflow(cluster, document, output)
    elif output == "table":
        _show(document)
    else:
        print_document(report_of(document).document(), output)


def _show(document: Json) -> None:
    report = report_of(document)
    message = report.notes.pop() if report.notes else ""
    with show_progress(report, quiet=False) as progress:
        for step in report.steps:
            if step.state is not State.INTENDED:
                progress.step_changed(step)
    echo(message)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def _state(name: str) -> Callable[[Json], str]:
    return lambda document: text_of(WorkflowView(document).status.get(name))


def _age_of(document: Json) -> str:
    created = time_of(WorkflowView(document).created)
    return _age((utcnow() - created).total_seconds()) if created else ""


def _pipeline_run(document: Json) -> str:
    found = WorkflowView(document).status.get("pipelineRunRef")
    return text_of(found.get("name")) if isinstance(found, dict) else ""


def _requester(document: Json) -> str:
    spec = document.get("spec")
    return text_of(spec.get("requester")) if isinstance(spec, dict) else ""


LISTING: Listing[Json] = Listing(
    columns=[
        Column(heading="namespace", cell=lambda document: WorkflowView(document).namespace, folds=False),
        Column(heading="name", cell=lambda document: WorkflowView(document).name),
        Column(heading="phase", cell=phase_of, folds=False),
        Column(heading="steps", cell=_state("progress"), folds=False, rank=2),
        Column(heading="target", cell=_state("target"), rank=3),
        Column(heading="age", cell=_age_of, folds=False, rank=1),
        Column(heading="message", cell=lambda document: WorkflowView(document).message, rank=4),
        Column(heading="requester", cell=_requester, wide=True),
        Column(heading="pipelinerun", cell=_pipeline_run, wide=True),
    ],
    document=lambda document: document,
    name=lambda document: WorkflowView(document).name,
    empty="no workflows",
)
