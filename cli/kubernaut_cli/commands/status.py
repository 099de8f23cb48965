"""`kubernaut status`: show the workflows of a cluster."""

import json
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.cluster import ClusterClient
from kubernaut_cli.clusterrun import follow as follow_workflow
from kubernaut_cli.clusterrun import phase_of, report_of
from kubernaut_cli.options import cluster_options
from kubernaut_cli.progress import show_progress, table_console
from kubernaut_cli.terminal import echo, one_line
from kubernaut_controller.views import WorkflowView, text_of, time_of
from kubernaut_sdk.states import State
from kubernaut_sdk.times import utcnow

__all__ = ["status"]

Json = dict[str, Any]


@click.command()
@click.argument("name", required=False)
@click.option("--follow", is_flag=True, help="Watch it until its end; the exit code is then that of `kubernaut run`.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="List the workflows of all namespaces.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@cluster_options
def status(
    name: str | None, follow: bool, everywhere: bool, output: str, namespace: str | None, context: str | None
) -> None:
    """Show the WorkflowExecution NAME, step by step; without NAME, list all."""
    cluster = ClusterClient(context, namespace)
    if name is None:
        if follow:
            raise click.UsageError("--follow watches one workflow; name it.")
        _list(cluster.list_all(everywhere=everywhere), output)
        return
    document = cluster.read(name)
    if follow:
        follow_workflow(cluster, document, output)
    elif output == "json":
        echo(json.dumps(report_of(document).document(), indent=2, ensure_ascii=False))
    else:
        _show(document)


def _show(document: Json) -> None:
    report = report_of(document)
    message = report.notes.pop() if report.notes else ""
    with show_progress(report, quiet=False) as progress:
        for step in report.steps:
            if step.state is not State.INTENDED:
                progress.step_changed(step)
    echo(message)


def _list(documents: list[Json], output: str) -> None:
    if output == "json":
        echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("NAMESPACE", "NAME", "PHASE", "STEPS", "TARGET", "AGE", "MESSAGE"):
        table.add_column(name, overflow="fold")
    for document in documents:
        view = WorkflowView(document)
        created = time_of(view.created)
        cells = (
            view.namespace,
            view.name,
            phase_of(document),
            text_of(view.status.get("progress")),
            text_of(view.status.get("target")),
            _age((utcnow() - created).total_seconds()) if created else "",
            view.message,
        )
        table.add_row(*(escape(one_line(cell)) for cell in cells))
    table_console().print(table)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"
