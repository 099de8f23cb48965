"""The actions that are installed here, run as processes. An author examines them before there is an image."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil

from kubernaut_conformance.runtime import LONGEST, CompletedRun, Mounts, SignalSender, read_results

__all__ = ["InstalledActions"]

_KEPT = ("ACTION_MODULES", "LANG", "PATH", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables of this process that a run gets: those with which programs and modules are found, and no others."""


class InstalledActions:
    """The actions of the installed packages, and those of ACTION_MODULES.

    Args:
        env: Variables of a run beside the contract's; by default those of `_KEPT`.
    """

    name = "the installed actions"

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = {name: os.environ[name] for name in _KEPT if name in os.environ} if env is None else dict(env)

    def world_path(self, folder: Path) -> str:
        """Return the folder itself: a process sees it as this machine does."""
        return str(folder)

    def ask(self, *verb: str) -> CompletedRun:
        """Run a verb with no inputs and no settings."""
        return self.run(verb, {}, Mounts())

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
        """Run an action as the local engine does; see `ActionRuntime.run`. `read_only` has no effect on a process."""
        with tempfile.TemporaryDirectory(prefix="kubernaut-conform-") as name:
            folder = Path(name)
            for part in ("home", "results"):
                (folder / part).mkdir()
            folders = {
                "HOME": str(folder / "home"),
                "RESULTS_DIR": str(folder / "results"),
                "SECRETS_DIR": str(mounts.secrets or folder / "secrets"),
                "TMPDIR": name,
                "WORKSPACE_PATH": name,
                **({"KUBECONFIG": str(mounts.kubeconfig)} if mounts.kubeconfig else {}),
            }
            started = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", "kubernaut_sdk", *args],
                env={**self._env, **folders, **env},
                cwd=name,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            send_signal = (lambda: _kill(process.pid)) if kill else (lambda: process.send_signal(signal.SIGTERM))
            stopper = SignalSender(send_signal, stop_when)
            try:
                stdout, stderr = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                _kill(process.pid)  # with its tools, which would keep the pipes open
                stdout, stderr = process.communicate()
            after_signal = stopper.over()
            # 128 + the signal's number, as for a container
            code = process.returncode if process.returncode >= 0 else 128 - process.returncode
            results = read_results(folder / "results")
            seconds = time.monotonic() - started
            return CompletedRun(code, stdout, stderr, results.values, seconds, after_signal, results.unreadable)


def _kill(pid: int) -> None:
    """Kill a process and all that it started; tools have sessions of their own, so a process group is not enough."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.Error):
                each.kill()
