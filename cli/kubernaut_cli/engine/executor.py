"""What the loop asks of an engine that runs containers or processes."""

from typing import Protocol

from kubernaut_cli.engine.pod import LocalPod

__all__ = ["NotStarted", "RunningStep", "StepExecutor"]


class RunningStep(Protocol):
    """A step that was started."""

    async def wait(self) -> int:
        """Return its exit code, when it has one."""

    def terminate(self) -> None:
        """Tell it to stop; never raises."""

    def kill(self) -> None:
        """End it; never raises."""


class StepExecutor(Protocol):
    """What starts steps: processes, or containers.

    Attributes:
        image_runs: Whether it runs the image that the step names.
        keeps_spool: Whether a step's spool outlives it, so that what it could not send is sent later.
    """

    image_runs: bool
    keeps_spool: bool

    async def start(self, pod: LocalPod) -> RunningStep:
        """Start one.

        Raises:
            NotStarted: if its container never ran.
        """


class NotStarted(Exception):
    """A container that never ran, so that nothing was changed.

    Args:
        reason: One word, as the controller has it: `ImageNotPulled`, `ContainerNotStarted`, ….
        sentence: What happened and what to do.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence
