"""What an installation allows, and for how long: the settings that decisions depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kubernaut_controller.pipelinerun import TASK
from kubernaut_controller.validation import Find

__all__ = ["Policy"]


def _unknown(_action_type: str) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the controller is told when it is installed.

    Attributes:
        repositories: Where images may come from; anywhere, where there are none.
        task_ref: How the generic Task is found.
        find: The catalogue: an action's own schema, where it is known.
        max_timeout: The longest `spec.timeout` of a workflow, which holds its target for so long.
        cooldown: How long after a workflow no other acts on its target.
        records: Whether a Data Storage is configured.
        records_deadline: How long a finished workflow is held for records that cannot be stored.
        read_logs: Whether pods' logs may be read, for records that could not be sent.
    """

    repositories: tuple[str, ...] = ()
    task_ref: Mapping[str, Any] = field(default_factory=lambda: dict(TASK))
    find: Find = _unknown
    max_timeout: timedelta | None = timedelta(hours=24)
    cooldown: timedelta = timedelta(minutes=5)
    records: bool = True
    records_deadline: timedelta = timedelta(hours=24)
    read_logs: bool = False
