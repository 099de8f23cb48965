"""The interface between the run's loop and what starts its steps: containers or processes."""

from typing import Protocol

from kubernaut_cli.engine.pod import LocalPod

__all__ = ["NotStarted", "RunningStep", "StepExecutor"]


class RunningStep(Protocol):
    """A step that has been started."""

    async def wait(self) -> int:
        """Wait for its end and return its exit code."""

    def terminate(self) -> None:
        """Ask it to stop; never raises."""

    def kill(self) -> None:
        """End it at once; never raises."""


class StepExecutor(Protocol):
    """A way to start steps.

    Attributes:
        image_runs: True if it runs the image that the step names.
        keeps_spool: True if a step's spool outlives the step, so that events it could not send are sent later.
        limits_memory: True if a step's memory limit holds.
    """

    image_runs: bool
    keeps_spool: bool
    limits_memory: bool

    async def start(self, pod: LocalPod) -> RunningStep:
        """Start a step.

        Raises:
            NotStarted: if its program never ran.
        """


class NotStarted(Exception):
    """A step whose program never ran, so nothing was changed.

    Args:
        reason: One word, the same as in the controller: `ImageNotPulled`, `ContainerNotStarted`, ….
        sentence: What happened and what to do.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence
