"""Steps as processes of this machine: the installed action packages, as whoever runs the command.

A process is no container. It keeps the person's HOME, PATH and credentials (their kubeconfig, their git identity);
of the Task's environment it takes all but HOME, with the container's paths turned into its own folders.
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

_OURS = ("ACTION_", "DATA_STORAGE_", "POD_", "RESULTS_DIR", "SECRETS_DIR", "WORKSPACE_PATH", "TRACEPARENT")
_KEPT = ("ACTION_MODULES", "DATA_STORAGE_TOKEN_FILE")


class RunningProcess:
    """One step's process, in a session of its own, so that a person's Ctrl-C reaches the command first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> int:
        """Its exit code as a shell gives it: 128 and the signal's number where one ended it."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        """SIGTERM, as the kubelet sends it."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, for it and for the tools it started, which live in sessions of their own."""
        if self._process.returncode is not None:
            return
        for pid in [*_children(self._process.pid), self._process.pid]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


class ProcessExecutor:
    """Starts steps as processes.

    Args:
        spool: Where events go that cannot be sent.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._base = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith(_OURS)}

    image_runs = False
    keeps_spool = True

    async def start(self, pod: LocalPod) -> RunningProcess:
        """Start the program of this very installation.

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
        """The environment of a step's process."""
        folders = {
            "RESULTS_DIR": pod.results,
            "WORKSPACE_PATH": pod.scratch,
            "TMPDIR": pod.scratch,
            "SECRETS_DIR": pod.secret or pod.folder / "no-secrets",
            "DATA_STORAGE_SPOOL": self._spool,
        }
        own = {name: value for name, value in pod.env.items() if name not in {"HOME", "DATA_STORAGE_TOKEN_FILE"}}
        return {**self._base, **own, **{name: str(path) for name, path in folders.items()}}


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
