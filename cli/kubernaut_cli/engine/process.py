"""Steps as processes of this machine: the installed action packages, run as the user who calls the command.

A process is not a container. It keeps the user's HOME, PATH and credentials (kubeconfig, git identity). Of the Task's
environment it gets everything but HOME, with the container's paths replaced by folders of this run.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from kubernaut_cli.engine.executor import NotStarted
from kubernaut_cli.engine.pod import LocalPod

__all__ = ["ProcessExecutor", "RunningProcess"]

_CONTRACT = ("ACTION_", "DATA_STORAGE_", "POD_", "RESULTS_DIR", "SECRETS_DIR", "WORKSPACE_PATH", "TRACEPARENT")
_KEPT = ("ACTION_MODULES", "DATA_STORAGE_TOKEN_FILE")
_NOT_PASSED = {"ACTION_IMAGE", "DATA_STORAGE_TOKEN_FILE", "HOME"}
"""Variables of the Task that a process does not get: no image runs, and the user's own token and HOME stay."""


class RunningProcess:
    """The process of one step, in its own session: a Ctrl-C reaches the command first, not the step."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> int:
        """Wait for its end and return the exit code; 128 plus its number if a signal ended it."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to it and to the tools that it started, which run in sessions of their own."""
        if self._process.returncode is not None:
            return
        for pid in [*_children(self._process.pid), self._process.pid]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


class ProcessExecutor:
    """An executor that starts steps as processes.

    Args:
        spool: The folder for events that cannot be sent.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        # the contract's variables of the caller are not those of a step
        self._base = {
            name: text for name, text in os.environ.items() if name in _KEPT or not name.startswith(_CONTRACT)
        }

    image_runs = False
    keeps_spool = True
    limits_memory = False

    async def start(self, pod: LocalPod) -> RunningProcess:
        """Start `kubernaut-action` of this installation.

        Raises:
            NotStarted: if this machine lets no process start, or has no room for its output.
        """
        assert pod.command == ("kubernaut-action",), pod.command
        try:
            with pod.output.open("wb") as output, pod.log.open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "kubernaut_sdk",
                    *pod.args,
                    env=self.environment(pod),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=log,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            raise NotStarted("ContainerNotStarted", f"Its process could not be started: {error}.") from None
        return RunningProcess(process)

    def environment(self, pod: LocalPod) -> Mapping[str, str]:
        """Return the environment of a step's process."""
        folders = {
            "RESULTS_DIR": pod.results,
            "WORKSPACE_PATH": pod.scratch,
            "TMPDIR": pod.scratch,
            "SECRETS_DIR": pod.secret or pod.folder / "no-secrets",
            "DATA_STORAGE_SPOOL": self._spool,
        }
        own = {name: value for name, value in pod.env.items() if name not in _NOT_PASSED}
        return {**self._base, **own, **{name: str(path) for name, path in folders.items()}}


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
