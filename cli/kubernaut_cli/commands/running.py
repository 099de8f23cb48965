"""`kubernaut run`: the workflow's PipelineRun through the local engine, with its records in the embedded store."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from kubernaut_cli.engine.documents import PipelineRun, generic_task, read_pipeline_run
from kubernaut_cli.engine.report import Report
from kubernaut_cli.engine.run import PARALLEL, Executor, LocalRun
from kubernaut_cli.progress import Progress, progress_for
from kubernaut_cli.signals import Signals
from kubernaut_cli.store import Store, data_folder, opened
from kubernaut_cli.streams import SteadyStream
from kubernaut_cli.terminal import printable
from kubernaut_cli.workflowfile import admitted, read_text, read_workflow
from kubernaut_controller import Fault, InvalidWorkflow, load_yaml, render
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.spool import Spool

__all__ = ["run"]


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--engine", type=click.Choice(["process", "docker"]), default="process", show_default=True)
@click.option("--dry-run", is_flag=True, help="Plan every step; change nothing.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Where records and logs are kept.")
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
    default=PARALLEL,
    show_default=True,
    metavar="N",
    help="How many steps run at once.",
)
def run(file: str, engine: str, dry_run: bool, output: str, data: Path | None, **options: Any) -> None:
    """Run the workflow (or PipelineRun) in FILE on this machine.

    Exit code: 0 it succeeded, 1 a step failed, 2 the file cannot be run, 124 its time was over, 130 it was cancelled.
    Ctrl-C, SIGTERM, a terminal that goes away and a pipe that nobody reads any more cancel it: running steps are told
    to stop and `finally` still runs.
    """
    secrets: tuple[str, ...] = options["secrets"]
    folders = _secret_folders(secrets)
    pipeline_run = _pipeline_run(file, dry_run=dry_run, unknown_actions=engine == "docker")
    _require_secrets(pipeline_run, folders)
    folder = data_folder(data)
    watched = _Watched()
    with (
        Signals().installed() as signals,
        opened(data) as store,
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
        with progress_for(local.report, quiet=output == "json", stdout=watched.stdout) as progress:
            report = asyncio.run(_carried_out(local, progress, signals, watched))
    if output == "json":
        watched.stdout.write(printable(json.dumps(report.document(), indent=2, ensure_ascii=False)) + "\n")
        watched.stdout.flush()
    if watched.stdout.problem is not None:
        SteadyStream(sys.stderr).write(f"kubernaut: standard output: {watched.stdout.problem}; not all was printed\n")
    sys.exit(report.exit_code)


class _Watched:
    """Standard output, and what is done when nobody reads it any more."""

    def __init__(self) -> None:
        self.stdout = SteadyStream(sys.stdout, self._gone)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.cancel: Callable[[], None] = lambda: None

    def _gone(self) -> None:
        if self.loop is None:
            return
        if threading.current_thread() is threading.main_thread():
            self.cancel()  # before anything more is started
        else:
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self.cancel)


def _pipeline_run(file: str, *, dry_run: bool, unknown_actions: bool) -> PipelineRun:
    """The PipelineRun of a workflow file; a PipelineRun stands for itself."""
    if load_yaml(text := read_text(file), file).get("kind") == "PipelineRun":
        if dry_run:
            raise InvalidWorkflow([Fault("--dry-run", "a PipelineRun says itself whether it is one (param dryRun)")])
        return read_pipeline_run(load_yaml(text, file), generic_task()).as_another_run()
    workflow = admitted(read_workflow(file, unknown_actions=unknown_actions, text=text), dry_run=dry_run)
    return read_pipeline_run(render(workflow), generic_task())


async def _carried_out(local: LocalRun, progress: Progress, signals: Signals, watched: _Watched) -> Report:
    def lost() -> None:
        """The one who watched is gone; a shell and a terminal may both say so, and `finally` is to run all the same."""
        local.cancel(again=False)

    def asked(number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            lost()
            return
        progress.say("cancelling: running steps are told to stop, finally still runs; once more ends that as well")
        local.cancel()

    watched.loop, watched.cancel = asyncio.get_running_loop(), lost
    signals.lead_to(asked)
    local.on_change = progress.changed
    try:
        return await local.execute()
    finally:
        signals.over()
        watched.loop = None


def _secret_folders(options: tuple[str, ...]) -> dict[str, Path]:
    folders = {}
    for option in options:
        name, _, path = option.partition("=")
        if not name or not Path(path).is_dir():
            raise click.UsageError(f"--secret {option}: write NAME=FOLDER, where FOLDER is there.")
        folders[name] = Path(path).resolve()
    return folders


def _require_secrets(pipeline_run: PipelineRun, folders: dict[str, Path]) -> None:
    faults = [
        Fault(f"step {task.name}", f"its secretName is {name!r}; give it with --secret {name}=FOLDER")
        for task in pipeline_run.tasks
        if (name := pipeline_run.secret_of(task)) and name not in folders
    ]
    if faults:
        raise InvalidWorkflow(faults)


@contextmanager
def _recorder(store: Store, folder: Path) -> Iterator[Recorder]:
    recorder = Recorder(store.client(), store.spool(folder), log_line=lambda _line: None)
    try:
        yield recorder
    finally:
        recorder.close()


def _storage_config(store: Store, *, require: bool) -> dict[str, str]:
    return {"url": store.url, "policy": "require" if require else "best-effort"}


def _executor(engine: str, spool: Spool, kubeconfig: Path | None) -> Executor:
    if engine == "process":
        from kubernaut_cli.engine.process import ProcessExecutor  # noqa: PLC0415 – only one engine is needed

        with suppress(OSError):  # a step that can keep nothing says so itself
            spool.prepare()
        return ProcessExecutor(spool.folder)
    from kubernaut_cli.engine.container import ContainerExecutor  # noqa: PLC0415 – docker's client takes 0.2 s

    return ContainerExecutor(kubeconfig)


@contextmanager
def _kubeconfig(engine: str) -> Iterator[Path | None]:
    """For containers: the person's kubeconfig in one file of its own, gone when the run ends."""
    import shutil  # noqa: PLC0415 – of no use to the other engine
    import subprocess  # noqa: PLC0415

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
            os.chown(file.name, 65532, 65532)  # the user of action images
        yield Path(file.name)


def _run_folder(folder: Path, name: str) -> Path:
    """Make a new folder for this run's logs and results, below the data folder whatever the run is called."""
    runs = folder / "runs"
    runs.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not name or Path(name).name != name or name.startswith("."):
        raise InvalidWorkflow([Fault("metadata.name", f"{shorten(name)} is no name of a PipelineRun")])
    try:
        (runs / name).mkdir(mode=0o700)  # refuses what is there already, a link too
    except FileExistsError:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runs))
    return runs / name
