"""The requirements that several checks have of a run, and phrases for their messages."""

from typing import Any

from kubernaut_conformance.checks.check import CheckSkipped
from kubernaut_conformance.examination import ActionExamination
from kubernaut_conformance.observation import ObservedRun
from kubernaut_sdk.portable import shorten

__all__ = [
    "describe_end",
    "format_names",
    "require_document",
    "require_effective_run",
    "require_meant_run",
    "require_results",
    "require_run",
]


def require_run(run: ObservedRun | None, why: str = "no scenario tries this action") -> ObservedRun:
    """Return the run; raise `CheckSkipped` if it was not made."""
    if run is None:
        raise CheckSkipped(why)
    return run


def require_effective_run(action: ActionExamination) -> ObservedRun:
    """Return the scenario's run; raise `CheckSkipped` unless it changed its environment."""
    run = require_run(action.first_run)
    if action.only_reads:
        raise CheckSkipped("the action only reads")
    if not action.is_effective:
        raise CheckSkipped("the scenario's run does not change anything; see scenario-runs")
    return run


def require_meant_run(action: ActionExamination) -> ObservedRun:
    """Return the scenario's run; raise `CheckSkipped` unless it changed its environment, or only read as it says."""
    run = require_run(action.first_run)
    if not action.is_as_meant:
        raise CheckSkipped("the scenario's run is not as it is meant; see scenario-runs")
    return run


def require_document(run: ObservedRun) -> dict[str, Any]:
    """Return the JSON object that a run printed; raise `CheckSkipped` if it printed anything else."""
    if run.document is None:
        raise CheckSkipped("standard output is not one object; see stdout-one-object")
    return run.document


def require_results(run: ObservedRun, *names: str) -> tuple[str, ...]:
    """Return the values of these results; raise `CheckSkipped` if one is missing."""
    for name in names:
        if name not in run.completed.results:
            raise CheckSkipped(f"there is no result {name}; see results-complete and results-plain-files")
    return tuple(run.completed.results[name] for name in names)


def describe_end(run: ObservedRun) -> str:
    """Return a phrase for the run, its exit code and its error message."""
    message = run.error.get("message") or run.completed.stderr.strip().rpartition("\n")[2]
    return f"the run {run.description} ended with {run.completed.exit_code}" + (
        f": {shorten(message, 200)}" if message else ""
    )


def format_names(names: list[str]) -> str:
    """Return the first five names, with commas between."""
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
