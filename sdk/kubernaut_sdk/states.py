"""The small plain types that all parts share: states, sources, changes, errors, object references.

They are plain dataclasses, because every action container imports them and every step waits for its imports. The whole
record, with its validation, is in `kubernaut_sdk.records`.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

__all__ = ["RANK", "Change", "Error", "ObjectRef", "Source", "State", "same"]


class State(StrEnum):
    """The state of a step. The higher rank wins; all terminal states have one rank."""

    INTENDED = "intended"
    STARTED = "started"
    APPLYING = "applying"
    LOST = "lost"
    SUCCEEDED = "succeeded"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"

    @property
    def terminal(self) -> bool:
        """True if the step has ended with a known outcome (not `lost`: a late event of the container still wins)."""
        return RANK[self] == _TERMINAL

    @property
    def good(self) -> bool:
        """True if the step succeeded, or (for `planned`) would."""
        return self in {State.SUCCEEDED, State.UNCHANGED, State.PLANNED}


_TERMINAL = 4
RANK: dict[State, int] = {
    State.INTENDED: 0,
    State.STARTED: 1,
    State.APPLYING: 2,
    State.LOST: 3,
} | dict.fromkeys(list(State)[4:], _TERMINAL)


class Source(StrEnum):
    """The sender of an event. At equal rank, a container's event wins over a controller's."""

    CONTROLLER = "controller"
    CONTAINER = "container"


def same(one: Any, other: Any) -> bool:
    """Return True if two JSON values are equal; 1, 1.0 and true are three different values."""
    return json.dumps(one, sort_keys=True, default=repr) == json.dumps(other, sort_keys=True, default=repr)


@dataclass(frozen=True)
class Change:
    """The change that an action makes: the state before and the state after, as JSON values."""

    before: Any = None
    after: Any = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    @property
    def empty(self) -> bool:
        """True if nothing would change, by the equality of JSON values."""
        return same(self.before, self.after)

    def document(self) -> dict[str, Any]:
        """Return the change as JSON."""
        return {"before": self.before, "after": self.after}


@dataclass(frozen=True)
class Error:
    """The error of a step: an exit code of the action contract, a reason (one word) and a message."""

    code: int
    reason: str
    message: str

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def document(self) -> dict[str, Any]:
        """Return the error as JSON."""
        return {"code": self.code, "reason": self.reason, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class ObjectRef:
    """A reference to a Kubernetes object that an action acts on. Other targets (an ARN, a repository) are text."""

    cluster: str | None = None
    kind: str
    namespace: str | None = None
    name: str

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def document(self) -> dict[str, Any]:
        """Return the reference as JSON, without absent fields."""
        fields = {"cluster": self.cluster, "kind": self.kind, "namespace": self.namespace, "name": self.name}
        return {name: value for name, value in fields.items() if value is not None}
