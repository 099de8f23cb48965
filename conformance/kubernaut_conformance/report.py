"""The report of an examination: a summary, JSON, or JUnit's XML."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from kubernaut_conformance.checks import CheckResult

__all__ = ["conforms", "format_json", "format_junit", "format_summary", "report_document", "result_document"]


def conforms(results: Sequence[CheckResult]) -> bool:
    """Return True if no check failed. Advice is no failure."""
    return all(result.outcome != "failed" for result in results)


def format_summary(results: Sequence[CheckResult]) -> str:
    """Return the number of checks per outcome, as text."""
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped", "advice") if counts[name])


def result_document(result: CheckResult) -> dict[str, str]:
    """Return the result of one check."""
    return {
        "check": result.check.name,
        "subject": result.subject,
        "outcome": result.outcome,
        "message": result.message,
        "reason": result.check.reason,
        "fix": result.check.fix,
    }


def report_document(image: str, results: Sequence[CheckResult]) -> dict[str, Any]:
    """Return the whole report."""
    checks = [result_document(result) for result in results]
    return {"image": image, "conforms": conforms(results), "checks": checks}


def format_json(image: str, results: Sequence[CheckResult]) -> str:
    """Return the report as JSON."""
    return json.dumps(report_document(image, results), indent=2, ensure_ascii=False)


def format_junit(image: str, results: Sequence[CheckResult]) -> str:
    """Return the report as JUnit's XML, a test case for each check."""
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
