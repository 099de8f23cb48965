"""What is examined, an image or the installed actions, and how one run of it ended."""

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
    """A run that has ended.

    Attributes:
        exit_code: Its own, or 137 where it had to be killed.
        stdout: What it wrote to standard output.
        stderr: What it wrote to standard error.
        results: Result file → content, of those that are there and are plain files of text.
        unreadable: Result file → why it cannot be read, to follow "the result NAME".
        seconds: How long it took.
        after_signal: Seconds from SIGTERM to its end, where it was signalled.
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
    """Folders and files of this machine that a run sees.

    Attributes:
        secrets: SECRETS_DIR, read-only.
        world: What the scenario calls `$world`.
        kubeconfig: KUBECONFIG, read-only.
    """

    secrets: Path | None = None
    world: Path | None = None
    kubeconfig: Path | None = None


class ActionRuntime(Protocol):
    """Something that answers the verbs of the contract."""

    @property
    def name(self) -> str:
        """How a report calls it."""

    def world_path(self, folder: Path) -> str:
        """Where a run sees the folder that is mounted as its world."""

    def ask(self, *verb: str) -> CompletedRun:
        """Runs a verb with no inputs and no settings."""

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
        """Runs it as the generic Task does.

        Args:
            args: After `kubernaut-action`.
            env: The contract's variables but those that name folders, and what the scenario adds.
            mounts: What it sees of this machine.
            read_only: Whether its root is, where it has one.
            stop_when: Called in a thread of its own with an event that is set when the run has ended. Where it answers
                True, the run is sent SIGTERM.
            kill: Whether it is sent SIGKILL instead, with all that it started.
        """


@runtime_checkable
class ImageRuntime(ActionRuntime, Protocol):
    """A container image: beside its runs, its labels, its user and its files can be looked at."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its OCI labels."""

    @property
    def user(self) -> str:
        """The user it names for itself; empty where it names none, which is root."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the image without running it; None where there is no such file."""

    def holds(self, path: str) -> bool:
        """Return True if the image holds such a file, folder or link."""


class SignalSender(Thread):
    """Sends SIGTERM when it is told that the moment has come.

    Args:
        terminate: Sends it.
        stop_when: Waits for the moment; see `Subject.run`.
    """

    def __init__(self, terminate: Callable[[], None], stop_when: Callable[[Event], bool] | None) -> None:
        super().__init__(name="stopper", daemon=True)
        self._terminate, self._stop_when = terminate, stop_when
        self._over = Event()
        self._at: float | None = None
        self.start()

    def run(self) -> None:
        """Waits and sends."""
        if self._stop_when is not None and self._stop_when(self._over):
            self._at = time.monotonic()
            self._terminate()

    def over(self) -> float | None:
        """Says that the run has ended. Returns the seconds since the signal, if one was sent."""
        self._over.set()
        self.join(5)
        return None if self._at is None else time.monotonic() - self._at


def read_results(folder: Path) -> ResultFiles:
    """Return the result files there. More is read than Tekton would carry, so that it can be told how much there is."""
    return read_result_files(folder, largest=_LARGEST)
