"""`kubernaut run`: run a workflow's PipelineRun with the local engine."""

import sys
<<<<<<< HEAD
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
=======
>>>>>>> main
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from kubernaut_cli.engine.pipelinerun import PipelineRun, read_pipeline_run
<<<<<<< HEAD
from kubernaut_cli.engine.report import RunReport
from kubernaut_cli.engine.run import DEFAULT_PARALLEL, LocalRun
from kubernaut_cli.engine.spans import run_spans
=======
from kubernaut_cli.engine.run import DEFAULT_PARALLEL
>>>>>>> main
from kubernaut_cli.engine.task import generic_task
from kubernaut_cli.localrun import LocalSettings, run_locally
from kubernaut_cli.options import data_option, secret_folders
from kubernaut_cli.workflowfile import as_created, read_text, read_workflow
from kubernaut_controller import load_yaml, render
from kubernaut_sdk.errors import InvalidInputs
<<<<<<< HEAD
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.spans import SpanExporter
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.times import utcnow
from kubernaut_sdk.traceparent import TraceParent, WorkflowTrace
=======
>>>>>>> main

__all__ = ["run"]


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--engine", type=click.Choice(["process", "docker"]), default="process", show_default=True)
@click.option("--dry-run", is_flag=True, help="Plan every step; change nothing.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
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
<<<<<<< HEAD
    folders = _secret_folders(secrets)
    pipeline_run, trace = _pipeline_run(file, dry_run=dry_run, unknown_actions=engine == "docker")
    _require_secrets(pipeline_run, folders)
    folder = data_folder(data)
    output_pipe = _OutputPipe()
    with (
        StopSignals().installed() as signals,
        open_record_store(data) as store,
        _recorder(store, folder) as recorder,
        _kubeconfig(engine) as kubeconfig,
    ):
        local = LocalRun(
            run=pipeline_run,
            task=generic_task(),
            executor=_executor(engine, store.spool(folder), kubeconfig),
            recorder=recorder,
            config_maps={"kubernaut-data-storage": _storage_config(store, require=options["require_records"])},
            secrets=folders,
            folder=_run_folder(folder, pipeline_run.name),
            parallel=options["parallel"],
        )
        with show_progress(local.report, quiet=output == "json", stdout=output_pipe.stdout) as progress:
            started_at = utcnow()
            report = asyncio.run(_execute(local, progress, signals, output_pipe))
            _export_spans(report, trace, started_at)
    if output == "json":
        output_pipe.stdout.write(printable(json.dumps(report.document(), indent=2, ensure_ascii=False)) + "\n")
        output_pipe.stdout.flush()
    if output_pipe.stdout.problem is not None:
        SafeStream(sys.stderr).write(f"kubernaut: standard output: {output_pipe.stdout.problem}; not all was printed\n")
    sys.exit(report.exit_code)


class _OutputPipe:
    """Standard output, which cancels the run once nobody reads it."""

    def __init__(self) -> None:
        self.stdout = SafeStream(sys.stdout, self._on_closed)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.cancel: Callable[[], None] = lambda: None

    def _on_closed(self) -> None:
        if self.loop is None:
            return
        if threading.current_thread() is threading.main_thread():
            self.cancel()  # at once, before the loop starts another step
        else:
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self.cancel)
=======
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
>>>>>>> main


def _pipeline_run(file: str, *, dry_run: bool, unknown_actions: bool) -> tuple[PipelineRun, WorkflowTrace]:
    """Return the PipelineRun of a workflow file, or the one that the file contains; and the trace of this run.

    The trace continues the caller's, where TRACEPARENT names one.
    """
    caller = TraceParent.parse(os.environ.get("TRACEPARENT"))
    if load_yaml(text := read_text(file), file).get("kind") == "PipelineRun":
        if dry_run:
            raise click.UsageError("--dry-run: a PipelineRun says itself whether it is one (param dryRun).")
        trace = WorkflowTrace(str(uuid4()), caller)
        run = read_pipeline_run(load_yaml(text, file), generic_task())
        return run.with_new_record_ids().with_trace(trace), trace
    workflow = as_created(read_workflow(file, unknown_actions=unknown_actions, text=text), dry_run=dry_run)
    trace = WorkflowTrace(workflow.metadata.uid or "", caller)
    return read_pipeline_run(render(workflow), generic_task()).with_trace(trace), trace


def _export_spans(report: RunReport, trace: WorkflowTrace, started_at: datetime) -> None:
    """Export the spans of the run, where OpenTelemetry's variables say where to."""
    exporter = SpanExporter("kubernaut")
    exporter.export(run_spans(report, trace, started_at, utcnow()))
    exporter.close()


def _require_secrets(pipeline_run: PipelineRun, folders: dict[str, Path]) -> None:
    missing = [
        f"step {task.name}: its secretName is {name!r}; give it with --secret {name}=FOLDER."
        for task in pipeline_run.tasks
        if (name := pipeline_run.secret_of(task)) and name not in folders
    ]
    if missing:
        raise InvalidInputs(" ".join(missing))
