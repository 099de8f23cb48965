"""What is wrong with a workflow: one message a fault, and the path to it."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Fault", "InvalidWorkflow"]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: Where, such as `spec.steps[1].inputs.replicas`.
        message: What, with which value, and what to do; without a full stop.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}."


class InvalidWorkflow(ValueError):
    """A workflow that is refused, with all its faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
