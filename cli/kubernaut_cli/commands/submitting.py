"""`kubernaut submit`, `status` and `cancel`: WorkflowExecutions of a cluster, watched as a local run is."""

import json
import sys
import time
from datetime import datetime
from typing import Any

import click

from kubernaut_cli.cluster import Cluster
from kubernaut_cli.engine.report import Report, Row
from kubernaut_cli.progress import Progress, progress_for, wide_console
from kubernaut_cli.terminal import echo, one_line
from kubernaut_cli.workflowfile import as_written, read_text, read_workflow
from kubernaut_controller import load_yaml
from kubernaut_controller.status import Phase
from kubernaut_sdk.states import State
from kubernaut_sdk.times import utcnow

__all__ = ["cancel", "status", "submit"]

Json = dict[str, Any]

_POLL = 0.5


def _cluster_options(command: Any) -> Any:
    for option in (
        click.option("--context", help="Which context of the kubeconfig; the current one, by default."),
        click.option("-n", "--namespace", help="Which namespace; the context's, by default."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--follow", is_flag=True, help="Watch it until its end; the exit code is then as of `kubernaut run`.")
@click.option("--dry-run", is_flag=True, help="Have every step planned; nothing is changed.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_cluster_options
def submit(file: str, follow: bool, dry_run: bool, output: str, namespace: str | None, context: str | None) -> None:
    """Create the WorkflowExecution in FILE (- for standard input) in a cluster whose controller runs it."""
    text = read_text(file)
    workflow = read_workflow(file, text=text, unknown_actions=True)
    document = as_written(load_yaml(text, file))
    if dry_run:
        document["spec"]["dryRun"] = True
    cluster = Cluster(context, namespace or workflow.metadata.namespace)
    document["metadata"]["namespace"] = cluster.namespace
    made = cluster.create(document)
    if follow:
        _follow(cluster, made, output)
    elif output == "json":
        echo(json.dumps(made, indent=2, ensure_ascii=False))
    else:
        name = made["metadata"]["name"]
        echo(f"{cluster.namespace}/{name} created; kubernaut status {name} -n {cluster.namespace} --follow")


@click.command()
@click.argument("name", required=False)
@click.option("--follow", is_flag=True, help="Watch it until its end; the exit code is then as of `kubernaut run`.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="List those of all namespaces.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_cluster_options
def status(
    name: str | None, follow: bool, everywhere: bool, output: str, namespace: str | None, context: str | None
) -> None:
    """Show how the WorkflowExecution NAME stands, step by step; without NAME, list all."""
    cluster = Cluster(context, namespace)
    if name is None:
        if follow:
            raise click.UsageError("--follow watches one workflow; name it.")
        _list(cluster.all(everywhere=everywhere), output)
        return
    document = cluster.read(name)
    if follow:
        _follow(cluster, document, output)
    elif output == "json":
        echo(json.dumps(_report(document).document(), indent=2, ensure_ascii=False))
    else:
        _show(document)


@click.command()
@click.argument("name")
@_cluster_options
def cancel(name: str, namespace: str | None, context: str | None) -> None:
    """Cancel the WorkflowExecution NAME: running steps are told to stop, finally still runs."""
    cluster = Cluster(context, namespace)
    document = cluster.read(name)
    place, phase = f"{cluster.namespace}/{name}", _phase(document)
    if phase not in {"Pending", "Running"}:
        echo(f"{place} is over already: {phase}.")
        return
    cluster.cancel(name)
    echo(f"{place} is being cancelled; kubernaut status {name} -n {cluster.namespace} --follow")


def _follow(cluster: Cluster, document: Json, output: str) -> None:
    """Watches a workflow to its end, and exits as a local run of it would."""
    report = _report(document)
    try:
        with progress_for(report, quiet=output == "json") as progress:
            told = _tell(report, {}, progress)
            while report.phase in {"Pending", "Running"}:
                time.sleep(_POLL)
                document = cluster.read(document["metadata"]["name"])
                _renew(report, document)
                told = _tell(report, told, progress)
    except KeyboardInterrupt:
        name = document["metadata"]["name"]
        echo(f"it goes on; kubernaut cancel {name} -n {cluster.namespace} ends it", err=True)
        sys.exit(130)
    if output == "json":
        echo(json.dumps(report.document(), indent=2, ensure_ascii=False))
    else:
        echo((document.get("status") or {}).get("message", ""))
    sys.exit(report.exit_code)


def _tell(report: Report, told: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Tells what is new since it was told last, and returns what has been told."""
    message = report.notes[0] if report.notes else ""
    if report.phase == "Pending" and message and message != told.get(""):
        progress.say(message)
    for row in report.rows:
        if row.state is not told.get(row.name) and row.state is not State.INTENDED:
            if told.get(row.name) is None and row.state is not State.STARTED and row.started_at is not None:
                # it came and went between two looks
                progress.changed(report, Row(row.name, row.action_type, row.final, State.STARTED))
            progress.changed(report, row)
    return {"": message, **{row.name: row.state for row in report.rows if row.state is not State.INTENDED}}


def _phase(document: Json) -> Any:
    return (document.get("status") or {}).get("phase") or "Pending"


def _report(document: Json) -> Report:
    """A workflow of a cluster as a local run is reported."""
    spec = document["spec"]
    rows = [
        Row(step["name"], step["actionType"], final)
        for final, steps in ((False, spec["steps"]), (True, spec.get("finally") or ()))
        for step in steps
    ]
    report = Report(document["metadata"]["name"], rows, bool(spec.get("dryRun")))
    _renew(report, document)
    return report


def _renew(report: Report, document: Json) -> None:
    state = document.get("status") or {}
    report.phase = Phase(_phase(document))
    report.notes[:] = [state["message"]] if state.get("message") else []
    for known in state.get("steps") or ():
        row = report.row(known["name"])
        row.state, row.message = State(known["state"]), known.get("message") or ""
        row.changed, row.output, row.error = known.get("changed"), known.get("output"), known.get("error")
        row.record_id, row.log = known.get("recordId"), known.get("taskRun")
        row.started_at, row.finished_at = _time(known.get("startedAt")), _time(known.get("finishedAt"))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _show(document: Json) -> None:
    report = _report(document)
    message = report.notes.pop() if report.notes else ""
    with progress_for(report, quiet=False) as progress:
        for row in report.rows:
            if row.state is not State.INTENDED:
                progress.changed(report, row)
    echo(message)


def _list(documents: list[Json], output: str) -> None:
    if output == "json":
        echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    from rich.markup import escape  # noqa: PLC0415 – only a list needs it
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("NAMESPACE", "NAME", "PHASE", "STEPS", "TARGET", "AGE", "MESSAGE"):
        table.add_column(name, overflow="fold")
    for document in documents:
        metadata, state = document["metadata"], document.get("status") or {}
        age = utcnow() - datetime.fromisoformat(metadata["creationTimestamp"])
        cells = (_phase(document), state.get("progress", ""), state.get("target", ""), _age(age.total_seconds()))
        told = (metadata["namespace"], metadata["name"], *cells, state.get("message", ""))
        table.add_row(*(escape(one_line(str(cell))) for cell in told))
    wide_console().print(table)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"
