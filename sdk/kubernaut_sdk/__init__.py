"""Write remediation actions for Kubernaut: uniform inputs, honest exit codes, results and records.

    from kubernaut_sdk import Action, Change, Context, Inputs, Result

An `Action` has a `plan`, which reads the current state and returns a `Change(before, after)`, and an `apply`, which
makes that change. Dry run, diff, `changed`, idempotency, retries, results and records follow from the two.

Each name is imported when it is first used, so that a program that reads a history does not load what actions need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernaut_sdk.action import Action, Caution
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
    from kubernaut_sdk.history import AsyncDataStorage, DataStorage
    from kubernaut_sdk.models import Inputs, Result
    from kubernaut_sdk.states import Change, ObjectRef
    from kubernaut_sdk.tools import Completed

__all__ = [
    "Action",
    "ActionError",
    "AsyncDataStorage",
    "Cancelled",
    "Caution",
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

_ELSEWHERE = {
    "Action": "action",
    "Caution": "action",
    "Change": "states",
    "Completed": "tools",
    "Context": "context",
    "AsyncDataStorage": "history",
    "DataStorage": "history",
    "Inputs": "models",
    "ObjectRef": "states",
    "Result": "models",
}
"""Name → its module, for all names that are not errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
