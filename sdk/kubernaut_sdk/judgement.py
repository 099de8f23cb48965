"""How a step ended: one judgement, and one event that tells of it, for the controller and for the local engine alike.

Exit code and results decide together. A step succeeded only where its container ended with 0 and its results say
`succeeded`, `unchanged` or `planned`; where the two disagree, or a result is missing or malformed, it failed and nobody
knows whether it changed anything. Results come from images that nobody here wrote: nothing in them raises.

Pure functions of plain data. No action container imports this.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import loads, shorten
from kubernaut_sdk.results import REQUIRED_RESULTS
from kubernaut_sdk.states import RANK, Source, State
from kubernaut_sdk.times import rfc3339

__all__ = [
    "CODES",
    "ContainerEnd",
    "StepIdentity",
    "StepOutcome",
    "failing_steps",
    "intended_event",
    "outcome_of",
    "step_event",
]

Json = Mapping[str, Any]

CODES: Mapping[State, int] = {
    State.SUCCEEDED: 0,
    State.UNCHANGED: 0,
    State.PLANNED: 0,
    State.CANCELLED: 143,
    State.TIMED_OUT: 124,
}
"""Status → its exit code. `failed` goes with any code but 0."""

_CHANGED = {"true": True, "false": False, "unknown": None}
_DELIVERED = {"stored", "deferred", "disabled"}
_UNTOUCHED = {2, 3, 5}
"""Codes that promise that nothing changed."""
_STATES = [state.value for state in State]
_STATUSES = [*CODES, State.FAILED]
_INTERRUPTED = "Interrupted"
_SIGTERM = 143
_THUS = "so it counts as failed, and what it changed is not known"


@dataclass(frozen=True, kw_only=True)
class ContainerEnd:
    """All that is known of how a step's container ended, as the engine that ran it saw it.

    Attributes:
        exit_code: Its exit code; None where there was no container, or nobody knows it.
        results: Result → value, as far as they arrived.
        unreadable: Result → why it could not be read, to follow "the result NAME".
        stopped: `cancelled` or `timed_out`, where somebody or a clock stopped it from outside.
        started: False only where the container surely never ran.
        reason: The engine's own word on the end, for where the container gave none.
        sentence: The same as a sentence; empty where the engine knows no more than the exit code.
        record: The step's record in Data Storage, or None where there is none or it was not asked for.
    """

    exit_code: int | None = None
    results: Json = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    stopped: State | None = None
    started: bool = True
    reason: str = "NoWord"
    sentence: str = ""
    record: Json | None = None


@dataclass(frozen=True, kw_only=True)
class StepOutcome:
    """How a step ended.

    Attributes:
        state: As in records.
        changed: Whether it changed the world; None where that is not known.
        output: What the action had to say.
        error: `{code, reason, message}`, where it did not succeed.
        message: One sentence on the end, where there is something to say.
        decided_by: The container's results, its record, or the engine, which had nothing else.
        record_status: Where the container's own word on this end is: `stored`, `deferred` or `disabled`; None where it
            gave none that is believed.
    """

    state: State
    changed: bool | None = None
    output: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    message: str | None = None
    decided_by: Literal["results", "record", "engine"] = "engine"
    record_status: str | None = None

    @property
    def recorded(self) -> bool:
        """Whether Data Storage has this end from the container itself."""
        return self.record_status == "stored"


def outcome_of(end: ContainerEnd) -> StepOutcome:
    """Return how a step ended, from its exit code, its results and, where these are silent, its record."""
    record = end.record or {}
    known = State(record["state"]) if record.get("state") in _STATES else State.INTENDED
    if _speaks(end):
        return _by_results(end)
    if known.terminal:
        return _by_record(end, known, record)
    if not end.started and RANK[known] < RANK[State.STARTED]:
        return _never_started(end)
    sentence = end.sentence or _said_nothing(end.exit_code)
    if end.stopped:
        sentence = _stopped(end.stopped)
    return StepOutcome(state=State.LOST, error=_error(end.reason, sentence), message=sentence)


def failing_steps(states: Mapping[str, State], may_fail: Collection[str]) -> list[str]:
    """Return the steps whose end fails the workflow: those that did not end well, and may not fail.

    Args:
        states: Step → how it stands, in order.
        may_fail: The steps with `onFailure: continue`.
    """
    return [name for name, state in states.items() if _bad(state) and name not in may_fail]


def _bad(state: State) -> bool:
    return (state.terminal or state is State.LOST) and not state.good and state is not State.SKIPPED


# By its own word


def _speaks(end: ContainerEnd) -> bool:
    """Whether the results decide, be it by their absence."""
    if _odd(end) or (end.exit_code == 0 and not end.stopped):
        return True
    if not end.results.get("status"):
        return False
    # before the first mutation the results say Interrupted; where nothing else came, the container was killed
    return not _interrupted(end.results) or end.stopped is not None or end.exit_code in {0, _SIGTERM}


def _by_results(end: ContainerEnd) -> StepOutcome:
    missing, said = list(_missing(end)), _Said(end.results)
    faults = [] if missing else [*said.faults, *_disagreements(end, said)]
    if missing or faults:
        return _contradicted(end, said, missing, faults)
    assert said.state is not None
    state, error = said.state, said.error
    if _interrupted(end.results):
        state = end.stopped or State.CANCELLED
    elif not state.good and error is None:
        told = f"Its container ended with {end.exit_code} and gave no reason; see its log."
        error = {"code": end.exit_code or 1, "reason": "Failed", "message": told}
    outcome = StepOutcome(
        state=state,
        changed=said.changed,
        output=said.output,
        error=error,
        message=error["message"] if error else None,
        decided_by="results",
        record_status=end.results.get("record-status"),
    )
    return _stopped_outcome(end, outcome)


def _odd(end: ContainerEnd) -> Mapping[str, str]:
    """Return the results that count and could not be read, with why. Another one counts where none could be read."""
    return {name: why for name, why in end.unreadable.items() if name in REQUIRED_RESULTS or not end.results}


def _missing(end: ContainerEnd) -> Iterator[str]:
    for name, why in _odd(end).items():
        yield f"the result {name} {why}"
    absent = [name for name in REQUIRED_RESULTS if name not in end.results and name not in end.unreadable]
    if absent:
        yield f"{'the result' if len(absent) == 1 else 'the results'} {', '.join(absent)} did not arrive"


class _Said:
    """What the results say, read value by value; `faults` tells what cannot be."""

    def __init__(self, results: Json) -> None:
        self.faults: list[str] = []
        self.state: State | None = None
        self.changed: bool | None = None
        status, changed = results.get("status"), results.get("changed")
        if status in _STATUSES:  # a list, since what stands there may be anything
            self.state = State(status)
        elif "status" in results:
            self.faults.append(f"the result status is {_shown(status)}")
        if isinstance(changed, str) and changed in _CHANGED:
            self.changed = _CHANGED[changed]
        elif "changed" in results:
            self.faults.append(f"the result changed is {_shown(changed)}, not true, false or unknown")
        self.output = self._object("output", results.get("output"))
        error = self._object("error", results.get("error"))
        self.error = None if error is None else self._reason(error)
        delivered = results.get("record-status")
        if "record-status" in results and not (isinstance(delivered, str) and delivered in _DELIVERED):
            self.faults.append(f"the result record-status is {_shown(delivered)}")

    def _object(self, name: str, text: Any) -> dict[str, Any] | None:
        if text in (None, ""):
            return None
        try:
            value = loads(text) if isinstance(text, str) else None
        except (InvalidInputs, ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            # what it is instead is not repeated: it may hold anything
            self.faults.append(f"the result {name} is no JSON object")
            return None
        return value

    def _reason(self, error: Json) -> dict[str, Any] | None:
        code, reason, message = (error.get(name) for name in ("code", "reason", "message"))
        whole = isinstance(code, int) and not isinstance(code, bool) and abs(code) < 2**31
        if whole and isinstance(reason, str) and reason and isinstance(message, str):
            return {"code": code, "reason": reason, "message": message}
        self.faults.append("the result error is not {code, reason, message}")
        return None


def _disagreements(end: ContainerEnd, said: _Said) -> Iterator[str]:
    """What exit code and results say against each other, or results among themselves."""
    state, code = said.state, end.exit_code
    if state is None:
        return
    if code is None:
        if state.good:
            yield f"its status is {state}, and its exit code is not known"
    elif state is State.FAILED:
        if code == 0 or (code == _SIGTERM and not _interrupted(end.results)):
            yield f"its exit code is {code} and its status is {state}"
    elif code != CODES[state]:
        yield f"its exit code is {code} and its status is {state}"
    if state.good and said.error is not None:
        yield f"its status is {state} and its error is {_shown(said.error['reason'])}"
    if state in {State.UNCHANGED, State.PLANNED} and said.changed is not False:
        yield f"its status is {state} and changed is {_told(said.changed)}"
    if code in _UNTOUCHED and said.changed is not False:
        yield f"its exit code is {code}, which promises that nothing changed, and changed is {_told(said.changed)}"


def _contradicted(end: ContainerEnd, said: _Said, missing: list[str], faults: list[str]) -> StepOutcome:
    word = "NoResults" if missing else "Contradiction"
    told = "; ".join([*missing, *faults])
    silent = not end.results and not end.unreadable
    if silent and end.reason == word and end.sentence:
        sentence = end.sentence
    elif said.error is not None and said.error["message"]:
        sentence = f"{said.error['message'].rstrip('. ')}. But {told}; {_THUS}."
    else:
        sentence = f"{told[0].upper()}{told[1:]}; {_THUS}."
    outcome = StepOutcome(
        state=State.FAILED,
        output=None,
        error={"code": end.exit_code or 1, "reason": word, "message": sentence},
        message=sentence,
        decided_by="results",
    )
    return _stopped_outcome(end, outcome)


# By its record, or by nobody


def _by_record(end: ContainerEnd, known: State, record: Json) -> StepOutcome:
    if known.good and end.exit_code not in {0, None}:
        sentence = f"Its exit code is {end.exit_code} and its record says {known}; {_THUS}."
        return StepOutcome(state=end.stopped or State.FAILED, error=_error("Contradiction", sentence), message=sentence)
    error = record.get("error")
    outcome = StepOutcome(
        state=known,
        changed=record.get("changed"),
        output=record.get("output"),
        error=error,
        message=(error or {}).get("message"),
        decided_by="record",
        record_status="stored",
    )
    return _stopped_outcome(end, outcome)


def _never_started(end: ContainerEnd) -> StepOutcome:
    if end.stopped:
        sentence = end.sentence or _stopped(end.stopped, started=False)
        return StepOutcome(state=end.stopped, changed=False, message=sentence)
    return StepOutcome(state=State.FAILED, changed=False, error=_error(end.reason, end.sentence), message=end.sentence)


def _stopped_outcome(end: ContainerEnd, outcome: StepOutcome) -> StepOutcome:
    """The same of a step that was stopped: the clock's word stands, and a cancel's where it had not succeeded."""
    if end.stopped is State.TIMED_OUT or (end.stopped and not outcome.state.good):
        return replace(outcome, state=end.stopped, message=_stopped(end.stopped))
    return outcome


def _stopped(how: State, *, started: bool = True) -> str:
    if how is State.CANCELLED:
        return "It was cancelled." if started else "It was cancelled before its container started."
    if started:
        return "Its time was over."
    return "Its time was over before its container started; `kubectl describe pod` says what it waited for."


def _said_nothing(code: int | None) -> str:
    if code is None:
        return "It ended with no word from its container."
    return f"Its container ended with {code}{' (killed)' if code == 137 else ''} and said nothing; see its log."


def _interrupted(results: Json) -> bool:
    error = _Said({"error": results.get("error")}).error
    return results.get("status") == State.FAILED and error is not None and error["reason"] == _INTERRUPTED


def _error(reason: str, message: str) -> dict[str, Any]:
    return {"code": 1, "reason": reason, "message": message}


def _shown(value: Any) -> str:
    return shorten(value, 40) or "empty" if isinstance(value, str) else f"no text ({type(value).__name__})"


def _told(changed: bool | None) -> str:
    return {True: "true", False: "false", None: "unknown"}[changed]


# The event that tells of it


@dataclass(frozen=True, kw_only=True)
class StepIdentity:
    """What the controller, or the command in its place, knows of a step before it runs.

    Attributes:
        record_id: The id of its record.
        action_type: What it runs.
        image: By digest; None where no image runs.
        dry_run: Whether it only plans.
        context: Why it runs, as ACTION_CONTEXT says it.
    """

    record_id: str | None
    action_type: str | None
    image: str | None
    dry_run: bool
    context: Json


def intended_event(step: StepIdentity, at: datetime) -> dict[str, Any]:
    """Return the event that a step is going to run.

    Args:
        step: Which.
        at: When its PipelineRun was made.
    """
    return {**_event(step, State.INTENDED, at), "intended_at": rfc3339(at)}


def step_event(
    step: StepIdentity, outcome: StepOutcome, at: datetime, *, started_at: datetime | None = None
) -> dict[str, Any]:
    """Return the event that tells how a step ended: the same whenever it is made.

    Args:
        step: Which.
        outcome: How it ended.
        at: When it ended.
        started_at: When its container started, where it did and that is known.
    """
    known: dict[str, Any] = {
        "finished_at": rfc3339(at),
        "started_at": rfc3339(started_at) if started_at else None,
        "changed": outcome.changed,
        "output": outcome.output,
        "error": outcome.error,
    }
    event = {**_event(step, outcome.state, at), **known}
    return {name: value for name, value in event.items() if value is not None}


def _event(step: StepIdentity, state: State, at: datetime) -> dict[str, Any]:
    event = {
        "id": step.record_id,
        "attempt": 0,
        "state": state.value,
        "at": rfc3339(at),
        "source": Source.CONTROLLER.value,
        "action_type": step.action_type,
        "image": step.image,
        "dry_run": step.dry_run,
        **step.context,
    }
    return {name: value for name, value in event.items() if value is not None}
