"""The loop that carries a PipelineRun to its end: asks `schedule` what is next, does it, waits, asks again.

Whatever a step's program or its results are like, and whoever stops watching, the loop goes on until every step has its
end: other steps are not left running, and `finally` runs. How a step ended is judged by `kubernaut_sdk.judgement`.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from kubernaut_cli.engine.documents import PipelineRun, PipelineTask, Task
from kubernaut_cli.engine.executor import Executor, NotStarted, Running
from kubernaut_cli.engine.output import read_output
from kubernaut_cli.engine.pod import ConfigMaps, Pod, make_pod
from kubernaut_cli.engine.report import Report, Row
from kubernaut_cli.engine.schedule import End, Stop, next_moves
from kubernaut_controller import Fault, InvalidWorkflow
from kubernaut_controller.status import Phase
from kubernaut_sdk.judgement import (
    ContainerEnd,
    StepIdentity,
    StepOutcome,
    failing_steps,
    intended_event,
    outcome_of,
    step_event,
)
from kubernaut_sdk.portable import loads
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.resultfiles import read_result_files
from kubernaut_sdk.states import State
from kubernaut_sdk.times import utcnow

__all__ = ["PARALLEL", "Executor", "LocalRun", "Running"]

PARALLEL = 8
"""Steps that run at once, unless said otherwise; most of the time they wait for others, so processors do not count."""

POD_GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL, as a pod has by default."""


