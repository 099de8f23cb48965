"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from kubernaut_conformance.examination import ActionExamination, ImageExamination

__all__ = ["CheckFailed", "CheckResult", "CheckSkipped", "ConformanceCheck", "register_in", "require", "run_check"]

Examined = TypeVar("Examined", ImageExamination, ActionExamination)


@dataclass(frozen=True)
class ConformanceCheck(Generic[Examined]):
    """One thing that an image must do.

    Attributes:
        name: In the report.
        reason: Why it matters.
        fix: What to do where it fails.
        advice: Whether a failure is only worth a word.
        look: Return where all is well; raise `CheckFailed` or `CheckSkipped` otherwise.
    """

    name: str
    reason: str
    fix: str
    look: Callable[[Examined], None]
    advice: bool = False


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        check: Which.
        subject: Of what: the image, or an action's title.
        outcome: `advice` is a failure that does not count.
        message: What was found, or why it was skipped; empty where it passed.
    """

    check: "ConformanceCheck[Any]"
    subject: str
    outcome: Literal["passed", "failed", "skipped", "advice"]
    message: str = ""


class CheckFailed(Exception):
    """The image does not do it; the message says what it does instead."""


class CheckSkipped(Exception):
    """There is nothing to check here; the message says why."""


def register_in(
    checks: list[ConformanceCheck[Examined]],
) -> Callable[..., Callable[[Callable[[Examined], None]], None]]:
    """A decorator that makes a check of the function that looks, and adds it to these."""

    def described(
        name: str, reason: str, fix: str, *, advice: bool = False
    ) -> Callable[[Callable[[Examined], None]], None]:
        return lambda look: checks.append(ConformanceCheck(name, reason, fix, look, advice))

    return described


def run_check(check: "ConformanceCheck[Examined]", examined: Examined, title: str) -> CheckResult:
    """What a check finds."""
    try:
        check.look(examined)
    except CheckFailed as found:
        return CheckResult(check, title, "advice" if check.advice else "failed", str(found))
    except CheckSkipped as why:
        return CheckResult(check, title, "skipped", str(why))
    return CheckResult(check, title, "passed")


def require(condition: object, message: str) -> None:
    """Says what was found, unless all is well."""
    if not condition:
        raise CheckFailed(message)
