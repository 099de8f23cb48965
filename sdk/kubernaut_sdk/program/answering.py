"""The frame around every verb: it keeps standard output for one JSON object, and reports every exception in it."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubernaut_sdk import logs
from kubernaut_sdk.errors import PreconditionFailed
from kubernaut_sdk.execution.outcome import failure, log_failure
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.program.stdio import StandardOutput
from kubernaut_sdk.secrets.files import learn_files

__all__ = ["VerbResult", "VerbWork", "learn_mounted_secrets", "run_verb", "without_action"]

VerbResult = tuple[dict[str, Any], int]
"""The JSON object for standard output, and the exit code."""
VerbWork = Callable[[Masker, dict[str, Any]], VerbResult]
"""The work of a verb: a function of the masker and of the fields of every log line."""


def run_verb(work: VerbWork, *, only_output: bool) -> int:
    """Do a verb's work, print its JSON object and return the exit code.

    Exceptions and prints of an action, its module or a library do not leave this function.

    Args:
        work: The work.
        only_output: True if the verb has no effect but its output, so that it fails if the output cannot be written.
    """
    answer, masker, about = StandardOutput(), Masker(), dict[str, Any]()
    logs.configure(masker, about)
    with logs.mask_prints(masker):
        try:
            document, code = work(masker, about)
        except BaseException as problem:
            _, failed = failure(problem)
            failed = replace(failed, message=masker.text(failed.message))
            log_failure(problem, failed)
            document, code = {"error": failed.document()}, failed.code
    try:
        answer.write(document)
    except OSError as error:
        logs.logger.error("standard output cannot be written: %s", error)
        code = code or int(only_output)
    if code and isinstance(error_ := document.get("error"), dict) and document.get("status"):
        # the last line of a pod's log, below the object and the lines about its record
        logs.logger.error("%s: %s", document["status"], error_["message"])
    return code


def without_action(work: Callable[[], dict[str, Any]]) -> VerbWork:
    """Return the work of a verb that runs no action. SIGTERM ends it like any program."""

    def do(masker: Masker, _: dict[str, Any]) -> VerbResult:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        learn_mounted_secrets(masker)
        return masker.json(work()), 0

    return do


def learn_mounted_secrets(masker: Masker) -> None:
    """Hide the mounted secrets that can be read, for verbs that have no settings."""
    with suppress(OSError, PreconditionFailed):
        learn_files(Path(os.environ.get("SECRETS_DIR") or "/kubernaut/secrets"), masker)
