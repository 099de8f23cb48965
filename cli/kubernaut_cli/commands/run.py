"""`kubernaut run`: run a workflow's PipelineRun with the local engine."""

import sys
from pathlib import Path
from typing import Any

import click

from kubernaut_cli.engine.pipelinerun import PipelineRun, read_pipeline_run
from kubernaut_cli.engine.run import DEFAULT_PARALLEL
from kubernaut_cli.engine.task import generic_task
from kubernaut_cli.localrun import LocalSettings, run_locally
from kubernaut_cli.options import data_option, engine_option, output_option, secret_folders
from kubernaut_cli.workflowfile import as_created, read_text, read_workflow
from kubernaut_controller import load_yaml, render
from kubernaut_sdk.errors import InvalidInputs

__all__ = ["run"]


@click.command()
@click.argument("file", metavar="FILE")
@engine_option
@click.option("--dry-run", is_flag=True, help="Plan every step; change nothing.")
@output_option("text", "json")
@data_option
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME=FOLDER",
    help="A folder of files that stands for a Kubernetes Secret; may be repeated.",
)
@click.option("--require-records", is_flag=True, help="Apply nothing whose record cannot be stored.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 1_000),
    default=DEFAULT_PARALLEL,
    show_default=True,
    metavar="N",
    help="The number of steps that run at once.",
)
def run(file: str, engine: str, dry_run: bool, output: str, data: Path | None, **options: Any) -> None:
    """Run the workflow (or PipelineRun) in FILE on this machine.

    Ctrl-C, SIGTERM, a closed terminal and a closed pipe cancel it: running steps get SIGTERM, and `finally` still runs.

    Exit code: 0 it succeeded, 1 a step failed, 2 the file cannot be run, 3 no Docker engine or no usable data folder,
    124 its time was over, 130 it was cancelled.
    """
    secrets: tuple[str, ...] = options["secrets"]
    folders = secret_folders(secrets)
    pipeline_run = _pipeline_run(file, dry_run=dry_run, unknown_actions=engine == "docker")
    _require_secrets(pipeline_run, folders)
    settings = LocalSettings(
        engine=engine,
        output=output,
        data=data,
        secrets=folders,
        require_records=options["require_records"],
        parallel=options["parallel"],
    )
    sys.exit(run_locally(pipeline_run, settings).exit_code)


def _pipeline_run(file: str, *, dry_run: bool, unknown_actions: bool) -> PipelineRun:
    """Return the PipelineRun of a workflow file, or the one that the file contains."""
    if load_yaml(text := read_text(file), file).get("kind") == "PipelineRun":
        if dry_run:
            raise click.UsageError("--dry-run: a PipelineRun says itself whether it is one (param dryRun).")
        return read_pipeline_run(load_yaml(text, file), generic_task()).with_new_record_ids()
    workflow = as_created(read_workflow(file, unknown_actions=unknown_actions, text=text), dry_run=dry_run)
    return read_pipeline_run(render(workflow), generic_task())


def _require_secrets(pipeline_run: PipelineRun, folders: dict[str, Path]) -> None:
    missing = [
        f"step {task.name}: its secretName is {name!r}; give it with --secret {name}=FOLDER."
        for task in pipeline_run.tasks
        if (name := pipeline_run.secret_of(task)) and name not in folders
    ]
    if missing:
        raise InvalidInputs(" ".join(missing))
