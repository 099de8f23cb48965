"""Could the action run here? What the verb `check` looks at, one thing after the other."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import ActionError, PreconditionFailed
from kubernaut_sdk.models import Inputs

__all__ = ["Check", "look"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        problem: What is wrong, or None.
        exit_code: What the action would end with.
    """

    name: str
    problem: str | None = None
    exit_code: int = 0


def look(action: Action, context: Context, parse: Callable[[], Inputs]) -> list[Check]:
    """Inputs and tools first; only where they are right, the target (by planning) and the action's own checks."""
    checks = [_tool(name) for name in action.tools]
    try:
        inputs = parse()
    except ActionError as error:
        return [Check("inputs", error.message, error.exit_code), *checks]
    checks.insert(0, Check("inputs"))
    if any(check.problem for check in checks):
        return checks
    assert action.plan_function is not None
    try:
        action.plan_function(context, inputs)
    except ActionError as error:
        checks.append(Check("target", error.message, error.exit_code))
    else:
        checks.append(Check("target"))
    own = action.check_function(context, inputs) if action.check_function else {}
    return checks + [
        Check(name, problem, PreconditionFailed.exit_code if problem else 0) for name, problem in own.items()
    ]


def _tool(name: str) -> Check:
    if shutil.which(name):
        return Check(f"tool {name}")
    return Check(f"tool {name}", f"{name} is not on PATH; the image must hold it.", PreconditionFailed.exit_code)
