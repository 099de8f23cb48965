"""AWS reads may be older than the last write, and most of its writes know no compare-and-swap.

So a read that still shows the state before is *not yet*; a third state is somebody else's. And the state is read again
right before it is written.
"""

import json
from typing import Any

from kubernaut_sdk import Change, Transient, VerifyFailed

__all__ = ["pending_write", "require_planned"]


def require_planned(subject: str, now: Any, planned: Any) -> None:
    """Raise unless the state is still as it was planned for.

    Raises:
        Transient: if somebody changed it since; the action is then planned anew.
    """
    if now != planned:
        raise Transient(
            f"{subject} was at {show(planned)} when it was read, and is at {show(now)}; it is planned anew.",
            reason="Conflict",
        )


def pending_write(subject: str, now: Any, change: Change, hint: str = "") -> str | None:
    """Return None if a read shows what was written, or a sentence if it still shows what was before.

    Args:
        subject: What was written.
        now: The state that was read; `change` has states of the same form.
        change: The change that was applied.
        hint: For the message, if somebody else wrote: who may have.

    Raises:
        VerifyFailed: if it shows neither: somebody else wrote since.
    """
    if now == change.after:
        return None
    if now == change.before:
        return f"{subject} still reads {show(now)}, not {show(change.after)}."
    raise VerifyFailed(
        f"{subject} was set to {show(change.after)}, and then by somebody else to {show(now)}{hint and f'; {hint}'}.",
        reason="Overwritten",
    )


def show(state: Any) -> str:
    """Return a state in a few words: a number as it is, fields as `name value`."""
    if isinstance(state, dict):
        return ", ".join(f"{name} {show(value)}" for name, value in state.items()) or "nothing"
    if state is None:
        return "none"
    return state if isinstance(state, str) else json.dumps(state)
