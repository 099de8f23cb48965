"""The attempts of one execution: the failures that are tried again, the pauses, and what the record says of each."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from kubernaut_sdk.backoff import backoff
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import ActionError, Transient
from kubernaut_sdk.execution.outcome import failure
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["Attempts"]

_PAUSE, _LONGEST_PAUSE = 0.5, 20.0
"""Seconds after the first failure, and the most after any; the pause doubles in between."""


class Attempts:
    """The attempts of one execution, numbered by `context.attempt`.

    Args:
        context: The action's context; its `attempt` is the number of the current attempt.
        retries: The number of times that a transient failure is tried again.
        interrupts: Knows the time that remains.
        masker: Masks the messages of failures.

    Attributes:
        ended: The attempts that have ended, as the record holds them.
    """

    def __init__(self, context: Context, retries: int, interrupts: Interrupts, masker: Masker) -> None:
        self._context, self._retries, self._interrupts, self._masker = context, retries, interrupts, masker
        self._first = 0
        self.ended: list[dict[str, Any]] = []

    def begin_at(self, number: int) -> None:
        """Set the current attempt's number, after those of an earlier pod; never to a lower one."""
        if self._first < number:
            self._first = self._context.attempt = number

    def note(self, started: datetime, problem: ActionError | None = None) -> None:
        """Add the current attempt, which has ended now, to those of the record."""
        attempt: dict[str, Any] = {
            "number": self._context.attempt,
            "started": rfc3339(started),
            "ended": rfc3339(utcnow()),
        }
        if problem is not None:
            _, error = failure(problem)
            attempt["error"] = replace(error, message=self._masker.text(error.message)).document()
        self.ended.append(attempt)

    def back_off(self, problem: ActionError) -> None:
        """Wait for the next attempt after a failure.

        Raises:
            ActionError: the failure itself, if it is not transient, or neither a retry nor the time for one is left.
        """
        tried = self._context.attempt - self._first
        if not isinstance(problem, Transient) or tried >= self._retries:
            raise problem
        pause = backoff(tried + 1, _PAUSE, _LONGEST_PAUSE, jitter=True)
        if pause >= self._interrupts.remaining():
            raise problem
        logger.warning(
            "transient: %s",
            failure(problem)[1].message,
            extra={"fields": {"attempt": self._context.attempt, "pause": round(pause, 2)}},
        )
        self._context.sleep(pause)
        self._context.attempt += 1
