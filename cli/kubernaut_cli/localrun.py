"""Running a PipelineRun on this machine: signals, output, store, engine and folder around `LocalRun`.

Used by `kubernaut run` and `kubernaut undo`.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from kubernaut_cli.engine.executor import StepExecutor
from kubernaut_cli.engine.pipelinerun import PipelineRun
from kubernaut_cli.engine.report import RunReport
from kubernaut_cli.engine.run import DEFAULT_PARALLEL, LocalRun
from kubernaut_cli.engine.spans import run_spans
from kubernaut_cli.engine.task import generic_task
from kubernaut_cli.progress import Progress, show_progress
from kubernaut_cli.signals import StopSignals
from kubernaut_cli.store import RecordStore, open_record_store
from kubernaut_cli.streams import SafeStream
from kubernaut_cli.terminal import printable
from kubernaut_controller import Fault, InvalidWorkflow
from kubernaut_datastorage.folder import data_folder
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.spans import SpanExporter
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.times import utcnow
from kubernaut_sdk.traceparent import TraceParent, WorkflowTrace

__all__ = ["LocalSettings", "run_locally"]


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The settings of a run on this machine.

    Attributes:
        engine: `process` or `docker`.
        output: `text` or `json`.
        data: The option `--data`.
        secrets: The folder of each Secret.
        require_records: True if nothing is applied whose record cannot be stored.
        parallel: The number of steps that run at once.
        places: By step, the inputs that say where its changed value stands, if its own inputs do not.
    """

    engine: str = "process"
    output: str = "text"
    data: Path | None = None
    secrets: Mapping[str, Path]
    require_records: bool = False
    parallel: int = DEFAULT_PARALLEL
    places: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def run_locally(pipeline_run: PipelineRun, settings: LocalSettings) -> RunReport:
    """Run a PipelineRun to its end, show its progress, print its report, and return it.

    The run is one trace, which continues the caller's where TRACEPARENT names one.
    """
    trace = WorkflowTrace(str(uuid4()), TraceParent.parse(os.environ.get("TRACEPARENT")))
    folder = data_folder(settings.data).absolute()  # a step's tool may run in another folder
    output_pipe = _OutputPipe()
    with (
        StopSignals().installed() as signals,
        open_record_store(settings.data) as store,
        _recorder(store, folder) as recorder,
        _kubeconfig(settings.engine) as kubeconfig,
    ):
        local = LocalRun(
            run=pipeline_run.with_trace(trace),
            task=generic_task(),
            executor=_executor(settings.engine, store.spool(folder), kubeconfig),
            recorder=recorder,
            config_maps={"kubernaut-data-storage": _storage_config(store, require=settings.require_records)},
            secrets=settings.secrets,
            folder=_run_folder(folder, pipeline_run.name),
            parallel=settings.parallel,
        )
        for step in local.report.steps:
            step.places |= settings.places.get(step.name, {})
        with show_progress(local.report, quiet=settings.output == "json", stdout=output_pipe.stdout) as progress:
            started_at = utcnow()
            report = asyncio.run(_execute(local, progress, signals, output_pipe))
        _export_spans(report, trace, started_at)
    if settings.output == "json":
        output_pipe.stdout.write(printable(json.dumps(report.document(), indent=2, ensure_ascii=False)) + "\n")
        output_pipe.stdout.flush()
    if output_pipe.stdout.problem is not None:
        SafeStream(sys.stderr).write(f"kubernaut: standard output: {output_pipe.stdout.problem}; not all was printed\n")
    return report


def _export_spans(report: RunReport, trace: WorkflowTrace, started_at: datetime) -> None:
    """Export the spans of the run, where OpenTelemetry's variables say where to."""
    exporter = SpanExporter("kubernaut")
    exporter.export(run_spans(report, trace, started_at, utcnow()))
    exporter.close()


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


async def _execute(local: LocalRun, progress: Progress, signals: StopSignals, output_pipe: _OutputPipe) -> RunReport:
    def cancel_once() -> None:
        """Cancel, but never `finally`: a shell and a terminal may both report that the terminal was closed."""
        local.cancel(again=False)

    def on_signal(number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            cancel_once()
            return
        progress.print_line(
            "cancelling: running steps are told to stop, finally still runs; once more ends that as well"
        )
        local.cancel()

    output_pipe.loop, output_pipe.cancel = asyncio.get_running_loop(), cancel_once
    signals.handle_with(on_signal)
    local.on_change = progress.step_changed
    try:
        return await local.execute()
    finally:
        signals.ignore()
        output_pipe.loop = None


@contextmanager
def _recorder(store: RecordStore, folder: Path) -> Iterator[Recorder]:
    recorder = Recorder(store.client(), store.spool(folder), log_line=lambda _line: None)
    try:
        yield recorder
    finally:
        recorder.close()


def _storage_config(store: RecordStore, *, require: bool) -> dict[str, str]:
    return {"url": store.url, "policy": "require" if require else "best-effort"}


def _executor(engine: str, spool: Spool, kubeconfig: Path | None) -> StepExecutor:
    if engine == "process":
        from kubernaut_cli.engine.process import ProcessExecutor  # noqa: PLC0415 – a run needs only one engine

        with suppress(OSError):  # a step that cannot use its spool reports that itself
            spool.prepare()
        return ProcessExecutor(spool.folder)
    from kubernaut_cli.engine.container import ContainerExecutor  # noqa: PLC0415 – docker's client takes 0.2 s

    return ContainerExecutor(kubeconfig)


@contextmanager
def _kubeconfig(engine: str) -> Iterator[Path | None]:
    """Yield a temporary, self-contained copy of the user's kubeconfig for containers, or None if there is none."""
    if engine != "docker" or shutil.which("kubectl") is None:
        yield None
        return
    argv = ["kubectl", "config", "view", "--raw", "--flatten", "--minify"]
    flat = subprocess.run(argv, capture_output=True, check=False)
    if flat.returncode != 0 or b"server:" not in flat.stdout:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="kubeconfig-") as file:
        file.write(flat.stdout)
        file.flush()
        if os.getuid() == 0:
            os.chown(file.name, 65532, 65532)  # the user of the action images
        yield Path(file.name)


def _run_folder(folder: Path, name: str) -> Path:
    """Make and return a new folder for this run's logs and results, below the data folder whatever the run's name."""
    runs = folder / "runs"
    runs.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not name or Path(name).name != name or name.startswith("."):
        raise InvalidWorkflow([Fault("metadata.name", f"{shorten(name)} is no name of a PipelineRun")])
    try:
        (runs / name).mkdir(mode=0o700)  # fails if there is anything of this name, a link too
    except FileExistsError:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runs))
    return runs / name
