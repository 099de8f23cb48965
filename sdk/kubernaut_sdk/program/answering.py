"""What surrounds every verb: standard output is put aside, and whatever is raised is told as one JSON object."""

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
"""What a verb does once standard output is put aside: takes the masker, and the fields of every log line."""


def run_verb(work: VerbWork, *, only_output: bool) -> int:
    """Do a verb's work, print its JSON object and return the exit code.

    Nothing that an action, its module or a library raises or prints comes past this function.

    Args:
        work: The work.
        only_output: Whether it is for nothing where its output cannot be written; what was done and is told in
            results stays done.
    """
    answer, masker, about = StandardOutput(), Masker(), dict[str, Any]()
    logs.configure(masker, about)
    with logs.mask_prints(masker):
        try:
            document, code = work(masker, about)
        except BaseException as problem:
            _, told = failure(problem)
            told = replace(told, message=masker.text(told.message))
            log_failure(problem, told)
            document, code = {"error": told.document()}, told.code
    try:
        answer.write(document)
    except OSError as error:
        logs.logger.error("standard output cannot be written: %s", error)
        code = code or int(only_output)
    return code


def without_action(work: Callable[[], dict[str, Any]]) -> VerbWork:
    """The work of a verb that runs no action, though it may import some: SIGTERM ends it as it ends any program."""

    def do(masker: Masker, _: dict[str, Any]) -> VerbResult:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        learn_mounted_secrets(masker)
        return masker.json(work()), 0

    return do


def learn_mounted_secrets(masker: Masker) -> None:
    """Hide the mounted secrets as far as they can be read, where there are no settings to say more."""
    with suppress(OSError, PreconditionFailed):
        learn_files(Path(os.environ.get("SECRETS_DIR") or "/kubernaut/secrets"), masker)
