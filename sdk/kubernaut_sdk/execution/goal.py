"""Waiting for an action's goal: its `verify` is called again until it returns True, or the time is over.

Without a watch it is called again after a pause that grows. With one (`Context.watch`) it is called as soon as the
watch prints something, and every few seconds although it does not.
"""

from collections.abc import Callable
from typing import Any

from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import Failed, Transient, VerifyFailed
from kubernaut_sdk.execution.outcome import failure
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger

__all__ = ["await_goal"]

_MARGIN = 2.0
"""Seconds before the deadline at which the wait ends (a fifth of the remaining time, if the step is short), so that the
error can say what is missing and not only that the time was over."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_LONGEST_WATCHED, _LONGEST_BUSY = 5.0, 1.0
"""Seconds between two looks while a watch runs: where it prints nothing, and where it prints all the time."""


def await_goal(
    action: Action, context: Context, interrupts: Interrupts, ask: Callable[[], Any], *, applied: bool
) -> None:
    """Return when the goal is reached and, if the action asks for it, has held for its `settle` time.

    What is missing is logged whenever it changes.

    Args:
        action: Says how long to wait, and how long the goal must hold.
        context: Its watches end a pause early.
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
    deadline = clock.monotonic() + patience
    reached: float | None = None
    said = ""
    pause = _FIRST_PAUSE
    may_watch = False  # a goal that is reached with the first look or the second is not worth the start of a tool
    while True:
        is_known = True
        try:
            answer = ask()
        except Transient as problem:
            answer, is_known = failure(problem)[1].message, False
        finally:
            interrupts.check()
        now = clock.monotonic()
        if answer is True:
            reached = now if reached is None else reached
            if now - reached >= settle:
                return
            missing = f"the goal is reached, and has not yet held for {settle:.0f} s"
            context.look_again_within(reached + settle - now)
        elif answer is None or answer is False or isinstance(answer, str):
            reached = None
            missing = answer or "the goal is not reached"
        else:
            raise Failed(
                f"verify of {action.action_type} must return True, False or a text, not {type(answer).__name__}."
            )
        if now >= deadline:
            begun = "applied" if applied else "there was nothing to apply"
            raise VerifyFailed(f"{begun}, but after {max(0.0, patience):.0f} s: {missing}")
        if missing != said:
            said = missing
            logger.info("waiting: %s", missing.rstrip("."))
        is_watched = may_watch and context.watches.start() and is_known
        longest = min(_LONGEST_WATCHED if is_watched else pause, deadline - now)
        came = context.watches.wait(longest, min(pause, _LONGEST_BUSY))
        # after a line that came late, the next is heard at once; where many come, the looks become rarer
        pause = _FIRST_PAUSE if came is not None and came >= pause else min(_LONGEST_PAUSE, pause * 1.5)
        may_watch = True
