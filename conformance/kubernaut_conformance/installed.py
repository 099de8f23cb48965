"""The actions that are installed here, each run a process. An author examines them before there is an image."""

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


class InstalledActions:
    """The actions of the installed packages, and those of ACTION_MODULES.

    Args:
        env: Variables of a run beside the contract's; by default those with which programs and modules are found.
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
            places = {
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
                env={**self._env, **places, **env},
                cwd=name,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            end = (lambda: _kill(process.pid)) if kill else (lambda: process.send_signal(signal.SIGTERM))
            stopper = SignalSender(end, stop_when)
            try:
                stdout, stderr = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                stdout, stderr = process.communicate()
            after = stopper.over()
            code = process.returncode if process.returncode >= 0 else 128 - process.returncode
            results = read_results(folder / "results")
            seconds = time.monotonic() - started
            return CompletedRun(code, stdout, stderr, results.values, seconds, after, results.unreadable)


def _kill(pid: int) -> None:
    """Kill a process and all that it started; tools have sessions of their own, so a process group is not enough."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.Error):
                each.kill()
