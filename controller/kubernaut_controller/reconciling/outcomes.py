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

from kubernaut_controller.reconciling.children import condition_of
from kubernaut_controller.reconciling.messages import failure_message, waiting_message
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
    "taskrun_succeeded",
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
_CANCELLED, _TIMED_OUT = "TaskRunCancelled", "TaskRunTimeout"


def known_outcome(
    step: Step,
    namespace: str,
    task_run: Json,
    *,
    pod: Json | None = None,
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
    status = task_run.get("status") or {}
    condition = condition_of(task_run)
    name = task_run["metadata"]["name"]
    container = _container(status, pod)
    times = {"started_at": _started(container), "finished_at": status.get("completionTime")}
    if condition.get("status") not in {"True", "False"} and not gone:
        ran = "running" in container or "terminated" in container
        return KnownOutcome(
            State.STARTED if ran else State.INTENDED,
            message=waiting_message(task_run, pod, step),
            task_run=name,
            started_at=times["started_at"] if ran else None,
        )
    exit_code, died_of = _exit(status, pod)
    if condition.get("status") == "True" and exit_code is None:
        exit_code = 0  # Tekton itself reports success
    results = _results(status) or _termination(pod)
    known = State(record["state"]) if record else State.INTENDED
    never = _never_started(status, condition, pod) and RANK[known] < RANK[State.STARTED]
    stopped = _stopped_state(task_run, condition)
    given_up = condition.get("reason") == _GIVEN_UP
    reason_word, sentence = (
        ("NoWord", _STARTED_LATE)
        if given_up and not never
        else failure_message(task_run, step, namespace, exit_code=exit_code, died_of=died_of)
    )
    if condition.get("status") == "True":
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
    still = exit_code is None and pod is not None and is_alive(pod) and condition.get("reason") != _NO_CONTAINER
    if still and outcome.decided_by != "results":
        message = _lingering_message(sentence, never=never) if given_up else _STOPPING
        state = State.INTENDED if given_up and never else State.STARTED
        return KnownOutcome(state, message=message, task_run=name, started_at=times["started_at"])
    if outcome.decided_by == "engine" and not asked and not (never and not status.get("podName")):
        return _with_record(outcome, RecordedBy.UNKNOWN, name, times)
    recorded_by = RecordedBy.CONTAINER if outcome.recorded else RecordedBy.CONTROLLER
    return _with_record(outcome, recorded_by, name, times, record)


def taskrun_succeeded(task_run: Json | None) -> bool:
    """Return True if Tekton considers a step successful, and starts the steps that wait for it."""
    return condition_of(task_run).get("status") == "True"


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


def is_alive(pod: Json) -> bool:
    """Return True if any of a pod's containers may still run."""
    status = pod.get("status") or {}
    if status.get("phase") in {"Succeeded", "Failed", GONE}:
        return False
    containers = status.get("containerStatuses") or ()
    ended = bool(containers) and all("terminated" in (container.get("state") or {}) for container in containers)
    return not ended


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


def _stopped_state(task_run: Json, condition: Json) -> State | None:
    """Return the state of a TaskRun that was cancelled or timed out; None for any other."""
    reason = condition.get("reason")
    if reason == _TIMED_OUT:
        return State.TIMED_OUT
    if reason == _CANCELLED:
        timed_out = "timed out" in ((task_run.get("spec") or {}).get("statusMessage") or "")
        return State.TIMED_OUT if timed_out else State.CANCELLED
    return None


def _results(status: Json) -> dict[str, Any]:
    return {result["name"]: result.get("value") for result in status.get("results") or ()}


def _termination(pod: Json | None) -> dict[str, Any]:
    """Return the results in the termination message of the step's container, as Tekton's entrypoint writes it."""
    terminated = _step_container(pod).get("terminated") or {}
    entries = _json(terminated.get("message"))
    if not isinstance(entries, list):
        return {}
    # entries of type 1 are results; type 3 is Tekton's own (StartedAt, ExitCode)
    return {
        entry["key"]: entry.get("value")
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") in (1, "TaskRunResult") and isinstance(entry.get("key"), str)
    }


def _container(status: Json, pod: Json | None) -> Json:
    """Return the state of the step's container: the pod's where it has one, else the TaskRun's."""
    state = _step_container(pod)
    if state:
        return state
    steps = status.get("steps") or ()
    return steps[0] if steps else {}


def _step_container(pod: Json | None) -> dict[str, Any]:
    for container in ((pod or {}).get("status") or {}).get("containerStatuses") or ():
        if container.get("name", "").startswith("step-"):
            return dict(container.get("state") or {})
    return {}


def _started(container: Json) -> str | None:
    """Return the start time of the container; None where it never started, or that is not known."""
    for kind in ("running", "terminated"):
        state = container.get(kind) or {}
        # Tekton invents a termination for steps that it stopped or never started
        if state.get("startedAt") and not state.get("reason", "").startswith("TaskRun"):
            return str(state["startedAt"])
    return None


def _never_started(status: Json, condition: Json, pod: Json | None) -> bool:
    """Return True if the step's container certainly never ran."""
    if not status.get("podName") or condition.get("reason") == _NO_CONTAINER:
        return True
    if condition.get("reason") == _GIVEN_UP and pod is None:
        return True
    state = _step_container(pod)
    terminated = state.get("terminated") or {}
    ran = "running" in state or (terminated.get("startedAt") and terminated.get("reason") not in _NOT_STARTED)
    return pod is not None and not ran


def _exit(status: Json, pod: Json | None) -> tuple[int | None, str | None]:
    for state in (_step_container(pod), *(status.get("steps") or ())[:1]):
        terminated = state.get("terminated") or {}
        reason = terminated.get("reason") or ""
        if terminated and not reason.startswith("TaskRun"):  # Tekton invents a termination for steps that it stops
            return terminated.get("exitCode"), reason
    return None, None


def _json(text: Any) -> Any:
    with suppress(ValueError, TypeError, RecursionError):
        return json.loads(text) if text else None
    return None
