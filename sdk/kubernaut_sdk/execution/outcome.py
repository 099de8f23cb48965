"""The outcome of an execution, as standard output shows it; also of one that never reached its action."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubernaut_sdk import ids
from kubernaut_sdk.errors import ActionError, Cancelled, DeadlineExceeded, Failed, code_of, promises_no_change
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.recorder import Delivery, Recorder
from kubernaut_sdk.results import Results, write
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import Change, Error, State
from kubernaut_sdk.times import rfc3339, utcnow
from kubernaut_sdk.wire import fitting_event, unicode_text

__all__ = ["ExecutionOutcome", "failure", "log_failure", "refuse"]


@dataclass(frozen=True, kw_only=True)
class ExecutionOutcome:
    """The outcome of an execution; its document is the verb's standard output."""

    action_type: str | None
    status: State
    changed: bool | None
    change: Change | None = None
    output: dict[str, Any] | None = None
    error: Error | None = None
    record_id: str | None = None
    attempt: int = 0
    delivery: Delivery = "disabled"

    @property
    def exit_code(self) -> int:
        """The exit code by the action contract."""
        return self.error.code if self.error else 0

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the contract."""
        return {
            "action_type": self.action_type,
            "status": self.status.value,
            "changed": "unknown" if self.changed is None else self.changed,
            "change": self.change.document() if self.change else None,
            "output": self.output,
            "error": self.error.document() if self.error else None,
            "record": {"id": self.record_id, "attempt": self.attempt, "status": self.delivery},
        }


def failure(problem: BaseException) -> tuple[State, Error]:
    """Return the state and error for an exception of an action or a library. The exit code is never 0."""
    if not isinstance(problem, ActionError):
        kind, text = type(problem).__name__, _message_of(problem)
        if isinstance(problem, SystemExit):
            text = f"{text or 0}; an action ends by returning or raising, never by sys.exit"
        error = Error(code=1, reason="Unexpected", message=f"unexpected {kind}: {text or 'no more is said'}")
        return State.FAILED, error
    code = code_of(problem)
    reason = getattr(problem, "reason", None)
    if not isinstance(reason, str) or not reason or (reason == "Interrupted" and code != Cancelled.exit_code):
        reason = type(problem).__name__  # a container that ended as it began says Interrupted
    error = Error(
        code=code,
        reason=unicode_text(reason),
        message=_message_of(problem) or "no more is said.",
    )
    return {Cancelled.exit_code: State.CANCELLED, DeadlineExceeded.exit_code: State.TIMED_OUT}.get(
        code, State.FAILED
    ), error


def _message_of(problem: BaseException) -> str:
    """Return the text of an exception. An author's class may have no message, or fail to produce one."""
    message = getattr(problem, "message", None) if isinstance(problem, ActionError) else None
    try:
        return unicode_text(message if isinstance(message, str) else str(problem if message is None else message))
    except Exception as error:
        return f"its text cannot be shown ({type(error).__name__})"


def log_failure(problem: BaseException, error: Error) -> None:
    """Log an error; with a traceback if it is unexpected, or if a module cannot be imported."""
    trace = problem.__cause__ if isinstance(problem, ActionError) else problem
    logger.error(
        "%s", error.message, exc_info=trace, extra={"fields": {"reason": error.reason, "exit_code": error.code}}
    )


def refuse(
    problem: BaseException,
    settings: StepSettings | None,
    recorder: Recorder | None,
    *,
    masker: Masker,
    folder: Path | None,
    changed: bool | None = False,
) -> ExecutionOutcome:
    """Report an execution that ended before, or outside, its action: results, record and log.

    Args:
        problem: The exception that ended it.
        settings: The step's settings; None if they could not be read.
        recorder: Sends the event, if Data Storage is configured.
        masker: Hides the secrets that are known so far.
        folder: The folder of the result files, or None.
        changed: True if something was changed; None if that is not known.
    """
    record_id = (settings.record_id or ids.mint()) if settings else None
    state, error = failure(problem)
    if changed is not False and promises_no_change(error.code):
        error = replace(error, code=Failed.exit_code)
    error = replace(error, message=masker.text(error.message))
    action_type = masker.json(settings.action_type) if settings else None
    log_failure(problem, error)
    results = Results(status=state, changed=changed, record_id=record_id, record_status="disabled", error=error)
    delivery: Delivery = "disabled"
    if settings and recorder and record_id:
        now = rfc3339(utcnow())
        known = {
            **settings.about(),
            "action_type": action_type and action_type[:253],
            "error": error.document(),
            "changed": changed,
            "finished_at": now,
        }
        event = {"id": str(record_id), "attempt": 0, "state": state.value, "at": now, **known}
        event = fitting_event({name: value for name, value in event.items() if value is not None})
        _write(replace(results, record_status="deferred"), folder)
        delivery = recorder.confirm(event)
    _write(replace(results, record_status=delivery), folder)
    return ExecutionOutcome(
        action_type=action_type,
        status=state,
        changed=changed,
        error=error,
        record_id=str(record_id) if record_id else None,
        delivery=delivery,
    )


def _write(results: Results, folder: Path | None) -> None:
    try:
        write(results, folder)
    except OSError as problem:
        logger.error("results cannot be written to %s: %s", folder, problem)
