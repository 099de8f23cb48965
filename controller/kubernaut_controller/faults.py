"""The faults of a workflow: for each a message and the path to its place."""

from collections.abc import Sequence

from kubernaut_sdk.faults import Fault

__all__ = ["Fault", "InvalidWorkflow"]


class InvalidWorkflow(ValueError):
    """A workflow that is refused, with all its faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
