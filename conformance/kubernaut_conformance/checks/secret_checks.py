"""Checks that an action neither repeats a secret nor puts the mask in its place into data."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from kubernaut_conformance.checks.check import ConformanceCheck, register_in, require
from kubernaut_conformance.checks.requirements import describe_end, format_names, require_run
from kubernaut_conformance.examination import NOT_MOUNTED, ActionExamination
from kubernaut_conformance.observation import ObservedRun

__all__ = ["SECRET_CHECKS"]

MASK = "***"
SECRET_CHECKS: list[ConformanceCheck[ActionExamination]] = []
_check = register_in(SECRET_CHECKS)


@_check(
    "mask-is-no-data",
    "A later step computes with an earlier one's output, and a record is found by its target; a mask there is wrong data.",
    "Leave out a field of `output` that would show a secret, and name it in `withheld`; refuse such a target or key with 3.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        places = sorted(set(_masks(run)))
        require(not places, f"the run {run.description} has a mask in {format_names(places)}")


@_check(
    "withheld-input",
    "A withheld value is missing; running without it would do something else than was asked.",
    "Refuse with exit code 2, and say why, if `--input-from` names a field that the output lists in `withheld`.",
)
def _(action: ActionExamination) -> None:
    run = require_run(action.withheld_input_run, "it has no inputs")
    require(run.completed.exit_code == 2, f"{describe_end(run)}, not with 2")
    require(run.before == run.after, "it changed something")
    text = f"{run.completed.results.get('error')} {run.completed.stdout} {run.completed.stderr}"
    require("withheld" in text, f"{describe_end(run)}, and does not say that it was withheld")


@_check(
    "malformed-inputs",
    "Inputs that cannot be parsed may hold a secret anywhere, and more people read the refusal than the inputs.",
    "Refuse them with exit code 2, and say where the fault is, without repeating any of the text.",
)
def _(action: ActionExamination) -> None:
    run = action.malformed_inputs_run
    require(run.completed.exit_code == 2, f"{describe_end(replace(run, secrets=()))}, not with 2")
    require(run.before == run.after, "it changed something")
    places = sorted(set(replace(run, secrets=(NOT_MOUNTED,)).leaks()))
    require(not places, f"what was given shows in {format_names(places)}")


def _masks(run: ObservedRun) -> Iterator[str]:
    """Yield the places in data where a mask stands."""
    if _masked(_json(run.completed.results.get("output"))):
        yield "the result output"
    for event in run.events:
        for name in ("output", "target"):
            if _masked(event.get(name)):
                yield f"the {name} of the event {event.get('state')}"
        for name in ("inputs", "change"):
            if any(MASK in key for key in _keys(event.get(name))):
                yield f"a key of the {name} of the event {event.get('state')}"


def _masked(value: Any) -> bool:
    return MASK in json.dumps(value)


def _keys(value: Any) -> Iterator[str]:
    match value:
        case Mapping():
            for key, item in value.items():
                yield str(key)
                yield from _keys(item)
        case list():
            for item in value:
                yield from _keys(item)


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None  # results-complete reports it