@dataclass
class LocalRun:
    """One run of one PipelineRun on this machine.

    Args:
        run: What to run.
        task: The generic Task.
        executor: How steps are started.
        recorder: Takes what the controller would say: intended, skipped, lost, and what a container could not.
        config_maps: Of the namespace: where records go.
        secrets: Secret name → its folder.
        folder: Where the steps' folders are made.
        parallel: How many steps run at once.
        on_change: Called whenever a row changed; what it raises is passed over.

    Raises:
        InvalidWorkflow: if a step's context is none.
    """

    run: PipelineRun
    task: Task
    executor: Executor
    recorder: Recorder
    config_maps: ConfigMaps
    secrets: Mapping[str, Path]
    folder: Path
    parallel: int = PARALLEL
    on_change: Callable[[Report, Row], None] = lambda _report, _row: None
    _ends: dict[str, End] = field(default_factory=dict)
    _results: dict[str, str] = field(default_factory=dict)
    _steps: dict["asyncio.Task[End]", Row] = field(default_factory=dict)
    _running: dict[str, Running] = field(default_factory=dict)
    _stopped: dict[str, State] = field(default_factory=dict)
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
        self._identities = {task.name: self._identity(task) for task in self.run.tasks}

    def cancel(self, *, again: bool = True) -> None:
        """Stop as `CancelledRunFinally` does: running steps are told to stop, `finally` runs.

        Args:
            again: Whether a second call ends `finally` as well. A lost terminal may be told more than once.
        """
        if self._stop is None and not self._over:
            self._stop = Stop.CANCELLED
        elif again:
            self._over = True
            self._stop = self._stop or Stop.CANCELLED
        self._terminate_running()

    async def execute(self) -> Report:
        """Run it to its end and return how it went."""
        for task in self.run.tasks:
            if self._identities[task.name].record_id:
                self.recorder.send(intended_event(self._identities[task.name], utcnow()))
        timers = self._timers()
        try:
            while self._advance() or self._steps:
                if self._steps:
                    await self._wait_for_one()
        except BaseException:
            await self._abandon()
            raise
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
        """Start and skip what is due, as far as there is room; return whether there was anything."""
        spec = self.run.spec.pipeline_spec
        moves = next_moves(spec.tasks, spec.finally_, self._ends, self._stop)
        skipped = list(moves.skip)
        room = self.parallel - len(self._steps)
        for task in moves.start:
            if self._over:
                skipped.append((task, str(self._stop)))
            elif room > 0:
                room -= 1
                self._ends[task.name] = End.RUNNING
                row = self.report.row(task.name)
                self._steps[asyncio.create_task(self._step(task, row))] = row
        for task, reason in skipped:
            self._ends[task.name] = End.SKIPPED
            row = self.report.row(task.name)
            row.state, row.message = State.SKIPPED, reason
            self._tell(task, StepOutcome(state=State.SKIPPED))
            self._show(row)
        return bool(moves.start or moves.skip)

    async def _wait_for_one(self) -> None:
        done, _ = await asyncio.wait(self._steps, return_when=asyncio.FIRST_COMPLETED)
        for step in done:
            row = self._steps.pop(step)
            self._ends[row.name] = step.result()
            self._show(row)

    async def _abandon(self) -> None:
        """End what runs where the loop itself cannot go on."""
        self._over = True
        self._stop = self._stop or Stop.CANCELLED
        self._terminate_running()
        if self._steps:
            with suppress(BaseException):
                await asyncio.wait(self._steps, timeout=POD_GRACE)
        for running in self._running.values():
            running.kill()

    async def _step(self, task: PipelineTask, row: Row) -> End:
        row.state, row.started_at = State.STARTED, utcnow()
        self._show(row)
        try:
            end = await self._container_end(task, row)
        except NotStarted as problem:
            end = ContainerEnd(started=False, reason=problem.reason, sentence=problem.sentence)
        except InvalidWorkflow as error:
            end = ContainerEnd(started=False, reason="InvalidStep", sentence=str(error))
        except Exception as error:  # one step's trouble is not the others'
            told = f"The local engine lost it: {type(error).__name__}: {error}; see {row.log or self.folder}."
            end = ContainerEnd(reason="EngineError", sentence=told)
        row.finished_at = utcnow()
        outcome = outcome_of(replace(end, stopped=end.stopped or self._stopped.get(task.name)))
        if outcome.decided_by == "engine" and end.started:
            outcome = outcome_of(replace(end, record=await self._known(row)))
        self._write(row, outcome)
        if outcome.state.good:
            self._results |= {f"tasks.{task.name}.results.{name}": value for name, value in end.results.items()}
        later = self.executor.keeps_spool and outcome.record_status == "deferred"
        if not outcome.recorded and not later:
            self._tell(task, outcome)
        return End.SUCCEEDED if outcome.state.good else End.FAILED

    async def _container_end(self, task: PipelineTask, row: Row) -> ContainerEnd:
        """Start a step, wait for its end, and read what it left."""
        if self._stop and (self._over or not row.final):
            how = State.TIMED_OUT if self._stop is Stop.TIMED_OUT else State.CANCELLED
            told = f"It never started: {self._stop}."
            return ContainerEnd(started=False, stopped=how, sentence=told)
        pod = self._pod(task)
        row.log = str(pod.log)
        running = await self.executor.start(pod)
        self._running[task.name] = running
        try:
            if self._stop and (self._over or not row.final):
                self._terminate(task.name, running)
            ending = asyncio.ensure_future(running.wait())
            done, _ = await asyncio.wait({ending}, timeout=self.run.timeout_of(task).total_seconds())
            if not done:
                self._stopped[task.name] = State.TIMED_OUT
                running.terminate()
                done, _ = await asyncio.wait({ending}, timeout=POD_GRACE)
                if not done:
                    running.kill()
            row.exit_code = await ending
        except BaseException:
            running.kill()
            raise
        finally:
            del self._running[task.name]
        files = read_result_files(pod.results, [result["name"] for result in self.task.spec.results])
        printed = read_output(pod.output)
        row.change, row.attempt = printed.change, printed.attempt
        row.record_id = row.record_id or _uuid(files.values.get("record-id"))
        return ContainerEnd(
            exit_code=row.exit_code,
            results=files.values,
            unreadable=files.unreadable,
            stopped=self._stopped.get(task.name),
            sentence=_said_nothing(row) if row.exit_code else "",
        )

    def _write(self, row: Row, outcome: StepOutcome) -> None:
        row.state, row.changed, row.output, row.error = outcome.state, outcome.changed, outcome.output, outcome.error
        row.message, row.record_status = outcome.message or "", outcome.record_status

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
                self._terminate(name, running)

    def _terminate(self, name: str, running: Running) -> None:
        how = State.TIMED_OUT if self._stop is Stop.TIMED_OUT else State.CANCELLED
        self._stopped.setdefault(name, how)
        running.terminate()
        asyncio.get_running_loop().call_later(POD_GRACE, running.kill)

    async def _known(self, row: Row) -> dict[str, object] | None:
        """What Data Storage has of a step whose container said nothing."""
        record_id = _uuid(row.record_id)
        if record_id is None:
            return None
        try:
            return await asyncio.to_thread(self.recorder.read, UUID(record_id))
        except Exception:  # it is out of reach: then the container's silence decides
            return None

    def _show(self, row: Row) -> None:
        with suppress(Exception):  # who watches does not end what is watched
            self.on_change(self.report, row)

    def _tell(self, task: PipelineTask, outcome: StepOutcome) -> None:
        identity = self._identities[task.name]
        if identity.record_id:
            row = self.report.row(task.name)
            never = outcome.decided_by == "engine" and outcome.state is not State.LOST
            started = None if never else row.started_at
            self.recorder.send(step_event(identity, outcome, row.finished_at or utcnow(), started_at=started))

    def _identity(self, task: PipelineTask) -> StepIdentity:
        context = loads(task.param("context") or "{}", "context")
        if not isinstance(context, dict):
            raise InvalidWorkflow([Fault(f"step {task.name}", "its param context is no JSON object")])
        return StepIdentity(
            record_id=task.param("recordId"),
            action_type=task.param("actionType"),
            image=task.param("actionImage") if self.executor.image_runs else None,
            dry_run=self.report.dry_run,
            context=context,
        )

    def _phase(self) -> Phase:
        may_fail = {task.name for task in self.run.tasks if task.on_error == "continue"}
        if self._stop is Stop.TIMED_OUT:
            return Phase.TIMED_OUT
        if self._stop is Stop.CANCELLED:
            return Phase.CANCELLED
        failed = failing_steps({row.name: row.state for row in self.report.rows}, may_fail)
        return Phase.FAILED if failed else Phase.SUCCEEDED


def _said_nothing(row: Row) -> str:
    return f"its container ended with {row.exit_code} and said nothing; see {row.log}"


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
