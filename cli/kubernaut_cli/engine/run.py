"""The loop that carries a PipelineRun to its end: asks `schedule` what is next, does it, waits, asks again."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from kubernaut_cli.engine.documents import PipelineRun, PipelineTask, Task
from kubernaut_cli.engine.pod import ConfigMaps, Pod, make_pod
from kubernaut_cli.engine.report import Phase, Report, Row
from kubernaut_cli.engine.schedule import End, Stop, next_moves
from kubernaut_controller import InvalidWorkflow
from kubernaut_sdk.portable import loads
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.states import Source, State
from kubernaut_sdk.storage import StorageUnavailable
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["Executor", "LocalRun", "Running"]

POD_GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL, as a pod has by default."""


class Running(Protocol):
    """A step that was started."""

    async def wait(self) -> int:
        """Its exit code, when it has one."""

    def terminate(self) -> None:
        """Tells it to stop."""

    def kill(self) -> None:
        """Ends it."""


class Executor(Protocol):
    """What starts steps: processes, or containers."""

    image_runs: bool

    async def start(self, pod: Pod) -> Running:
        """Starts one."""


@dataclass
class LocalRun:
    """One run of one PipelineRun on this machine.

    Args:
        run: What to run.
        task: The generic Task.
        executor: How steps are started.
        recorder: Takes what the controller would say: intended, skipped, lost.
        config_maps: Of the namespace: where records go.
        secrets: Secret name → its folder.
        folder: Where the steps' folders are made.
        on_change: Called whenever a row changed.
    """

    run: PipelineRun
    task: Task
    executor: Executor
    recorder: Recorder
    config_maps: ConfigMaps
    secrets: Mapping[str, Path]
    folder: Path
    on_change: Callable[[Report, Row], None] = lambda _report, _row: None
    _ends: dict[str, End] = field(default_factory=dict)
    _results: dict[str, str] = field(default_factory=dict)
    _steps: dict["asyncio.Task[End]", Row] = field(default_factory=dict)
    _running: dict[str, Running] = field(default_factory=dict)
    _stop: Stop | None = None
    _over: bool = False

    def __post_init__(self) -> None:
        final = {task.name for task in self.run.spec.pipeline_spec.finally_}
        dry = any(task.param("dryRun") == "true" for task in self.run.tasks)
        rows = [
            Row(task.name, task.param("actionType") or "?", task.name in final, record_id=task.param("recordId"))
            for task in self.run.tasks
        ]
        self.report = Report(self.run.name, rows, dry, notes=self.run.notes())

    def cancel(self) -> None:
        """As `CancelledRunFinally`: running steps are told to stop, `finally` runs. A second time: all of it ends."""
        if self._stop is None and not self._over:
            self._stop = Stop.CANCELLED
        else:
            self._over = True
            self._stop = self._stop or Stop.CANCELLED
        self._terminate_running()

    async def execute(self) -> Report:
        """Runs it to its end and tells how it went."""
        for task in self.run.tasks:
            self._tell(task, State.INTENDED, intended_at=utcnow())
        timers = self._timers()
        try:
            while self._advance() or self._steps:
                if self._steps:
                    await self._wait_for_one()
        finally:
            for timer in timers:
                timer.cancel()
        self.report.phase = self._phase()
        return self.report

    def _timers(self) -> list[asyncio.TimerHandle]:
        loop, timeouts = asyncio.get_running_loop(), self.run.spec.timeouts
        timers = [loop.call_later(timeouts.pipeline.total_seconds(), self._time_over, True)]
        if timeouts.tasks:
            timers.append(loop.call_later(timeouts.tasks.total_seconds(), self._time_over, False))
        return timers

    def _time_over(self, whole: bool) -> None:
        graph = self.run.spec.pipeline_spec.tasks
        if whole or any(self._ends.get(task.name, End.RUNNING) is End.RUNNING for task in graph):
            self._stop = self._stop or Stop.TIMED_OUT
            self._over = self._over or whole
            self._terminate_running()

    def _advance(self) -> bool:
        """Starts and skips what is due; whether there was anything."""
        spec = self.run.spec.pipeline_spec
        moves = next_moves(spec.tasks, spec.finally_, self._ends, self._stop)
        skipped = list(moves.skip)
        for task in moves.start:
            if self._over:
                skipped.append((task, str(self._stop)))
                continue
            row = self.report.row(task.name)
            self._ends[task.name] = End.RUNNING
            self._steps[asyncio.create_task(self._step(task, row))] = row
        for task, reason in skipped:
            self._ends[task.name] = End.SKIPPED
            row = self.report.row(task.name)
            row.state, row.message = State.SKIPPED, reason
            self._tell(task, State.SKIPPED, finished_at=utcnow())
            self.on_change(self.report, row)
        return bool(moves.start or moves.skip)

    async def _wait_for_one(self) -> None:
        done, _ = await asyncio.wait(self._steps, return_when=asyncio.FIRST_COMPLETED)
        for step in done:
            row = self._steps.pop(step)
            self._ends[row.name] = step.result()
            self.on_change(self.report, row)

    async def _step(self, task: PipelineTask, row: Row) -> End:
        row.state, row.started_at = State.STARTED, utcnow()
        self.on_change(self.report, row)
        timed_out = False
        try:
            pod = self._pod(task)
            row.log = str(pod.log)
            running = await self.executor.start(pod)
        except InvalidWorkflow as error:
            row.state, row.message, row.finished_at = State.FAILED, str(error), utcnow()
            self._tell(task, State.LOST, finished_at=utcnow())
            return End.FAILED
        self._running[task.name] = running
        if self._stop and not row.final:
            running.terminate()
        try:
            ending = asyncio.ensure_future(running.wait())
            done, _ = await asyncio.wait({ending}, timeout=self.run.timeout_of(task).total_seconds())
            if not done:
                timed_out = True
                await self._end_in_time(running, ending)
            row.exit_code = await ending
        finally:
            del self._running[task.name]
        row.finished_at = utcnow()
        self._read(task, row, pod, timed_out=timed_out)
        return End.SUCCEEDED if row.exit_code == 0 and not timed_out else End.FAILED

    def _pod(self, task: PipelineTask) -> Pod:
        folder = self.folder / task.name
        secret_name = self.run.secret_of(task)
        pod = make_pod(
            self.run,
            self.task,
            task,
            self._results,
            config_maps=self.config_maps,
            folder=folder,
            secret=self.secrets.get(secret_name) if secret_name else None,
        )
        for path in (pod.results, pod.scratch):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return pod

    def _terminate_running(self) -> None:
        final = {task.name for task in self.run.spec.pipeline_spec.finally_}
        for name, running in self._running.items():
            if self._over or name not in final:
                running.terminate()
                asyncio.get_running_loop().call_later(POD_GRACE, running.kill)

    @staticmethod
    async def _end_in_time(running: Running, ending: "asyncio.Future[int]") -> None:
        running.terminate()
        done, _ = await asyncio.wait({ending}, timeout=POD_GRACE)
        if not done:
            running.kill()

    def _read(self, task: PipelineTask, row: Row, pod: Pod, *, timed_out: bool) -> None:
        """Takes the step's results, as Tekton takes them from a container that ended."""
        files = {path.name: path.read_text(encoding="utf-8") for path in pod.results.iterdir() if path.is_file()}
        for name, value in files.items():
            self._results[f"tasks.{task.name}.results.{name}"] = value
        row.record_id = files.get("record-id") or row.record_id
        row.record_status = files.get("record-status")
        row.changed = {"true": True, "false": False}.get(files.get("changed", ""))
        row.output, row.error = _json(files.get("output")), _json(files.get("error"))
        document = _json(pod.output.read_text(encoding="utf-8", errors="replace")) or {}
        row.change = document.get("change")
        row.attempt = (document.get("record") or {}).get("attempt", 0)
        silent = "status" not in files or (row.error or {}).get("reason") == "Interrupted"
        row.state = State(files["status"]) if "status" in files else State.LOST
        if silent and row.exit_code not in {0, 143}:
            row.state = State.LOST
            row.message = f"its container ended with {row.exit_code} and said nothing; see {row.log}"
            self._tell_lost(task, row)
        elif row.error:
            row.message = row.error["message"]
        if timed_out:
            row.state, row.message = State.TIMED_OUT, "its TaskRun's time was over"

    def _tell_lost(self, task: PipelineTask, row: Row) -> None:
        try:
            known = self.recorder.read(UUID(row.record_id)) if row.record_id else None
        except StorageUnavailable:
            known = None
        if known is None or not State(known["state"]).terminal:
            self._tell(task, State.LOST, finished_at=utcnow())

    def _tell(self, task: PipelineTask, state: State, **times: datetime) -> None:
        record_id = task.param("recordId")
        if not record_id:
            return
        about = loads(task.param("context") or "{}", "context")
        about.pop("cluster", None)
        image = task.param("actionImage") if self.executor.image_runs else None
        event = {
            "id": record_id,
            "attempt": 0,
            "state": state.value,
            "at": rfc3339(utcnow()),
            "action_type": task.param("actionType"),
            "source": Source.CONTROLLER.value,
            "dry_run": self.report.dry_run,
            **({"image": image} if image else {}),
            **about,
            **{name: rfc3339(time) for name, time in times.items()},
        }
        self.recorder.tell(event)

    def _phase(self) -> Phase:
        failed = any(
            end is End.FAILED and task.on_error != "continue"
            for task in self.run.tasks
            if (end := self._ends[task.name])
        )
        if self._stop is Stop.TIMED_OUT:
            return "TimedOut"
        if self._stop is Stop.CANCELLED:
            return "Cancelled"
        return "Failed" if failed else "Succeeded"


def _json(text: str | None) -> Any:
    with suppress(ValueError):
        return json.loads(text) if text else None
    return None
