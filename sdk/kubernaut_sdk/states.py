"""What may be known of a step, who says so, and what they say: the small plain shapes that every part speaks of.

Plain dataclasses, because every action container imports them and a step at three in the morning waits for imports;
`kubernaut_sdk.records` has the whole of a record, with its validation.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

__all__ = ["RANK", "Change", "Error", "ObjectRef", "Source", "State", "same"]


class State(StrEnum):
    """What is known of a step. Later in rank wins; all terminal states are of one rank."""

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
        """Whether the step has ended, with its end known (`lost` is not: a late word still wins)."""
        return RANK[self] == _TERMINAL

    @property
    def good(self) -> bool:
        """Whether what was asked for is so, or (for `planned`) would be."""
        return self in {State.SUCCEEDED, State.UNCHANGED, State.PLANNED}


_TERMINAL = 4
RANK: dict[State, int] = {
    State.INTENDED: 0,
    State.STARTED: 1,
    State.APPLYING: 2,
    State.LOST: 3,
} | dict.fromkeys(list(State)[4:], _TERMINAL)


class Source(StrEnum):
    """Who says so. At equal rank the container's word beats the controller's."""

    CONTROLLER = "controller"
    CONTAINER = "container"


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same value."""
    return json.dumps(one, sort_keys=True, default=repr) == json.dumps(other, sort_keys=True, default=repr)


@dataclass(frozen=True)
class Change:
    """What an action does to the world: the state it found and the state it makes, as JSON values."""

    before: Any = None
    after: Any = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    @property
    def empty(self) -> bool:
        """Whether nothing would change. As JSON has it, where 1, 1.0 and true are three values."""
        return same(self.before, self.after)

    def document(self) -> dict[str, Any]:
        """The change as JSON."""
        return {"before": self.before, "after": self.after}


@dataclass(frozen=True)
class Error:
    """Why a step did not succeed: an exit code of the action contract, a word and a sentence."""

    code: int
    reason: str
    message: str

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def document(self) -> dict[str, Any]:
        """The error as JSON."""
        return {"code": self.code, "reason": self.reason, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class ObjectRef:
    """A Kubernetes object that is acted on. Other targets (an ARN, a repository) are plain text."""

    cluster: str | None = None
    kind: str
    namespace: str | None = None
    name: str

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def document(self) -> dict[str, Any]:
        """The reference as JSON, without what it does not say."""
        fields = {"cluster": self.cluster, "kind": self.kind, "namespace": self.namespace, "name": self.name}
        return {name: value for name, value in fields.items() if value is not None}
