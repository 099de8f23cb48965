"""The outcome of each step: TaskRun, last pod status and record, as `kubernaut_sdk.judgement` judges them.

Results decide first: they come from the container itself. On cancel and timeout Tekton takes no results; then the pod's
termination message and the record decide, which the container wrote on SIGTERM. Cancel and the timeout of a PipelineRun
have the same reason in a TaskRun, so its `spec.statusMessage` distinguishes them.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubernaut_controller.reconciling.messages import failure_message, waiting_message
from kubernaut_controller.views import ContainerStateView, PodView, TaskRunView
from kubernaut_controller.workflow import Step
from kubernaut_sdk.judgement import ContainerEnd, StepOutcome, outcome_of
from kubernaut_sdk.states import RANK, State

__all__ = [
    "GONE",
    "KnownOutcome",
    "RecordedBy",
    "is_alive",
    "known_outcome",
    "outcome_without_task_run",
]

Json = Mapping[str, Any]


class RecordedBy(StrEnum):
    """The party that completes a step's record."""

    PENDING = "pending"
    CONTAINER = "container"
    CONTROLLER = "controller"
    UNKNOWN = "unknown"  # the record has to be read first


@dataclass(frozen=True)
class KnownOutcome:
    """The outcome of a step as far as the controller knows it.

    Attributes:
        state: The state, with the names of records; `intended` or `started` while the step has not ended.
        recorded_by: The party that completes its record.
        message: What happened, or what the step waits for.
    """

    state: State
    recorded_by: RecordedBy = RecordedBy.PENDING
    message: str | None = None
    task_run: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    changed: bool | None = None
    output: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """True if the step has ended, or will report nothing more."""
        return self.state.terminal or self.state is State.LOST


GONE = "Gone"
"""The phase that the controller gives to a deleted pod."""

_NO_RESULTS = (
    "Its container succeeded but its results did not arrive, most likely since the pod's sidecars used up what a pod "
    "may say (12 KiB); what it did is in its log."
)
_NO_CONTAINER = "TaskRunImagePullFailed"
"""The reason for which Tekton deletes a pod before its container could run."""
_GIVEN_UP = "CreateContainerConfigError"
"""The reason for which Tekton gives a TaskRun up but leaves its pod: the kubelet tries again, and may succeed."""
_STOPPING = "It was told to stop; its pod may live for 30 s more."
_STARTED_LATE = "Tekton gave it up before its container started, which has reported nothing; see its log."
_NOT_STARTED = {"ContainerCannotRun", "StartError"}


def known_outcome(
    step: Step,
    namespace: str,
    task_run: TaskRunView,
    *,
    pod: PodView | None = None,
    record: Json | None = None,
    asked: bool = True,
    gone: bool = False,
) -> KnownOutcome:
    """Return the outcome of a step that has a TaskRun.

    Args:
        step: The step.
        namespace: The namespace of its workflow.
        task_run: The last known version of its TaskRun.
        pod: The last known version of its pod, which may be gone.
        record: Its record in Data Storage, where it was read.
        asked: True if the record was read, or need not be read.
        gone: True if the TaskRun was deleted, so that it reports nothing more.
    """
    condition, name = task_run.condition(), task_run.name
    container = _container(task_run, pod)
    times = {"started_at": container.started_at, "finished_at": task_run.completed_at}
    if not condition.is_final and not gone:
        ran = container.ran
        return KnownOutcome(
            State.STARTED if ran else State.INTENDED,
            message=waiting_message(task_run, pod, step),
            task_run=name,
            started_at=times["started_at"] if ran else None,
        )
    exit_code, died_of = _exit(task_run, pod)
    if condition.is_true and exit_code is None:
        exit_code = 0  # Tekton itself reports success
    results = task_run.results or _termination(pod)
    known = State(record["state"]) if record else State.INTENDED
    never = _never_started(task_run, pod) and RANK[known] < RANK[State.STARTED]
    stopped = _stopped_state(task_run)
    given_up = condition.reason == _GIVEN_UP
    reason_word, sentence = (
        ("NoWord", _STARTED_LATE)
        if given_up and not never
        else failure_message(task_run, step, namespace, exit_code=exit_code, died_of=died_of)
    )
    if condition.is_true:
        never, reason_word, sentence = False, "NoResults", _NO_RESULTS
    elif gone and not stopped:
        when = "before its container started" if never else "while it ran, and it reported nothing more"
        reason_word, sentence = "TaskRunDeleted", f"Its TaskRun was deleted {when}."
        stopped = State.CANCELLED if never else None
    elif stopped:
        sentence = ""
    elif exit_code == 0:
        reason_word = "NoResults"
    outcome = outcome_of(
        ContainerEnd(
            exit_code=exit_code,
            results=results,
            stopped=stopped,
            started=not never,
            reason=reason_word,
            sentence=sentence,
            record=record,
        )
    )
    still = exit_code is None and pod is not None and is_alive(pod) and condition.reason != _NO_CONTAINER
    if still and outcome.decided_by != "results":
        message = _lingering_message(sentence, never=never) if given_up else _STOPPING
        state = State.INTENDED if given_up and never else State.STARTED
        return KnownOutcome(state, message=message, task_run=name, started_at=times["started_at"])
    if outcome.decided_by == "engine" and not asked and not (never and not task_run.pod_name):
        return _with_record(outcome, RecordedBy.UNKNOWN, name, times)
    recorded_by = RecordedBy.CONTAINER if outcome.recorded else RecordedBy.CONTROLLER
    return _with_record(outcome, recorded_by, name, times, record)


