"""The conditions of a status. A transition time changes only together with the condition's status."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernaut_controller.views import ConditionView

__all__ = ["ConditionUpdate", "merge_conditions", "timestamp"]


@dataclass(frozen=True)
class ConditionUpdate:
    """The new value of one condition.

    Attributes:
        status: True, False, or None for Unknown.
    """

    type: str
    status: bool | None
    reason: str
    message: str = ""


def merge_conditions(
    before: Iterable[ConditionView], updates: Iterable[ConditionUpdate], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return the conditions to write: the existing ones, with these updates."""
    known = {condition.type: dict(condition.json) for condition in before}
    for update in updates:
        status = {True: "True", False: "False", None: "Unknown"}[update.status]
        old = known.get(update.type, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        known[update.type] = {
            "type": update.type,
            "status": status,
            "reason": update.reason,
            "message": update.message,
            "lastTransitionTime": since or timestamp(now),
            "observedGeneration": generation,
        }
    return list(known.values())


def timestamp(now: datetime) -> str:
    """Return a time as Kubernetes writes it in an object's status."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
