"""What became of a step: read from its TaskRun, its pod's last status and its record, in this order of trust.

Results first: they are the container's own words. On cancel and timeout Tekton takes none; there the pod's termination
message and the record that was sent on SIGTERM are the witnesses. Cancel and the timeout of a PipelineRun look alike in
a TaskRun's reason, so its `spec.statusMessage` tells them apart.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubernaut_controller.reconciling.children import condition_of
from kubernaut_controller.reconciling.sentences import ended_badly, waiting
from kubernaut_controller.workflow import Step
from kubernaut_sdk.states import RANK, State

__all__ = ["GONE", "End", "Teller", "end_of", "is_alive", "skipped_or_lost"]

Json = Mapping[str, Any]


class Teller(StrEnum):
    """Who completes a step's record."""

    NOBODY_YET = "nobody yet"
    CONTAINER = "container"
    CONTROLLER = "controller"
    STORE = "store"  # has to be asked what it knows


@dataclass(frozen=True)
class End:
    """What is known of a step.

    Attributes:
        state: As in records; `intended` or `started` while it has not ended.
        teller: Who completes its record.
        message: What happened or is waited for.
    """

    state: State
    teller: Teller = Teller.NOBODY_YET
    message: str | None = None
    task_run: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    changed: bool | None = None
    output: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.state.terminal or self.state is State.LOST


GONE = "Gone"
"""The phase that the controller gives to a pod which it saw go."""

_NO_RESULTS = (
    "Its container succeeded but its results did not arrive, most likely since the pod's sidecars used up what a pod "
    "may say (12 KiB); what it did is in its log."
)
_NO_CONTAINER = {"TaskRunImagePullFailed", "CreateContainerConfigError"}
_CONTAINERS = {state for state in State if state.terminal} - {State.SKIPPED}
"""The states that a container may say it ended in; a step of any other would never end."""
_CANCELLED, _TIMED_OUT = "TaskRunCancelled", "TaskRunTimeout"


def end_of(
    step: Step,
    namespace: str,
    task_run: Json,
    *,
    pod: Json | None = None,
    record: Json | None = None,
    asked: bool = True,
    gone: bool = False,
) -> End:
    """What became of a step that has a TaskRun.

    Args:
        step: Which.
        namespace: Of its workflow.
        task_run: As the API server gave it, last.
        pod: Its pod, last seen; it may be gone since.
        record: What Data Storage knows of it, where it was asked.
        asked: Whether Data Storage was asked, or need not be.
        gone: Whether the TaskRun was deleted, so that nothing more is to come from it.
    """
    status = task_run.get("status") or {}
    condition = condition_of(task_run)
    name = task_run["metadata"]["name"]
    container = _container(status, pod)
    times = {"started_at": _started(container), "finished_at": status.get("completionTime")}
    if condition.get("status") not in {"True", "False"} and not gone:
        ran = "running" in container or "terminated" in container
        return End(
            State.STARTED if ran else State.INTENDED,
            message=waiting(task_run, pod, step),
            task_run=name,
            started_at=times["started_at"] if ran else None,
        )
    witness = _results(status) or _termination(pod)
    cause = _cause(task_run, condition)
    exit_code, died_of = _exit(status, pod)
    # before the first mutation the results say Interrupted; where nothing else came, the container was killed
    silent = not witness.get("status") or (_error(witness) or {}).get("reason") == "Interrupted"
    if not silent or (witness.get("status") and (cause or exit_code in {0, 143})):
        return _heard(witness, cause, name, times)
    if pod is not None and is_alive(pod) and condition.get("reason") not in _NO_CONTAINER:
        return End(
            State.STARTED,
            message="It was told to stop; its pod may live for 30 s more.",
            task_run=name,
            started_at=times["started_at"],
        )
    known = State(record["state"]) if record else State.INTENDED
    if record and known.terminal:
        return _recorded(record, known, cause, name, times)
    never = _never_started(status, condition, pod) and RANK[known] < RANK[State.STARTED]
    word, sentence = ended_badly(task_run, step, namespace, exit_code=exit_code, died_of=died_of)
    if condition.get("status") == "True":
        word, sentence = "NoResults", _NO_RESULTS
    elif cause:
        sentence = _stopped_sentence(cause, started=not never)
    elif gone:
        when = "before its container started" if never else "while it ran, and nothing more was heard of it"
        word, sentence = "TaskRunDeleted", f"Its TaskRun was deleted {when}."
    teller = Teller.CONTROLLER if asked or (never and not status.get("podName")) else Teller.STORE
    if never and condition.get("status") != "True":
        cause = cause or (State.CANCELLED if gone else None)
        return End(
            cause or State.FAILED,
            teller,
            sentence,
            name,
            finished_at=times["finished_at"],
            changed=False,
            error={"code": 1, "reason": word, "message": sentence} if cause is None else None,
        )
    error = {"code": 1, "reason": word, "message": sentence}
    return End(State.LOST, teller, sentence, name, times["started_at"], times["finished_at"], error=error)


