"""What the checks found, as a table, as JSON, or as JUnit's XML."""

import json
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kubernaut_conformance.checks import CheckResult

__all__ = ["as_json", "as_junit", "conforms", "print_table", "summary"]

_SIGNS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]–[/]", "advice": "[yellow]![/]"}


def conforms(results: Sequence[CheckResult]) -> bool:
    """Whether no check failed. Advice does not count."""
    return all(result.outcome != "failed" for result in results)


def summary(results: Sequence[CheckResult]) -> str:
    """How many of each."""
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped", "advice") if counts[name])


def print_table(results: Sequence[CheckResult], console: Console) -> None:
    """A line a check; below, for each that failed, what was found, why it matters and what to do."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "of", "found"):
        table.add_column(heading, overflow="fold")
    for result in results:
        told = result.message if result.outcome != "failed" else "see below"
        table.add_row(_SIGNS[result.outcome], result.check.name, *map(escape, (result.subject, told)))
    console.print(table)
    for result in results:
        if result.outcome == "failed":
            of = f"({escape(result.subject)})"
            console.print(f"{_SIGNS['failed']} [bold]{result.check.name}[/] {of}", highlight=False)
            for label, text in (
                ("found", result.message),
                ("why", result.check.reason),
                ("fix", result.check.fix),
            ):
                console.print(f"  [dim]{label:5}[/] {escape(text)}", highlight=False)


def as_json(image: str, results: Sequence[CheckResult]) -> str:
    """The report for machines."""
    checks = [
        {
            "check": result.check.name,
            "subject": result.subject,
            "outcome": result.outcome,
            "message": result.message,
            "reason": result.check.reason,
            "fix": result.check.fix,
        }
        for result in results
    ]
    return json.dumps({"image": image, "conforms": conforms(results), "checks": checks}, indent=2, ensure_ascii=False)


def as_junit(image: str, results: Sequence[CheckResult]) -> str:
    """The report as continuous integration reads it: a test case a check."""
    counts = Counter(result.outcome for result in results)
    suite = ET.Element(
        "testsuite",
        name=f"kubernaut conform {image}",
        tests=str(len(results)),
        failures=str(counts["failed"]),
        skipped=str(counts["skipped"]),
        errors="0",
    )
    for result in results:
        case = ET.SubElement(suite, "testcase", classname=result.subject, name=result.check.name)
        if result.outcome == "failed":
            failure = ET.SubElement(case, "failure", message=result.message)
            failure.text = f"{result.message}\nwhy: {result.check.reason}\nfix: {result.check.fix}"
        elif result.outcome == "skipped":
            ET.SubElement(case, "skipped", message=result.message)
        elif result.outcome == "advice":
            ET.SubElement(case, "system-out").text = f"advice: {result.message}. {result.check.fix}"
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
