"""Write remediation actions for Kubernaut: uniform inputs, honest exit codes, results and records.

    from kubernaut_sdk import Action, Change, Context, Inputs, Result

An `Action` has a `plan`, which reads the world and returns a `Change(before, after)`, and an `apply`, which carries
it out. Dry run, diff, `changed`, idempotency, retries, results and records follow from the two.
"""

from typing import TYPE_CHECKING, Any

from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import (
    ActionError,
    Cancelled,
    DeadlineExceeded,
    Failed,
    InvalidInputs,
    NotFound,
    PreconditionFailed,
    RecordRequired,
    Transient,
    VerifyFailed,
)
from kubernaut_sdk.models import Inputs, Result
from kubernaut_sdk.states import Change, ObjectRef
from kubernaut_sdk.tools import Completed

if TYPE_CHECKING:
    from kubernaut_sdk.history import DataStorage

__all__ = [
    "Action",
    "ActionError",
    "Cancelled",
    "Change",
    "Completed",
    "Context",
    "DataStorage",
    "DeadlineExceeded",
    "Failed",
    "Inputs",
    "InvalidInputs",
    "NotFound",
    "ObjectRef",
    "PreconditionFailed",
    "RecordRequired",
    "Result",
    "Transient",
    "VerifyFailed",
]


def __getattr__(name: str) -> Any:
    """`DataStorage` on demand: an action does not read history, and shall not wait for what does."""
    if name == "DataStorage":
        from kubernaut_sdk.history import DataStorage  # noqa: PLC0415

        return DataStorage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
