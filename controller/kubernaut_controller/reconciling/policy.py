"""The policy of an installation: the settings on which decisions depend."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kubernaut_controller.taskref import TASK
from kubernaut_controller.validation import Find

__all__ = ["Policy"]


def _unknown(_action_type: str) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The settings on which decisions depend.

    Attributes:
        repositories: The prefixes that images may have; any, where there are none.
        task_ref: The reference to the generic Task.
        find: The catalogue: returns the action of a type, or None where it is not known.
        max_timeout: The longest `spec.timeout` of a workflow, which holds its target for so long.
        cooldown: The time after a workflow in which no other acts on its target.
        records: True if a Data Storage is configured.
        records_deadline: The time for which an ended workflow is kept for records that cannot be stored.
        read_logs: True if pods' logs may be read, for records that could not be sent.
        traces: True if OpenTelemetry is configured, so that the spans of workflows go somewhere.
    """

    repositories: tuple[str, ...] = ()
    task_ref: Mapping[str, Any] = field(default_factory=lambda: dict(TASK))
    find: Find = _unknown
    max_timeout: timedelta | None = timedelta(hours=24)
    cooldown: timedelta = timedelta(minutes=5)
    records: bool = True
    records_deadline: timedelta = timedelta(hours=24)
    read_logs: bool = False
    traces: bool = False