def skipped_or_lost(step_name: str, reason: str, *, record: Json | None, asked: bool) -> End:
    """What became of a step that has no TaskRun, where the PipelineRun is gone and cannot tell.

    Args:
        step_name: Which.
        reason: Why it would have been skipped.
        record: What Data Storage knows of it, where it was asked.
        asked: Whether Data Storage was asked, or need not be.
    """
    known = State(record["state"]) if record else State.INTENDED
    if record and known.terminal:
        return _recorded(record, known, None, None, {"started_at": None, "finished_at": None})
    if record and known is not State.INTENDED:
        sentence = f"Step {step_name} had started when its PipelineRun went away, and nothing more was heard of it."
        return End(State.LOST, Teller.CONTROLLER, sentence, error={"code": 1, "reason": "NoWord", "message": sentence})
    return End(State.SKIPPED, Teller.CONTROLLER if asked else Teller.STORE, reason)


def is_alive(pod: Json) -> bool:
    """Whether any of a pod's containers may still run."""
    status = pod.get("status") or {}
    if status.get("phase") in {"Succeeded", "Failed", GONE}:
        return False
    containers = status.get("containerStatuses") or ()
    ended = bool(containers) and all("terminated" in (container.get("state") or {}) for container in containers)
    return not ended


def _heard(witness: Json, cause: State | None, name: str, times: Mapping[str, str | None]) -> End:
    state = State(witness["status"]) if witness["status"] in _CONTAINERS else State.FAILED
    error = _error(witness)
    message = error["message"] if error else None
    if cause is State.TIMED_OUT or (cause and not state.good):
        state, message = cause, _stopped_sentence(cause, started=True)
    stored = witness.get("record-status") == "stored"
    return End(
        state,
        Teller.CONTAINER if stored else Teller.CONTROLLER,
        message,
        name,
        **times,
        changed={"true": True, "false": False}.get(str(witness.get("changed"))),
        output=_json(witness.get("output")),
        error=error,
    )


def _recorded(
    record: Json, known: State, cause: State | None, name: str | None, times: Mapping[str, str | None]
) -> End:
    error = record.get("error")
    state = cause if cause is State.TIMED_OUT or (cause and not known.good) else known
    message = _stopped_sentence(cause, started=True) if state is cause and cause else (error or {}).get("message")
    finished = times["finished_at"] or record.get("finished_at")
    return End(
        state,
        Teller.CONTAINER,
        message,
        name,
        times["started_at"] or record.get("started_at"),
        finished,
        record.get("changed"),
        record.get("output"),
        error,
    )


def _stopped_sentence(cause: State, *, started: bool) -> str:
    if cause is State.CANCELLED:
        return "It was cancelled." if started else "It was cancelled before its container started."
    if started:
        return "Its time was over."
    return "Its time was over before its container started; `kubectl describe pod` says what it waited for."


def _cause(task_run: Json, condition: Json) -> State | None:
    """Whether somebody, or a clock, stopped it."""
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
    """Results from the termination message of the pod's step, as Tekton's entrypoint writes it."""
    terminated = _step_container(pod).get("terminated") or {}
    entries = _json(terminated.get("message"))
    if not isinstance(entries, list):
        return {}
    # entries of type 1 are results; type 3 is Tekton's own (StartedAt, ExitCode)
    return {
        entry["key"]: entry.get("value")
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") in {1, "TaskRunResult"} and "key" in entry
    }


def _container(status: Json, pod: Json | None) -> Json:
    """The state of the step's container: the pod's own word, where it has one, else the TaskRun's."""
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
    """When the container started, or None where it never did, or that is not known."""
    for kind in ("running", "terminated"):
        state = container.get(kind) or {}
        # of steps that it stops, or never started, Tekton makes up an end
        if state.get("startedAt") and not state.get("reason", "").startswith("TaskRun"):
            return str(state["startedAt"])
    return None


def _never_started(status: Json, condition: Json, pod: Json | None) -> bool:
    """Whether its container surely never ran."""
    if not status.get("podName") or condition.get("reason") in _NO_CONTAINER:
        return True
    state = _step_container(pod)
    ran = "running" in state or (state.get("terminated") or {}).get("startedAt")
    return pod is not None and not ran


def _exit(status: Json, pod: Json | None) -> tuple[int | None, str | None]:
    for state in (_step_container(pod), *(status.get("steps") or ())[:1]):
        terminated = state.get("terminated") or {}
        if terminated:
            return terminated.get("exitCode"), terminated.get("reason")
    return None, None


def _error(witness: Json) -> dict[str, Any] | None:
    error = _json(witness.get("error"))
    return error if isinstance(error, dict) and {"code", "reason", "message"} <= set(error) else None


def _json(text: Any) -> Any:
    with suppress(ValueError, TypeError):
        return json.loads(text) if text else None
    return None
