"""The loop that runs a PipelineRun: it takes the next tasks from `schedule`, starts them, waits, and begins again.

The loop goes on until every step has ended, whatever a step's program or its results are like and even if the output is
read no more: no step is left running, and `finally` runs. `kubernaut_sdk.judgement` decides how a step ended.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from kubernaut_cli.engine.executor import NotStarted, RunningStep, StepExecutor
from kubernaut_cli.engine.output import read_step_output
from kubernaut_cli.engine.pipelinerun import PipelineRun, PipelineTask
from kubernaut_cli.engine.pod import ConfigMaps, LocalPod, make_local_pod
from kubernaut_cli.engine.report import RunReport, StepReport
from kubernaut_cli.engine.schedule import StopReason, TaskState, next_tasks
from kubernaut_cli.engine.task import Task
from kubernaut_cli.history.changes import PLACES
from kubernaut_controller import Fault, InvalidWorkflow
from kubernaut_controller.status import Phase
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.judgement import ContainerEnd, StepOutcome, failing_steps, outcome_of
from kubernaut_sdk.portable import loads
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.resultfiles import read_result_files
from kubernaut_sdk.states import State
from kubernaut_sdk.stepevents import StepIdentity, intended_event, step_event
from kubernaut_sdk.times import utcnow
from kubernaut_sdk.traceparent import TraceParent

__all__ = ["DEFAULT_PARALLEL", "LocalRun"]

DEFAULT_PARALLEL = 8
"""The default number of steps that run at once. Steps mostly wait for other systems, so it is no matter of CPUs."""

POD_GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL: the default of a pod."""


