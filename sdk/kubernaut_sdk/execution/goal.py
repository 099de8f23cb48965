"""Waiting for an action's goal: its `verify` is called again until it returns True, or the time is over."""

from collections.abc import Callable
from typing import Any

from kubernaut_sdk.action import Action
from kubernaut_sdk.errors import Failed, Transient, VerifyFailed
from kubernaut_sdk.execution.outcome import failure
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger

__all__ = ["await_goal"]

_MARGIN = 2.0
"""Seconds before the deadline at which the wait ends (a fifth of the remaining time, if the step is short), so that the
error can say what is missing and not only that the time was over."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


def await_goal(action: Action, interrupts: Interrupts, ask: Callable[[], Any], *, applied: bool) -> None:
    """Return when the goal is reached and, if the action asks for it, has held for its `settle` time.

    What is missing is logged whenever it changes.

    Args:
        action: Says how long to wait, and how long the goal must hold.
        interrupts: The clock, and the cancel that ends the wait.
        ask: Calls `verify`.
        applied: True if something was applied; only for the message.

    Raises:
        VerifyFailed: if the goal is not reached in time, with what is missing; or if `verify` raises it.
        Failed: if `verify` returns neither a bool, a text nor None.
    """
    clock, remaining = interrupts.clock, interrupts.remaining()
    patience = remaining - min(_MARGIN, remaining / 5)
    if action.verify_within is not None:
        patience = min(patience, action.verify_within.total_seconds())
    settle = action.verify_settle.total_seconds()
    started = clock.monotonic()
    reached: float | None = None
    said = ""
    pause = _FIRST_PAUSE
    while True:
        try:
            answer = ask()
        except Transient as problem:
            answer = failure(problem)[1].message
        finally:
            interrupts.check()
        now, wait = clock.monotonic(), pause
        if answer is True:
            reached = now if reached is None else reached
            if now - reached >= settle:
                return
            missing = f"the goal is reached, and has not yet held for {settle:.0f} s"
            wait = min(pause, reached + settle - now)
        elif answer is None or answer is False or isinstance(answer, str):
            reached = None
            missing = answer or "the goal is not reached"
        else:
            raise Failed(
                f"verify of {action.action_type} must return True, False or a text, not {type(answer).__name__}."
            )
        if now + wait > started + patience:
            begun = "applied" if applied else "there was nothing to apply"
            raise VerifyFailed(f"{begun}, but after {max(0.0, patience):.0f} s: {missing}")
        if missing != said:
            said = missing
            logger.info("waiting: %s", missing.rstrip("."))
        interrupts.sleep(wait)
        pause = min(_LONGEST_PAUSE, pause * 1.5)
