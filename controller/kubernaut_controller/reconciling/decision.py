"""A decision about a WorkflowExecution."""

from dataclasses import dataclass
from datetime import datetime

from kubernaut_controller.reconciling.effects import Effect

__all__ = ["Decision"]


@dataclass(frozen=True)
class Decision:
    """The next effects, and the time of the next decision.

    Attributes:
        effects: The effects, in order.
        again: The time of the next decision if nothing happens before.
    """

    effects: tuple[Effect, ...] = ()
    again: datetime | None = None
