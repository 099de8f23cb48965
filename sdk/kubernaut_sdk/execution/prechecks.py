"""The checks of the verb `check`: inputs, tools, target, and the action's own."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernaut_sdk.action import Action, Caution
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import ActionError, Cancelled, DeadlineExceeded, PreconditionFailed
from kubernaut_sdk.execution.outcome import failure, log_failure
from kubernaut_sdk.models import Inputs
from kubernaut_sdk.wire import unicode_text

__all__ = ["Precheck", "run_prechecks"]


@dataclass(frozen=True)
class Precheck:
    """The outcome of one check.

    Attributes:
        name: The thing that was checked.
        problem: A sentence on what is wrong, or None.
        exit_code: The exit code with which the action would end.
        caution: A sentence on something that works, and may not for long; or None.
    """

    name: str
    problem: str | None = None
    exit_code: int = 0
    caution: str | None = None


def run_prechecks(action: Action, context: Context, parse: Callable[[], Inputs]) -> list[Precheck]:
    """Return the outcome of each check: inputs and tools; if these are right, the target and the action's own checks.

    The target is checked by planning. An exception of a check is its problem.

    Raises:
        Cancelled: if the program received SIGTERM.
        DeadlineExceeded: if its time is over.
    """
    checks = [_tool(name) for name in action.tools]
    try:
        inputs = parse()
    except ActionError as error:
        return [_failed("inputs", error), *checks]
    checks.insert(0, Precheck("inputs"))
    if any(check.problem for check in checks):
        return checks
    assert action.plan_function is not None
    try:
        action.plan_function(context, inputs)
    except BaseException as error:
        checks.append(_failed("target", error))
    else:
        checks.append(Precheck("target"))
    if action.check_function is None:
        return checks
    try:
        own = action.check_function(context, inputs)
    except BaseException as error:
        return [*checks, _failed("check", error)]
    return checks + _own(own)


def _failed(name: str, problem: BaseException) -> Precheck:
    if isinstance(problem, Cancelled | DeadlineExceeded):
        raise problem
    _, error = failure(problem)
    if not isinstance(problem, ActionError):
        log_failure(problem, error)
    return Precheck(name, error.message, error.code)


def _own(found: Any) -> list[Precheck]:
    if not isinstance(found, dict):
        return [Precheck("check", f"check must return a dict, not {type(found).__name__}.", 1)]
    checks = []
    for name, problem in found.items():
        if isinstance(problem, Caution):
            checks.append(Precheck(unicode_text(str(name)), caution=unicode_text(str(problem))))
            continue
        sentence = None if problem is None else unicode_text(str(problem)) or "it is not as it should be."
        checks.append(
            Precheck(unicode_text(str(name)), sentence, 0 if sentence is None else PreconditionFailed.exit_code)
        )
    return checks


def _tool(name: str) -> Precheck:
    if shutil.which(name):
        return Precheck(f"tool {name}")
    return Precheck(f"tool {name}", f"{name} is not on PATH; the image must hold it.", PreconditionFailed.exit_code)
