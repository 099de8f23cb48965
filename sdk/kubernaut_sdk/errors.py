"""The errors that an action raises; each class is one exit code of the action contract.

    ActionError
    ├── Failed               1    permanent, or unexpected
    ├── InvalidInputs        2    inputs or usage
    ├── PreconditionFailed   3    the world is not as the action needs it
    │   └── NotFound         3    what it acts on does not exist
    ├── VerifyFailed         4    applied, goal not reached
    ├── RecordRequired       5    Data Storage is out of reach and the policy requires it, or nothing can be spooled
    ├── Transient           75    may pass: tried again while retries and time last
    ├── DeadlineExceeded   124    the action's own time is over
    └── Cancelled          143    SIGTERM

Codes 2, 3 and 5 promise that nothing changed. Raised from within `apply` they become 1.
"""

from typing import ClassVar

from kubernaut_sdk.states import Error

__all__ = [
    "ActionError",
    "Cancelled",
    "DeadlineExceeded",
    "Failed",
    "InvalidInputs",
    "NotFound",
    "PreconditionFailed",
    "RecordRequired",
    "Transient",
    "VerifyFailed",
    "code_of",
    "explain",
    "promises_no_change",
]


class ActionError(Exception):
    """The base class of all errors that end an action. Raise one of its subclasses.

    Args:
        message: One sentence for the reader: what was wrong, with which value, and what to do.
        reason: A CamelCase word for machines; by default the class's name.
    """

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "an action failed"
    may_have_changed: ClassVar[bool | None] = True  # None: the result says

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).__name__

    def error(self) -> Error:
        """Return the error as results and records contain it."""
        return Error(code=self.exit_code, reason=self.reason, message=self.message)


class Failed(ActionError):
    """A permanent or unexpected failure; trying again would not help."""

    meaning = "permanent failure, or an unexpected one"


class InvalidInputs(ActionError):
    """The inputs, or the way the program was called, cannot be used."""

    exit_code = 2
    meaning = "invalid inputs or usage"
    may_have_changed = False


class PreconditionFailed(ActionError):
    """The world is not as the action needs it: a tool is missing, access is denied, a limit is in the way."""

    exit_code = 3
    meaning = "the world is not as the action needs it"
    may_have_changed = False


class NotFound(PreconditionFailed):
    """The object that the action should act on does not exist."""


class VerifyFailed(ActionError):
    """The change was applied, or was already in place, and its goal was not reached."""

    exit_code = 4
    meaning = "applied, but the goal was not reached"


class RecordRequired(ActionError):
    """Data Storage is out of reach and the policy is `require`, or the spool cannot keep it; nothing was applied."""

    exit_code = 5
    meaning = "Data Storage is out of reach, and the policy is require or the spool cannot be written"
    may_have_changed = False


class Transient(ActionError):
    """A temporary failure: the server is busy, a connection broke before anything was sent, a write conflicted."""

    exit_code = 75
    meaning = "still transient after the last retry"
    may_have_changed = None


class DeadlineExceeded(ActionError):
    """The action's own time (`ACTION_TIMEOUT`) is over."""

    exit_code = 124
    meaning = "the action's time is over"
    may_have_changed = None


class Cancelled(ActionError):
    """The process received SIGTERM: a cancel, a node that drains, a deleted pod."""

    exit_code = 143
    meaning = "cancelled by SIGTERM"
    may_have_changed = None


_CLASSES: tuple[type[ActionError], ...] = (
    Failed,
    InvalidInputs,
    PreconditionFailed,
    VerifyFailed,
    RecordRequired,
    Transient,
    DeadlineExceeded,
    Cancelled,
)


def code_of(problem: ActionError) -> int:
    """Return the contract's exit code for an error; 1 if an author's own class has a code outside the contract."""
    return problem.exit_code if problem.exit_code in {kind.exit_code for kind in _CLASSES} else Failed.exit_code


def promises_no_change(code: int) -> bool:
    """Return True if an exit code promises that nothing was changed."""
    return any(kind.exit_code == code and kind.may_have_changed is False for kind in _CLASSES)


def explain(code: int) -> dict[str, object]:
    """Return the meaning of an exit code, as `kubernaut-action explain` prints it.

    Raises:
        InvalidInputs: if the contract has no such code.
    """
    if code == 0:
        return {
            "code": 0,
            "reason": "Succeeded",
            "meaning": "succeeded, or unchanged",
            "may_have_changed": "see changed",
        }
    for kind in _CLASSES:
        if kind.exit_code == code:
            changed = {True: "yes", False: "no", None: "see changed"}[kind.may_have_changed]
            return {"code": code, "reason": kind.__name__, "meaning": kind.meaning, "may_have_changed": changed}
    known = ", ".join(str(kind.exit_code) for kind in _CLASSES)
    raise InvalidInputs(f"{code} is no exit code of the action contract; it has 0, {known}.")
