"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from kubernaut_cli.conformance.examination import ActionExamination, ImageExamination

__all__ = ["Check", "Judgement", "NotApplicable", "Unmet", "adds_to", "judge", "unless"]

Subject = TypeVar("Subject", ImageExamination, ActionExamination)


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One thing that an image must do.

    Attributes:
        name: In the report.
        reason: Why it matters.
        fix: What to do where it fails.
        advice: Whether a failure is only worth a word.
        look: Returns where all is well; says otherwise by `Unmet` or `NotApplicable`.
    """

    name: str
    reason: str
    fix: str
    look: Callable[[Subject], None]
    advice: bool = False


@dataclass(frozen=True)
class Judgement:
    """What a check found.

    Attributes:
        check: Which.
        subject: Of what: the image, or an action's title.
        outcome: `advice` is a failure that does not count.
        message: What was found, or why it was skipped; empty where it passed.
    """

    check: "Check[Any]"
    subject: str
    outcome: Literal["passed", "failed", "skipped", "advice"]
    message: str = ""


class Unmet(Exception):
    """The image does not do it; the message says what it does instead."""


class NotApplicable(Exception):
    """There is nothing to check here; the message says why."""


def adds_to(checks: list[Check[Subject]]) -> Callable[..., Callable[[Callable[[Subject], None]], None]]:
    """A decorator that makes a check of the function that looks, and adds it to these."""

    def described(
        name: str, reason: str, fix: str, *, advice: bool = False
    ) -> Callable[[Callable[[Subject], None]], None]:
        return lambda look: checks.append(Check(name, reason, fix, look, advice))

    return described


def judge(check: "Check[Subject]", subject: Subject, title: str) -> Judgement:
    """What a check finds."""
    try:
        check.look(subject)
    except Unmet as found:
        return Judgement(check, title, "advice" if check.advice else "failed", str(found))
    except NotApplicable as why:
        return Judgement(check, title, "skipped", str(why))
    return Judgement(check, title, "passed")


def unless(condition: object, message: str) -> None:
    """Says what was found, unless all is well."""
    if not condition:
        raise Unmet(message)
