"""`Context`, which an action's functions receive: tools, secrets, log and time of one execution."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

from kubernaut_sdk.errors import Failed, PreconditionFailed
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import Change
from kubernaut_sdk.tools import Completed, run_tool
from kubernaut_sdk.tracing import Tracing
from kubernaut_sdk.watches import Watches

__all__ = ["Context"]

_SHORTEST_WAIT = 0.5
"""Seconds between two looks of a loop that a watch may wake."""


class Context:
    """One execution of an action.

    Attributes:
        record_id: The id of this execution's record. A second pod of the same step has the same id, so an action can
            use it to mark work that must be done only once.
        undoes: The id of the record whose change is undone, or None.
        dry_run: True if `apply` will not be called.
        attempt: 0 for the first try within this container.
        waiting: True while `verify` is asked again and again: tools that succeed are then not logged.
        about: The reason for this execution, as ACTION_CONTEXT gives it: workflow, step, signal and more; may be empty.
        undoing: The change that is undone, while an undo runs; otherwise None. An action whose `plan` must find what it
            made under a name that holds the record's id takes the name from here.
        workspace: A folder for scratch files.
        log: A logger; its lines are masked.
        tool_runner: The function with which `run` runs tools; tests replace it (`kubernaut_sdk.testing`).
        watches: The tools of `watch`; tests replace them, too.
    """

    def __init__(
        self, settings: StepSettings, record_id: UUID, interrupts: Interrupts, masker: Masker, tracing: Tracing
    ) -> None:
        self.record_id = record_id
        self.undoes = settings.undo_record
        self.dry_run = settings.dry_run
        self.attempt = 0
        self.waiting = False
        self.about: Mapping[str, Any] = settings.context
        self.undoing: Change | None = None
        self.workspace = settings.workspace
        self.log: logging.Logger = logger
        self._secrets_dir = settings.secrets_dir
        self._interrupts = interrupts
        self._masker = masker
        self._tracing = tracing
        self.tool_runner: Callable[..., Completed] = run_tool
        self.watches = Watches(interrupts, masker.text)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
    ) -> Completed:
        """Run a tool until it ends; see `kubernaut_sdk.tools.run_tool`.

        Args:
            argv: The tool and its arguments, values as `--name=value` or after `--`.
            stdin: Text for its standard input.
            env: Variables on top of this process's own.
            cwd: Where it runs.
            check: If True, an exit code other than 0 raises `Failed`.

        Raises:
            PreconditionFailed: if there is no such tool.
            Failed: if it exits with another code than 0 and `check` is set.
            Cancelled: if the step was told to stop.
            DeadlineExceeded: if the action's time is over.
        """
        self._interrupts.check()
        with self._tracing.span(Path(argv[0]).name) as span:
            env = {**span.env, **(env or {})}
            completed = self.tool_runner(argv, stdin=stdin, env=env, cwd=cwd, mask=self._masker.text)
            span.set_attributes(
                {"process.executable.name": Path(argv[0]).name, "process.exit.code": completed.exit_code}
            )
        self.log.log(
            logging.DEBUG if self.waiting and completed.exit_code == 0 else logging.INFO,
            "ran %s",
            " ".join(argv[:2]),
            extra={"fields": {"exit_code": completed.exit_code, "seconds": round(completed.seconds, 3)}},
        )
        if check and completed.exit_code != 0:
            raise Failed(f"{argv[0]} failed: {completed.complaint()}", reason="ToolFailed")
        return completed

    def watch(self, argv: Sequence[str]) -> None:
        """Let each line that a tool prints end `wait`, and the wait for the goal, early; such as `kubectl get --watch`.

        The tool runs beside the action until the end of `plan`, `apply` or `verify`, and is started only when something
        is waited for. What it prints is not read: look at the state itself. If it cannot run, or ends, everything goes
        on without it, a little slower; it is started again after a while. Call it as often as you like: one with the
        same arguments runs once.

        Args:
            argv: The tool and its arguments, values as `--name=value` or after `--`.
        """
        self.watches.add(argv)

    def wait(self, seconds: float) -> None:
        """Wait until a watch has printed something, but half a second at least, and at most so many seconds.

        Raises:
            Cancelled: if the step was told to stop.
            DeadlineExceeded: if the action's time is over.
        """
        self.watches.start()
        self.watches.wait(seconds, min(seconds, _SHORTEST_WAIT))

    def look_again_within(self, seconds: float) -> None:
        """Let the next wait, also that for the goal, last so many seconds at most: where time alone changes an answer.

        An example: `verify` has found the goal reached, and it must hold for 5 s.
        """
        self.watches.limit(seconds)

    def mask(self, secret: str) -> None:
        """Hide a value from now on, wherever it would be printed or stored."""
        self._masker.add(secret)

    def masked(self, text: str) -> str:
        """Return a text without the secrets that this step knows, for what an action itself writes somewhere."""
        return self._masker.text(text)

    def secret(self, name: str) -> str:
        """Return the content of a file of the mounted Secret, without surrounding white space.

        Raises:
            PreconditionFailed: if it is not mounted, or cannot be read as UTF-8 text.
        """
        path = self.secret_path(name)
        if path is None:
            raise PreconditionFailed(
                f"the secret file {name} is not in {self._secrets_dir}; set the step's secretName to a Secret with "
                f"the key {name}.",
                reason="SecretMissing",
            )
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8; take its bytes by secret_path"
            raise PreconditionFailed(
                f"the secret file {name} in {self._secrets_dir} cannot be read as text: {problem}.",
                reason="SecretUnreadable",
            ) from None

    def secret_path(self, name: str) -> Path | None:
        """Return the path of a file of the mounted Secret, or None if it is not mounted."""
        path = self._secrets_dir / name
        return path if path.is_file() else None

    def uninterrupted(self) -> AbstractContextManager[None]:
        """Return a block within which a cancel and the deadline wait, for two writes of which one alone does harm.

        An example: an object is deleted and made again. Keep it to what takes seconds: a pod is killed 30 s after it is
        told to stop.
        """
        return self._interrupts.shielded()

    def remaining(self) -> float:
        """Return the seconds until the action's time is over."""
        return self._interrupts.remaining()

    def sleep(self, seconds: float) -> None:
        """Wait. A cancel or the deadline ends the wait with its exception."""
        self._interrupts.sleep(seconds)
