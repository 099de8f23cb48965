"""The two things that can be examined, an image and the installed actions, and the result of one run."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Protocol, runtime_checkable

from kubernaut_sdk.resultfiles import ResultFiles, read_result_files

__all__ = ["LONGEST", "ActionRuntime", "CompletedRun", "ImageRuntime", "Mounts", "SignalSender", "read_results"]

_LARGEST = 64 * 1024
LONGEST = 60.0
"""Seconds after which a run is killed."""


@dataclass(frozen=True)
class CompletedRun:
    """The result of a run that has ended.

    Attributes:
        exit_code: The program's own, or 137 if it had to be killed.
        stdout: The text of standard output.
        stderr: The text of standard error.
        results: Name → content of the result files that are plain text files.
        unreadable: Name → reason for the result files that cannot be read; a phrase to follow "the result NAME".
        seconds: The run time.
        after_signal: Seconds from the signal to the end; None if no signal was sent.
    """

    exit_code: int
    stdout: str
    stderr: str
    results: Mapping[str, str]
    seconds: float
    after_signal: float | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mounts:
    """The folders and files of this machine that a run sees.

    Attributes:
        secrets: SECRETS_DIR, read-only.
        world: The folder that scenarios call `$world`.
        kubeconfig: KUBECONFIG, read-only.
    """

    secrets: Path | None = None
    world: Path | None = None
    kubeconfig: Path | None = None


class ActionRuntime(Protocol):
    """A way to run the verbs of the action contract: an image in Docker, or the installed actions as processes."""

    @property
    def name(self) -> str:
        """The name in reports."""

    def world_path(self, folder: Path) -> str:
        """Return the path under which a run sees the folder that is mounted as `$world`."""

    def ask(self, *verb: str) -> CompletedRun:
        """Run a verb with no inputs and no settings."""

    def run(
        self,
        args: Sequence[str],
        env: Mapping[str, str],
        mounts: Mounts,
        *,
        read_only: bool = True,
        stop_when: Callable[[Event], bool] | None = None,
        kill: bool = False,
    ) -> CompletedRun:
        """Run an action as the generic Task does.

        Args:
            args: The arguments of `kubernaut-action`.
            env: The contract's variables, without those that name folders, and the variables of the scenario.
            mounts: The folders and files that it sees.
            read_only: True for a read-only root file system. Processes have no root of their own and ignore it.
            stop_when: Called in a thread of its own with an event that is set when the run has ended. If it returns
                True, SIGTERM is sent.
            kill: True to send SIGKILL instead, to the run and all processes it started.
        """


@runtime_checkable
class ImageRuntime(ActionRuntime, Protocol):
    """A container image, which also has labels, a user and files."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The OCI labels."""

    @property
    def user(self) -> str:
        """The user that the image names; empty if it names none, which means root."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the image without running it; None where there is no such file."""

    def holds(self, path: str) -> bool:
        """Return True if the image holds such a file, folder or link."""


class SignalSender(Thread):
    """A thread that waits for a moment and then sends the signal.

    Args:
        terminate: Sends the signal.
        stop_when: Waits for the moment; see `ActionRuntime.run`.
    """

    def __init__(self, terminate: Callable[[], None], stop_when: Callable[[Event], bool] | None) -> None:
        super().__init__(name="stopper", daemon=True)
        self._terminate, self._stop_when = terminate, stop_when
        self._over = Event()
        self._at: float | None = None
        self.start()

    def run(self) -> None:
        """Wait, and send the signal."""
        if self._stop_when is not None and self._stop_when(self._over):
            self._at = time.monotonic()
            self._terminate()

    def over(self) -> float | None:
        """Note that the run has ended; return the seconds since the signal, or None if none was sent."""
        self._over.set()
        self.join(5)
        return None if self._at is None else time.monotonic() - self._at


def read_results(folder: Path) -> ResultFiles:
    """Return the result files of a folder, also those too large for Tekton, so that a report can give their size."""
    return read_result_files(folder, largest=_LARGEST)
