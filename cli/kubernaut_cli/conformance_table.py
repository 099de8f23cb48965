"""The checks and the results of `kubernaut conform` as listings, and the findings in full."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from kubernaut_cli.listing import Column, Listing
from kubernaut_conformance import CheckResult
from kubernaut_conformance.checks import ACTION_CHECKS, ConformanceCheck
from kubernaut_conformance.report import result_document

__all__ = ["CHECKS", "RESULTS", "print_findings"]

_SIGNS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "dim"), "advice": ("!", "yellow")}


def _examined(check: ConformanceCheck[Any]) -> str:
    return "each scenario" if check in ACTION_CHECKS else "the image"


CHECKS: Listing[ConformanceCheck[Any]] = Listing(
    columns=[
        Column(heading="check", cell=lambda check: check.name, folds=False),
        Column(heading="of", cell=_examined, folds=False, rank=1),
        Column(heading="why", cell=lambda check: check.reason, whole=True),
        Column(heading="fix", cell=lambda check: check.fix, rank=2, whole=True),
    ],
    document=lambda check: {
        "check": check.name,
        "of": _examined(check),
        "reason": check.reason,
        "fix": check.fix,
        "advice": check.advice,
    },
    name=lambda check: check.name,
)
"""The checks themselves, for `--list`."""

RESULTS: Listing[CheckResult] = Listing(
    columns=[
        Column(
            heading="",
            cell=lambda result: _SIGNS[result.outcome][0],
            colour=lambda result: _SIGNS[result.outcome][1],
            folds=False,
        ),
        Column(heading="check", cell=lambda result: result.check.name, folds=False),
        Column(heading="of", cell=lambda result: result.subject),
        Column(heading="result", cell=lambda result: result.outcome, folds=False),
        Column(heading="found", cell=lambda result: result.message, rank=1, whole=True),
    ],
    document=result_document,
    name=lambda result: result.check.name,
    fields={
        "check": lambda result: result.check.name,
        "of": lambda result: result.subject,
        "result": lambda result: result.outcome,
        "found": lambda result: result.message,
    },
    empty="no check was made",
)
"""The results of an examination."""


def print_findings(results: Sequence[CheckResult], console: Console) -> None:
    """Print of each check that failed the finding, the reason and the fix."""
    for result in results:
        if result.outcome == "failed":
            sign, colour = _SIGNS["failed"]
            of = f"({escape(result.subject)})"
            console.print(f"[{colour}]{sign}[/] [bold]{result.check.name}[/] {of}", highlight=False)
            for label, text in (
                ("found", result.message),
                ("why", result.check.reason),
                ("fix", result.check.fix),
            ):
                console.print(f"  [dim]{label:5}[/] {escape(text)}", highlight=False)
