"""A conformance check, and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from kubernaut_conformance.examination import ActionExamination, ImageExamination

__all__ = ["CheckFailed", "CheckResult", "CheckSkipped", "ConformanceCheck", "register_in", "require", "run_check"]

Examined = TypeVar("Examined", ImageExamination, ActionExamination)


@dataclass(frozen=True)
class ConformanceCheck(Generic[Examined]):
    """One requirement of the action contract.

    Attributes:
        name: The name in reports and of `--check`.
        reason: The reason why it matters.
        fix: The advice to an author whose image fails.
        advice: True if a failure is only reported as advice and does not count.
        examine: Returns if the requirement is met; raises `CheckFailed` or `CheckSkipped` if not.
    """

    name: str
    reason: str
    fix: str
    examine: Callable[[Examined], None]
    advice: bool = False


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        check: The check.
        subject: The thing examined: `image`, or the title of a scenario.
        outcome: `advice` is a failure that does not count.
        message: The finding, or the reason why it was skipped; empty if it passed.
    """

    check: "ConformanceCheck[Any]"
    subject: str
    outcome: Literal["passed", "failed", "skipped", "advice"]
    message: str = ""


class CheckFailed(Exception):
    """The requirement is not met; the message says what the image does instead."""


class CheckSkipped(Exception):
    """The check does not apply; the message says why."""


def register_in(
    checks: list[ConformanceCheck[Examined]],
) -> Callable[..., Callable[[Callable[[Examined], None]], None]]:
    """Return a decorator that makes a check of a function and adds it to a list of checks."""

    def decorate(
        name: str, reason: str, fix: str, *, advice: bool = False
    ) -> Callable[[Callable[[Examined], None]], None]:
        return lambda examine: checks.append(ConformanceCheck(name, reason, fix, examine, advice))

    return decorate


def run_check(check: "ConformanceCheck[Examined]", examined: Examined, title: str) -> CheckResult:
    """Run a check; return its result."""
    try:
        check.examine(examined)
    except CheckFailed as found:
        return CheckResult(check, title, "advice" if check.advice else "failed", str(found))
    except CheckSkipped as why:
        return CheckResult(check, title, "skipped", str(why))
    return CheckResult(check, title, "passed")


def require(condition: object, message: str) -> None:
    """Raise `CheckFailed` with this message unless the condition is true."""
    if not condition:
        raise CheckFailed(message)
