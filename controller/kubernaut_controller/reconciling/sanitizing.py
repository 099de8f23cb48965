"""The sanitizing of what a pod reports, so that the status and the records can hold it: types, lengths, bounds.

Images are not ours: their results may be anything. A value that does not fit is left out, and the step's message says
so.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.portable import dumps, require_portable

__all__ = ["bounded_text", "sanitize"]

_LONGEST_MESSAGE = 4096
_LONGEST_REASON = 253
_LONGEST_CODE = 2**31 - 1
_LARGEST_OUTPUT = 32 * 1024
_SURROGATES = re.compile("[\ud800-\udfff]")


def sanitize(outcome: KnownOutcome) -> KnownOutcome:
    """Return the outcome of a step with values that a status can hold, whatever its pod reported."""
    output, left_out = _output(outcome.output)
    message = bounded_text(outcome.message)
    if left_out:
        message = f"{message.rstrip('.')}. {left_out}" if message else left_out
    return replace(
        outcome,
        message=message,
        task_run=bounded_text(outcome.task_run),
        started_at=_time(outcome.started_at),
        finished_at=_time(outcome.finished_at),
        changed=outcome.changed if isinstance(outcome.changed, bool) else None,
        output=output,
        error=_error(outcome.error),
    )


def bounded_text(value: Any, longest: int = _LONGEST_MESSAGE) -> str | None:
    """Return a value as text that the API server accepts: valid Unicode, no NUL, bounded; None stays None."""
    if value is None:
        return None
    text = value if isinstance(value, str) else _spelt(value)
    text = _SURROGATES.sub("\ufffd", text).replace("\0", "\ufffd")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _output(value: Any) -> tuple[dict[str, Any] | None, str | None]:
    """Return the output, and a sentence where it is left out."""
    if value is None:
        return None, None
    if not isinstance(value, dict):
        return None, f"Its output is a {type(value).__name__}, not an object, and is left out."
    try:
        require_portable(value, "output")
        size = len(dumps(value).encode())
    except (InvalidInputs, RecursionError, ValueError, TypeError) as error:
        why = bounded_text(getattr(error, "message", str(error)), 300) or ""
        return None, f"Its output is left out: {why.rstrip('.')}."
    if size > _LARGEST_OUTPUT:
        return None, f"Its output has {size} bytes and is left out; at most {_LARGEST_OUTPUT} are kept."
    return value, None


def _error(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    code = value.get("code")
    if isinstance(code, str) and re.fullmatch(r"[0-9]{1,9}", code):
        code = int(code)
    good = isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= _LONGEST_CODE
    return {
        "code": code if good else 1,
        "reason": bounded_text(value.get("reason"), _LONGEST_REASON) or "Unknown",
        "message": bounded_text(value.get("message")) or "",
    }


def _time(value: Any) -> str | None:
    """Return a time that the status and the records can hold; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return value if moment.tzinfo and "T" in value else aware.strftime("%Y-%m-%dT%H:%M:%SZ")


def _spelt(value: Any) -> str:
    try:
        return dumps(value)
    except (RecursionError, ValueError, TypeError):
        return repr(type(value).__name__)