def outcome_without_task_run(step_name: str, reason: str, *, record: Json | None, asked: bool) -> KnownOutcome:
    """Return the outcome of a step that has no TaskRun, where the PipelineRun does not tell it.

    Args:
        step_name: The step.
        reason: The reason for which it would have been skipped.
        record: Its record in Data Storage, where it was read.
        asked: True if the record was read, or need not be read.
    """
    known = State(record["state"]) if record else State.INTENDED
    if record and known.terminal:
        outcome = outcome_of(ContainerEnd(record=record))
        return _with_record(outcome, RecordedBy.CONTAINER, None, {"started_at": None, "finished_at": None}, record)
    if record and known is not State.INTENDED:
        sentence = f"Step {step_name} had started when its PipelineRun went away, and it reported nothing more."
        return KnownOutcome(
            State.LOST, RecordedBy.CONTROLLER, sentence, error={"code": 1, "reason": "NoWord", "message": sentence}
        )
    return KnownOutcome(State.SKIPPED, RecordedBy.CONTROLLER if asked else RecordedBy.UNKNOWN, reason)


def is_alive(pod: PodView) -> bool:
    """Return True if any of a pod's containers may still run."""
    if pod.phase in {"Succeeded", "Failed", GONE}:
        return False
    return not (pod.containers and all(container.terminated for container in pod.containers))


def _lingering_message(sentence: str, *, never: bool) -> str:
    """Return the message about a step that Tekton gave up, whose pod it left."""
    return f"{sentence} {'Its pod is still there, and may yet start it.' if never else 'Its pod still runs.'}"


def _with_record(
    outcome: StepOutcome,
    recorded_by: RecordedBy,
    name: str | None,
    times: Mapping[str, str | None],
    record: Json | None = None,
) -> KnownOutcome:
    """Return the SDK's outcome with the controller's own knowledge: who completes the record, and the times."""
    recorded: Json = record if record and outcome.decided_by == "record" else {}
    started = times["started_at"] or recorded.get("started_at")
    if outcome.decided_by == "engine" and outcome.changed is False:
        started = None  # its container never ran
    return KnownOutcome(
        outcome.state,
        recorded_by,
        outcome.message,
        name,
        started,
        times["finished_at"] or recorded.get("finished_at"),
        outcome.changed,
        outcome.output,
        outcome.error,
    )


def _stopped_state(task_run: TaskRunView) -> State | None:
    """Return the state of a TaskRun that was cancelled or timed out; None for any other."""
    match task_run.condition().reason:
        case "TaskRunTimeout":
            return State.TIMED_OUT
        case "TaskRunCancelled":
            return State.TIMED_OUT if task_run.stopped_by_timeout else State.CANCELLED
    return None


def _termination(pod: PodView | None) -> dict[str, Any]:
    """Return the results in the termination message of the step's container, as Tekton's entrypoint writes it."""
    entries = _json(pod.step_container.end_message) if pod is not None else None
    if not isinstance(entries, list):
        return {}
    # entries of type 1 are results; type 3 is Tekton's own (StartedAt, ExitCode)
    return {
        entry["key"]: entry.get("value")
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") in (1, "TaskRunResult") and isinstance(entry.get("key"), str)
    }


def _container(task_run: TaskRunView, pod: PodView | None) -> ContainerStateView:
    """Return the state of the step's container: the pod's where it has one, else the TaskRun's."""
    return pod.step_container if pod is not None and pod.step_container.json else task_run.container


def _never_started(task_run: TaskRunView, pod: PodView | None) -> bool:
    """Return True if the step's container certainly never ran."""
    reason = task_run.condition().reason
    if not task_run.pod_name or reason == _NO_CONTAINER or (reason == _GIVEN_UP and pod is None):
        return True
    if pod is None:
        return False
    state = pod.step_container
    return not (state.running or (state.end.get("startedAt") and state.end_reason not in _NOT_STARTED))


def _exit(task_run: TaskRunView, pod: PodView | None) -> tuple[int | None, str | None]:
    """Return the container's exit code and the kubelet's reason; of the pod if it has them, else of the TaskRun."""
    for state in (pod.step_container if pod is not None else None, task_run.container):
        if state is not None and state.end and not state.ended_by_tekton:
            return state.exit_code, state.end_reason
    return None, None


def _json(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text) if text else None
    return None
