"""Running a tool: with an argument vector and no shell, in a session of its own, until a deadline."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernaut_sdk.errors import Failed, PreconditionFailed
from kubernaut_sdk.portable import shorten

__all__ = ["Completed", "kill_tool", "run_tool", "start_tool"]

_STOP_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL for a tool that must stop."""


@dataclass(frozen=True)
class Completed:
    """A tool that has ended.

    Attributes:
        stdout: Its output, unmasked: an action computes with it. Secrets are hidden where text leaves the process.
        mask: Hides secrets in a text. Output in a message is masked before it is cut, since half a secret would not be
            recognised.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    mask: Callable[[str], str] = field(default=str, repr=False, compare=False)

    def json(self) -> Any:
        """Return standard output as JSON.

        Raises:
            Failed: if it is not JSON.
        """
        try:
            return json.loads(self.stdout)
        except ValueError:
            output = shorten(self.mask(self.stdout))
            raise Failed(f"{self.argv[0]} did not answer with JSON but with {output}") from None

    def complaint(self) -> str:
        """Return the last lines of the tool's error output, for an error message."""
        lines = self.mask(self.stderr.strip() or self.stdout.strip()).splitlines()
        return shorten(" / ".join(line.strip() for line in lines[-3:] if line.strip()), 400) or "it said nothing"


def run_tool(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    mask: Callable[[str], str] = str,
) -> Completed:
    """Run a tool until it ends; return its output.

    An exception while it runs (a cancel, a deadline) stops its whole process group: SIGTERM, then SIGKILL.

    Args:
        argv: The tool and its arguments. Values must not be taken for options: use `--name=value`, or `--` before them.
        stdin: Text for its standard input; nothing by default.
        env: Variables on top of this process's own.
        cwd: Where it runs.
        mask: Hides secrets in messages that contain its output.

    Raises:
        PreconditionFailed: if there is no such tool.
        Failed: if an argument cannot be passed (a NUL byte).
    """
    started = time.monotonic()
    process = start_tool(argv, has_stdin=stdin is not None, env=env, cwd=cwd)
    try:
        stdout, stderr = process.communicate(stdin)
    except BaseException:
        _stop(process)
        raise
    finally:
        _signal_group(process, signal.SIGKILL)
    return Completed(tuple(argv), process.returncode, stdout, stderr, time.monotonic() - started, mask)


def start_tool(
    argv: Sequence[str],
    *,
    has_stdin: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> "subprocess.Popen[str]":
    """Start a tool in a session of its own, and return it; raises as `run_tool`.

    Args:
        argv: As of `run_tool`.
        has_stdin: True to give it a pipe as its standard input.
        env: As of `run_tool`.
        cwd: As of `run_tool`.
    """
    if any("\0" in part for part in argv):
        raise Failed(f"a NUL byte cannot be passed to {argv[0]}.", reason="UnusableArgument")
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Tekton's entrypoint signals the whole process group; the tool must not get it
        )
    except FileNotFoundError:
        if cwd is not None and not cwd.is_dir():
            raise Failed(f"{argv[0]} cannot run in {cwd}: there is no such folder.") from None
        message = f"the tool {argv[0]} is not on PATH; the image must hold it."
        raise PreconditionFailed(message, reason="ToolMissing") from None
    except OSError as error:
        raise Failed(f"{argv[0]} cannot be started: {error.strerror}.", reason="UnusableArgument") from None


def kill_tool(process: "subprocess.Popen[str]") -> None:
    """Kill a tool and what it has started, at once."""
    _signal_group(process, signal.SIGKILL)
    process.wait()
    _close(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(_STOP_GRACE)
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
        process.wait()
    _close(process)


def _close(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _signal_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone already
        os.killpg(process.pid, number)
