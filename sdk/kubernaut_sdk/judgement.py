"""The judgement of a step's outcome, for the controller and the local engine alike.

Exit code and results decide together. A step succeeded only if its container ended with 0 and its results say
`succeeded`, `unchanged` or `planned`. If the two disagree, or a result is missing or malformed, the step failed, and it
is unknown if it changed anything. Results come from images of other authors: nothing in them may raise an exception.

Pure functions of plain data. No action container imports this.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import loads, shorten
from kubernaut_sdk.results import REQUIRED_RESULTS
from kubernaut_sdk.states import RANK, State

__all__ = [
    "CODES",
    "ContainerEnd",
    "StepOutcome",
    "failing_steps",
    "outcome_of",
]

Json = Mapping[str, Any]

CODES: Mapping[State, int] = {
    State.SUCCEEDED: 0,
    State.UNCHANGED: 0,
    State.PLANNED: 0,
    State.CANCELLED: 143,
    State.TIMED_OUT: 124,
}
"""Status → its exit code. The status `failed` has any code but 0."""

_CHANGED = {"true": True, "false": False, "unknown": None}
_RECORD_STATUSES = {"stored", "deferred", "disabled"}
_NO_CHANGE_CODES = {2, 3, 5}
"""Codes that promise that nothing changed."""
_STATES = [state.value for state in State]
_STATUSES = [*CODES, State.FAILED]
_INTERRUPTED = "Interrupted"
_SIGTERM = 143
_CONSEQUENCE = "so it counts as failed, and what it changed is not known"


@dataclass(frozen=True, kw_only=True)
class ContainerEnd:
    """The end of a step's container, as the engine that ran it knows it.

    Attributes:
        exit_code: Its exit code; None if there was no container, or if it is unknown.
        results: Result → value, of those that arrived.
        unreadable: Result → why it could not be read, to follow "the result NAME".
        stopped: `cancelled` or `timed_out`, if it was stopped from outside.
        started: False only if it is certain that the container never ran.
        reason: The engine's reason, used if the container gave none.
        sentence: The engine's message; empty if it knows no more than the exit code.
        record: The step's record in Data Storage; None if there is none, or if it was not read.
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
    """The outcome of a step.

    Attributes:
        state: A state of records.
        changed: True if it changed something; None if that is unknown.
        output: The action's output.
        error: `{code, reason, message}`, if it did not succeed.
        message: One sentence for a reader, or None.
        decided_by: The source of the outcome: the container's results, its record, or the engine if it had neither.
        record_status: The container's result of that name: `stored`, `deferred` or `disabled`; None if its results do
            not count.
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
        """True if the container itself stored this outcome in Data Storage."""
        return self.record_status == "stored"


def outcome_of(end: ContainerEnd) -> StepOutcome:
    """Return a step's outcome, from its exit code, its results and, if there are no results, its record."""
    record = end.record or {}
    known = State(record["state"]) if record.get("state") in _STATES else State.INTENDED
    if _results_decide(end):
        return _by_results(end)
    if known.terminal:
        return _by_record(end, known, record)
    if not end.started and RANK[known] < RANK[State.STARTED]:
        return _never_started(end)
    sentence = end.sentence or _no_results(end.exit_code)
    if end.stopped:
        sentence = _stopped(end.stopped)
    return StepOutcome(state=State.LOST, error=_error(end.reason, sentence), message=sentence)


def failing_steps(states: Mapping[str, State], may_fail: Collection[str]) -> list[str]:
    """Return the steps that fail the workflow: those that did not succeed and are not allowed to fail.

    Args:
        states: Step → its state, in order.
        may_fail: The steps with `onFailure: continue`.
    """
    return [name for name, state in states.items() if _bad(state) and name not in may_fail]


def _bad(state: State) -> bool:
    return (state.terminal or state is State.LOST) and not state.good and state is not State.SKIPPED


# Outcomes from results


def _results_decide(end: ContainerEnd) -> bool:
    """Return True if the results, or their absence, decide."""
    if end.unreadable or (end.exit_code == 0 and not end.stopped):
        return True
    if not end.results.get("status"):
        return False
    # until something is applied the results say Interrupted; if these are the last, the container was killed
    return not _interrupted(end.results) or end.stopped is not None or end.exit_code in {0, _SIGTERM}


def _by_results(end: ContainerEnd) -> StepOutcome:
    missing, values = list(_missing(end)), _ResultValues(end.results)
    faults = [] if missing else [*values.faults, *_disagreements(end, values)]
    if missing or faults:
        return _contradicted(end, values, missing, faults)
    assert values.state is not None
    state, error = values.state, values.error
    if _interrupted(end.results):
        state = end.stopped or State.CANCELLED
    elif not state.good and error is None:
        message = f"Its container ended with {end.exit_code} and gave no reason; see its log."
        error = {"code": end.exit_code or 1, "reason": "Failed", "message": message}
    outcome = StepOutcome(
        state=state,
        changed=values.changed,
        output=values.output,
        error=error,
        message=error["message"] if error else None,
        decided_by="results",
        record_status=end.results.get("record-status"),
    )
    return _stopped_outcome(end, outcome)


