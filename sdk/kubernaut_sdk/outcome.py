"""How an execution ended, as standard output tells it; and the end of one that had nothing to run."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubernaut_sdk import ids
from kubernaut_sdk.errors import ActionError, Cancelled, DeadlineExceeded
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.recorder import Delivery, Recorder
from kubernaut_sdk.results import Results, write
from kubernaut_sdk.settings import Settings
from kubernaut_sdk.states import Change, Error, State
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["Outcome", "refuse", "state_of"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an execution ended; what standard output carries."""

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
        """The contract's exit code."""
        return self.error.code if self.error else 0

    def document(self) -> dict[str, Any]:
        """The JSON object of the contract."""
        return {
            "action_type": self.action_type,
            "status": self.status.value,
            "changed": "unknown" if self.changed is None else self.changed,
            "change": self.change.document() if self.change else None,
            "output": self.output,
            "error": self.error.document() if self.error else None,
            "record": {"id": self.record_id, "attempt": self.attempt, "status": self.delivery},
        }


def state_of(problem: ActionError) -> State:
    """The state in which a step ends by an error."""
    match problem:
        case Cancelled():
            return State.CANCELLED
        case DeadlineExceeded():
            return State.TIMED_OUT
        case _:
            return State.FAILED


def refuse(
    problem: ActionError, settings: Settings | None, recorder: Recorder | None, masker: Masker | None = None
) -> Outcome:
    """Ends an execution that has no action to run: what was asked for is unknown or unreadable, or it ended before.

    Args:
        problem: Why.
        settings: Where results go and whose record it is; None where they could not be read.
        recorder: Tells the record, where there is one.
        masker: Hides in its message the secrets that are known by then.
    """
    record_id = (settings.record_id or ids.mint()) if settings else None
    state, error = state_of(problem), problem.error()
    masker = masker or Masker()
    error = replace(error, message=masker.text(error.message))
    action_type = masker.json(settings.action_type) if settings else None
    delivery: Delivery = "disabled"
    logger.error("%s", error.message, extra={"fields": {"reason": error.reason, "exit_code": error.code}})
    if settings and recorder and record_id:
        now = rfc3339(utcnow())
        known = {
            **settings.about(),
            "action_type": action_type and action_type[:253],
            "error": error.document(),
            "changed": False,
            "finished_at": now,
        }
        event = {"id": str(record_id), "attempt": 0, "state": state.value, "at": now, **known}
        event = {name: value for name, value in event.items() if value is not None}
        delivery = recorder.confirm(event)
    results = Results(status=state, changed=False, record_id=record_id, record_status=delivery, error=error)
    folder = settings.results_dir if settings else os.environ.get("RESULTS_DIR")
    write(results, Path(folder) if folder else None)
    return Outcome(
        action_type=action_type,
        status=state,
        changed=False,
        error=error,
        record_id=str(record_id) if record_id else None,
        delivery=delivery,
    )
