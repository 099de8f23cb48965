"""The standard output of a step's program. It is only shown: the outcome is decided by exit code and results."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import loads

__all__ = ["StepOutput", "read_step_output"]

_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class StepOutput:
    """The change and the attempt that a step's standard output reports."""

    change: dict[str, Any] | None = None
    attempt: int = 0


def read_step_output(path: Path) -> StepOutput:
    """Return the change and the attempt in a file with standard output; nothing if it is not the contract's object."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return StepOutput()
            with os.fdopen(os.dup(file), "rb") as stream:
                content = stream.read(_LARGEST + 1)
        finally:
            os.close(file)
        document = loads(content.decode("utf-8")) if len(content) <= _LARGEST else None
    except (OSError, InvalidInputs, ValueError, RecursionError):
        return StepOutput()
    if not isinstance(document, dict):
        return StepOutput()
    change, record = document.get("change"), document.get("record")
    attempt = record.get("attempt") if isinstance(record, dict) else 0
    if not isinstance(change, dict) or set(change) != {"before", "after"}:
        change = None
    if not isinstance(attempt, int) or not 0 <= attempt <= 10_000:
        attempt = 0
    return StepOutput(change, int(attempt))
