"""Write remediation actions for Kubernaut: uniform inputs, honest exit codes, results and records.

    from kubernaut_sdk import Action, Change, Context, Inputs, Result

An `Action` has a `plan`, which reads the world and returns a `Change(before, after)`, and an `apply`, which carries
it out. Dry run, diff, `changed`, idempotency, retries, results and records follow from the two.
"""

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
from kubernaut_sdk.history import DataStorage
from kubernaut_sdk.models import Inputs, Result
from kubernaut_sdk.records import Change, ObjectRef
from kubernaut_sdk.tools import Completed

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
