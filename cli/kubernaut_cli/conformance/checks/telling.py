"""What several checks ask of a run, and how they tell of it."""

from typing import Any

from kubernaut_cli.conformance.checks.check import NotApplicable
from kubernaut_cli.conformance.examination import ActionExamination
from kubernaut_cli.conformance.observation import Observation
from kubernaut_sdk.portable import shorten

__all__ = ["document_of", "ended", "found", "listed", "results_of", "working"]


def found(run: Observation | None, why: str = "no scenario tries this action") -> Observation:
    """The run, where there is one."""
    if run is None:
        raise NotApplicable(why)
    return run


def working(action: ActionExamination) -> Observation:
    """The scenario's run, where it changes the world."""
    run = found(action.first)
    if not action.works:
        raise NotApplicable("the scenario's run does not change anything; see scenario-runs")
    return run


def document_of(run: Observation) -> dict[str, Any]:
    """The object that it printed."""
    if run.document is None:
        raise NotApplicable("standard output is not one object; see stdout-one-object")
    return run.document


def results_of(run: Observation, *names: str) -> tuple[str, ...]:
    """Return the values of these results."""
    for name in names:
        if name not in run.ended.results:
            raise NotApplicable(f"there is no result {name}; see results-complete and results-plain-files")
    return tuple(run.ended.results[name] for name in names)


def ended(run: Observation) -> str:
    """How a run ended, for a message."""
    said = run.error.get("message") or run.ended.stderr.strip().rpartition("\n")[2]
    return f"the run {run.what} ended with {run.ended.exit_code}" + (f": {shorten(said, 200)}" if said else "")


def listed(names: list[str]) -> str:
    """The first five."""
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