@dataclass
class LocalRun:
    """One run of one PipelineRun on this machine.

    Args:
        run: The PipelineRun.
        task: The generic Task.
        executor: The executor that starts the steps.
        recorder: Sends the events that the controller would send: intended, skipped, lost, and the outcome of a step
            that could not send its own.
        config_maps: The ConfigMaps of the namespace; `kubernaut-data-storage` says where records go.
        secrets: The folder of each Secret.
        folder: The folder in which each step gets a folder of its own.
        parallel: The number of steps that may run at once.
        on_change: Called with a step whenever it changed; exceptions that it raises are ignored.

    Raises:
        InvalidWorkflow: if a step's param `context` is not a JSON object.
    """

    run: PipelineRun
    task: Task
    executor: StepExecutor
    recorder: Recorder
    config_maps: ConfigMaps
    secrets: Mapping[str, Path]
    folder: Path
    parallel: int = DEFAULT_PARALLEL
    on_change: Callable[[StepReport], None] = lambda _step: None
    _states: dict[str, TaskState] = field(default_factory=dict)
    _results: dict[str, str] = field(default_factory=dict)
    _running_steps: dict["asyncio.Task[TaskState]", StepReport] = field(default_factory=dict)
    _programs: dict[str, RunningStep] = field(default_factory=dict)
    _stopped_as: dict[str, State] = field(default_factory=dict)
    _stop_reason: StopReason | None = None
    _finally_stopped: bool = False

    def __post_init__(self) -> None:
        final = {task.name for task in self.run.spec.pipeline_spec.finally_}
        dry = any(task.param("dryRun") == "true" for task in self.run.tasks)
        steps = [
            StepReport(
                task.name,
                task.param("actionType") or "?",
                task.name in final,
                record_id=task.param("recordId"),
                places=_places(task),
            )
            for task in self.run.tasks
        ]
        notes = self.run.notes(limits_memory=self.executor.limits_memory)
        self.report = RunReport(self.run.name, steps, dry, notes=notes, trace_id=_trace_id(self.run))
        self._identities = {task.name: self._identity(task) for task in self.run.tasks}

    def cancel(self, *, again: bool = True) -> None:
        """Stop the run as Tekton's `CancelledRunFinally` does: running steps get SIGTERM, and `finally` runs.

        Args:
            again: True if a second call stops `finally` as well. A lost terminal may cause several calls: pass False.
        """
        if self._stop_reason is None and not self._finally_stopped:
            self._stop_reason = StopReason.CANCELLED
        elif again:
            self._finally_stopped = True
            self._stop_reason = self._stop_reason or StopReason.CANCELLED
        self._terminate_running()

    async def execute(self) -> RunReport:
        """Run it to its end and return the report."""
        for task in self.run.tasks:
            if self._identities[task.name].record_id:
                self.recorder.send(intended_event(self._identities[task.name], utcnow()))
        timers = self._timers()
        try:
            while self._advance() or self._running_steps:
                if self._running_steps:
                    await self._wait_for_a_step()
        except BaseException:
            await self._stop_all()
            raise
        finally:
            for timer in timers:
                timer.cancel()
        self.report.phase = self._phase()
        return self.report

    def _timers(self) -> list[asyncio.TimerHandle]:
        loop, timeouts = asyncio.get_running_loop(), self.run.spec.timeouts
        timers = [loop.call_later(timeouts.pipeline.total_seconds(), self._on_timeout, True)]
        if timeouts.tasks:
            timers.append(loop.call_later(timeouts.tasks.total_seconds(), self._on_timeout, False))
        return timers

    def _on_timeout(self, whole: bool) -> None:
        """Stop what a timeout concerns: with `whole` everything, else the tasks but not `finally`."""
        graph = self.run.spec.pipeline_spec.tasks
        if whole or any(self._states.get(task.name, TaskState.RUNNING) is TaskState.RUNNING for task in graph):
            self._stop_reason = self._stop_reason or StopReason.TIMED_OUT
            self._finally_stopped = self._finally_stopped or whole
            self._terminate_running()

    def _advance(self) -> bool:
        """Start and skip the tasks that are due, up to the limit of `parallel`; return True if there were any."""
        spec = self.run.spec.pipeline_spec
        due = next_tasks(spec.tasks, spec.finally_, self._states, self._stop_reason)
        skipped = list(due.skip)
        free = self.parallel - len(self._running_steps)
        for task in due.start:
            if self._finally_stopped:
                skipped.append((task, str(self._stop_reason)))
            elif free > 0:
                free -= 1
                self._states[task.name] = TaskState.RUNNING
                step = self.report.step(task.name)
                self._running_steps[asyncio.create_task(self._run_step(task, step))] = step
        for task, reason in skipped:
            self._states[task.name] = TaskState.SKIPPED
            step = self.report.step(task.name)
            step.state, step.message = State.SKIPPED, reason
            self._send_event(task, StepOutcome(state=State.SKIPPED))
            self._notify(step)
        return bool(due.start or due.skip)

    async def _wait_for_a_step(self) -> None:
        done, _ = await asyncio.wait(self._running_steps, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            step = self._running_steps.pop(ended)
            self._states[step.name] = ended.result()
            self._notify(step)

    async def _stop_all(self) -> None:
        """Stop all running steps after the loop itself failed or was cancelled."""
        self._finally_stopped = True
        self._stop_reason = self._stop_reason or StopReason.CANCELLED
        self._terminate_running()
        if self._running_steps:
            with suppress(BaseException):
                await asyncio.wait(self._running_steps, timeout=POD_GRACE)
        for running in self._programs.values():
            running.kill()

    async def _run_step(self, task: PipelineTask, step: StepReport) -> TaskState:
        step.state, step.started_at = State.STARTED, utcnow()
        self._notify(step)
        try:
            end = await self._run_container(task, step)
        except NotStarted as problem:
            end = ContainerEnd(started=False, reason=problem.reason, sentence=problem.sentence)
        except InvalidWorkflow as error:
            end = ContainerEnd(started=False, reason="InvalidStep", sentence=str(error))
        except Exception as error:  # an error in one step must not stop the others
            sentence = f"The local engine lost it: {type(error).__name__}: {error}; see {step.log or self.folder}."
            end = ContainerEnd(reason="EngineError", sentence=sentence)
        step.finished_at = utcnow()
        # a program that left no results may have sent its record before it died
        outcome = outcome_of(replace(end, stopped=end.stopped or self._stopped_as.get(task.name)))
        if outcome.decided_by == "engine" and end.started:
            outcome = outcome_of(replace(end, record=await self._stored_record(step)))
        self._report_outcome(step, outcome)
        if outcome.state.good:
            self._results |= {f"tasks.{task.name}.results.{name}": value for name, value in end.results.items()}
        # what the step left in the spool is sent later, and must not be contradicted now
        later = self.executor.keeps_spool and outcome.record_status == "deferred"
        if not outcome.recorded and not later:
            self._send_event(task, outcome)
        return TaskState.SUCCEEDED if outcome.state.good else TaskState.FAILED

    async def _run_container(self, task: PipelineTask, step: StepReport) -> ContainerEnd:
        """Start a step, wait for its end, and return its exit code and results."""
        if self._stop_reason and (self._finally_stopped or not step.final):
            how = State.TIMED_OUT if self._stop_reason is StopReason.TIMED_OUT else State.CANCELLED
            return ContainerEnd(started=False, stopped=how, sentence=f"It never started: {self._stop_reason}.")
        pod = self._pod(task)
        step.log = str(pod.log)
        running = await self.executor.start(pod)
        self._programs[task.name] = running
        try:
            if self._stop_reason and (self._finally_stopped or not step.final):
                self._terminate(task.name, running)
            ending = asyncio.ensure_future(running.wait())
            done, _ = await asyncio.wait({ending}, timeout=self.run.timeout_of(task).total_seconds())
            if not done:
                self._stopped_as[task.name] = State.TIMED_OUT
                running.terminate()
                done, _ = await asyncio.wait({ending}, timeout=POD_GRACE)
                if not done:
                    running.kill()
            step.exit_code = await ending
        except BaseException:
            running.kill()
            raise
        finally:
            del self._programs[task.name]
        files = read_result_files(pod.results, [result["name"] for result in self.task.spec.results])
        printed = read_step_output(pod.output)
        step.change, step.attempt = printed.change, printed.attempt
        step.record_id = step.record_id or _uuid(files.values.get("record-id"))
        return ContainerEnd(
            exit_code=step.exit_code,
            results=files.values,
            unreadable=files.unreadable,
            stopped=self._stopped_as.get(task.name),
            sentence=_no_results_sentence(step) if step.exit_code else "",
        )

    def _report_outcome(self, step: StepReport, outcome: StepOutcome) -> None:
        step.state, step.changed = outcome.state, outcome.changed
        step.output, step.error = outcome.output, outcome.error
        step.message, step.record_status = outcome.message or "", outcome.record_status

    def _pod(self, task: PipelineTask) -> LocalPod:
        folder = self.folder / task.name
        secret_name = self.run.secret_of(task)
        pod = make_local_pod(
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
        for name, running in self._programs.items():
            if self._finally_stopped or name not in final:
                self._terminate(name, running)

    def _terminate(self, name: str, running: RunningStep) -> None:
        how = State.TIMED_OUT if self._stop_reason is StopReason.TIMED_OUT else State.CANCELLED
        self._stopped_as.setdefault(name, how)
        running.terminate()
        asyncio.get_running_loop().call_later(POD_GRACE, running.kill)

    async def _stored_record(self, step: StepReport) -> dict[str, object] | None:
        """Return the stored record of a step that left no results, or None."""
        record_id = _uuid(step.record_id)
        if record_id is None:
            return None
        try:
            return await asyncio.to_thread(self.recorder.read, UUID(record_id))
        except Exception:  # out of reach: the outcome is then decided without a record
            return None

    def _notify(self, step: StepReport) -> None:
        with suppress(Exception):  # an error in the display must not stop the run
            self.on_change(step)

    def _send_event(self, task: PipelineTask, outcome: StepOutcome) -> None:
        identity = self._identities[task.name]
        if identity.record_id:
            step = self.report.step(task.name)
            never = outcome.decided_by == "engine" and outcome.state is not State.LOST
            started = None if never else step.started_at
            self.recorder.send(step_event(identity, outcome, step.finished_at or utcnow(), started_at=started))

    def _identity(self, task: PipelineTask) -> StepIdentity:
        context = loads(task.param("context") or "{}", "context")
        if not isinstance(context, dict):
            raise InvalidWorkflow([Fault(f"step {task.name}", "its param context is no JSON object")])
        if undone := task.param("undoRecord"):
            context = {**context, "undoes": undone}  # an undo that never starts is no attempt of the action either
        return StepIdentity(
            record_id=task.param("recordId"),
            action_type=task.param("actionType"),
            image=task.param("actionImage") if self.executor.image_runs else None,
            dry_run=self.report.dry_run,
            context=context,
            trace_id=self.report.trace_id,
        )

    def _phase(self) -> Phase:
        may_fail = {task.name for task in self.run.tasks if task.on_error == "continue"}
        if self._stop_reason is StopReason.TIMED_OUT:
            return Phase.TIMED_OUT
        if self._stop_reason is StopReason.CANCELLED:
            return Phase.CANCELLED
        failed = failing_steps({step.name: step.state for step in self.report.steps}, may_fail)
        return Phase.FAILED if failed else Phase.SUCCEEDED


def _trace_id(run: PipelineRun) -> str | None:
    parents = (TraceParent.parse(task.param("traceparent")) for task in run.tasks)
    return next((parent.trace_id for parent in parents if parent is not None), None)


def _places(task: PipelineTask) -> dict[str, object]:
    """Return the inputs that say where a changed value stands; no others, which may be secret."""
    try:
        inputs = loads(task.param("inputs") or "{}", "inputs")
    except InvalidInputs:
        return {}  # the step itself says what is wrong
    return {name: inputs[name] for name in PLACES if name in inputs} if isinstance(inputs, dict) else {}


def _no_results_sentence(step: StepReport) -> str:
    return f"its container ended with {step.exit_code} and said nothing; see {step.log}"


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