def _missing(end: ContainerEnd) -> Iterator[str]:
    for name, why in end.unreadable.items():
        yield f"the result {name} {why}"
    absent = [name for name in REQUIRED_RESULTS if name not in end.results and name not in end.unreadable]
    if absent:
        yield f"{'the result' if len(absent) == 1 else 'the results'} {', '.join(absent)} did not arrive"


class _ResultValues:
    """The values of the results; `faults` lists those that are malformed."""

    def __init__(self, results: Json) -> None:
        self.faults: list[str] = []
        self.state: State | None = None
        self.changed: bool | None = None
        status, changed = results.get("status"), results.get("changed")
        if status in _STATUSES:  # compared in a list, since a value of any type may be there
            self.state = State(status)
        elif "status" in results:
            self.faults.append(f"the result status is {_quoted(status)}")
        if isinstance(changed, str) and changed in _CHANGED:
            self.changed = _CHANGED[changed]
        elif "changed" in results:
            self.faults.append(f"the result changed is {_quoted(changed)}, not true, false or unknown")
        self.output = self._object("output", results.get("output"))
        error = self._object("error", results.get("error"))
        self.error = None if error is None else self._reason(error)
        delivered = results.get("record-status")
        if "record-status" in results and not (isinstance(delivered, str) and delivered in _RECORD_STATUSES):
            self.faults.append(f"the result record-status is {_quoted(delivered)}")

    def _object(self, name: str, text: Any) -> dict[str, Any] | None:
        if text in (None, ""):
            return None
        try:
            value = loads(text) if isinstance(text, str) else None
        except (InvalidInputs, ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            # the message does not contain the value: it may be anything
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


def _disagreements(end: ContainerEnd, values: _ResultValues) -> Iterator[str]:
    """Yield the contradictions between exit code and results, and among the results."""
    state, code = values.state, end.exit_code
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
    if state.good and values.error is not None:
        yield f"its status is {state} and its error is {_quoted(values.error['reason'])}"
    if state in {State.UNCHANGED, State.PLANNED} and values.changed is not False:
        yield f"its status is {state} and changed is {_spelled(values.changed)}"
    if code in _NO_CHANGE_CODES and values.changed is not False:
        yield f"its exit code is {code}, which promises that nothing changed, and changed is {_spelled(values.changed)}"


def _contradicted(end: ContainerEnd, values: _ResultValues, missing: list[str], faults: list[str]) -> StepOutcome:
    word = "NoResults" if missing else "Contradiction"
    problems = "; ".join([*missing, *faults])
    silent = not end.results and not end.unreadable
    if silent and end.reason == word and end.sentence:
        sentence = end.sentence
    elif values.error is not None and values.error["message"]:
        sentence = f"{values.error['message'].rstrip('. ')}. But {problems}; {_CONSEQUENCE}."
    else:
        sentence = f"{problems[0].upper()}{problems[1:]}; {_CONSEQUENCE}."
    outcome = StepOutcome(
        state=State.FAILED,
        output=None,
        error={"code": end.exit_code or 1, "reason": word, "message": sentence},
        message=sentence,
        decided_by="results",
    )
    return _stopped_outcome(end, outcome)


# Outcomes from the record, or from the engine


def _by_record(end: ContainerEnd, known: State, record: Json) -> StepOutcome:
    if known.good and end.exit_code not in {0, None}:
        sentence = f"Its exit code is {end.exit_code} and its record says {known}; {_CONSEQUENCE}."
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
    """Return the outcome of a step that was stopped: a timeout always counts, a cancel unless the step succeeded."""
    if end.stopped is State.TIMED_OUT or (end.stopped and not outcome.state.good):
        return replace(outcome, state=end.stopped, message=_stopped(end.stopped))
    return outcome


def _stopped(how: State, *, started: bool = True) -> str:
    if how is State.CANCELLED:
        return "It was cancelled." if started else "It was cancelled before its container started."
    if started:
        return "Its time was over."
    return "Its time was over before its container started; `kubectl describe pod` says what it waited for."


def _no_results(code: int | None) -> str:
    if code is None:
        return "It ended with no word from its container."
    return f"Its container ended with {code}{' (killed)' if code == 137 else ''} and said nothing; see its log."


def _interrupted(results: Json) -> bool:
    error = _ResultValues({"error": results.get("error")}).error
    return results.get("status") == State.FAILED and error is not None and error["reason"] == _INTERRUPTED


def _error(reason: str, message: str) -> dict[str, Any]:
    return {"code": 1, "reason": reason, "message": message}


def _quoted(value: Any) -> str:
    return shorten(value, 40) or "empty" if isinstance(value, str) else f"no text ({type(value).__name__})"


def _spelled(changed: bool | None) -> str:
    return {True: "true", False: "false", None: "unknown"}[changed]
