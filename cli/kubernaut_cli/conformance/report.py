"""What the checks found, as a table, as JSON, or as JUnit's XML."""

import json
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.conformance.checks import Judgement

__all__ = ["as_json", "as_junit", "conforms", "print_table", "summary"]

_SIGNS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]–[/]", "advice": "[yellow]![/]"}


def conforms(judgements: Sequence[Judgement]) -> bool:
    """Whether no check failed. Advice does not count."""
    return all(judgement.outcome != "failed" for judgement in judgements)


def summary(judgements: Sequence[Judgement]) -> str:
    """How many of each."""
    counts = Counter(judgement.outcome for judgement in judgements)
    return ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped", "advice") if counts[name])


def print_table(judgements: Sequence[Judgement], console: Console) -> None:
    """A line a check; below, for each that failed, what was found, why it matters and what to do."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "of", "found"):
        table.add_column(heading, overflow="fold")
    for judgement in judgements:
        told = judgement.message if judgement.outcome != "failed" else "see below"
        table.add_row(_SIGNS[judgement.outcome], judgement.check.name, *map(escape, (judgement.subject, told)))
    console.print(table)
    for judgement in judgements:
        if judgement.outcome == "failed":
            of = f"({escape(judgement.subject)})"
            console.print(f"{_SIGNS['failed']} [bold]{judgement.check.name}[/] {of}", highlight=False)
            for label, text in (
                ("found", judgement.message),
                ("why", judgement.check.reason),
                ("fix", judgement.check.fix),
            ):
                console.print(f"  [dim]{label:5}[/] {escape(text)}", highlight=False)


def as_json(image: str, judgements: Sequence[Judgement]) -> str:
    """The report for machines."""
    checks = [
        {
            "check": judgement.check.name,
            "subject": judgement.subject,
            "outcome": judgement.outcome,
            "message": judgement.message,
            "reason": judgement.check.reason,
            "fix": judgement.check.fix,
        }
        for judgement in judgements
    ]
    return json.dumps(
        {"image": image, "conforms": conforms(judgements), "checks": checks}, indent=2, ensure_ascii=False
    )


def as_junit(image: str, judgements: Sequence[Judgement]) -> str:
    """The report as continuous integration reads it: a test case a check."""
    counts = Counter(judgement.outcome for judgement in judgements)
    suite = ET.Element(
        "testsuite",
        name=f"kubernaut conform {image}",
        tests=str(len(judgements)),
        failures=str(counts["failed"]),
        skipped=str(counts["skipped"]),
        errors="0",
    )
    for judgement in judgements:
        case = ET.SubElement(suite, "testcase", classname=judgement.subject, name=judgement.check.name)
        if judgement.outcome == "failed":
            failure = ET.SubElement(case, "failure", message=judgement.message)
            failure.text = f"{judgement.message}\nwhy: {judgement.check.reason}\nfix: {judgement.check.fix}"
        elif judgement.outcome == "skipped":
            ET.SubElement(case, "skipped", message=judgement.message)
        elif judgement.outcome == "advice":
            ET.SubElement(case, "system-out").text = f"advice: {judgement.message}. {judgement.check.fix}"
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
