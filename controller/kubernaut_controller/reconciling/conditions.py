"""Conditions of a status, merged with those there were: a transition time changes with the status only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["ConditionUpdate", "merge_conditions", "timestamp"]


@dataclass(frozen=True)
class ConditionUpdate:
    """One condition as it is now."""

    type: str
    so: bool | None
    reason: str
    message: str = ""


def merge_conditions(
    before: Iterable[Mapping[str, Any]], facts: Iterable[ConditionUpdate], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions to write: those there were, with what is known now."""
    known = {condition["type"]: dict(condition) for condition in before}
    for fact in facts:
        status = {True: "True", False: "False", None: "Unknown"}[fact.so]
        old = known.get(fact.type, {})
        same = old.get("status") == status
        known[fact.type] = {
            "type": fact.type,
            "status": status,
            "reason": fact.reason,
            "message": fact.message,
            "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(now),
            "observedGeneration": generation,
        }
    return list(known.values())


def timestamp(now: datetime) -> str:
    """A time as Kubernetes spells it in an object's status."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
