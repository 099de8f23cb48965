"""All faults of a workflow at once: those of its shape, and those of its meaning in the parts whose shape is right.

Called by `kubernaut validate` (and every command that reads a workflow) and by the controller.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_controller.shape import Shape, unreadable
from kubernaut_controller.validation import Find, faults_of, timeout_faults
from kubernaut_controller.workflow import Spec, Step, WorkflowExecution, read_workflow_execution

__all__ = ["Catalogue", "check_workflow", "name_steps"]

Json = dict[str, Any]
_LISTS = ("steps", "finally")
_STEP_PATH = re.compile(r"spec\.(steps|finally)\[(\d+)\]")
_PLACEHOLDERS: Json = {
    "actionType": "unknown/unknown_action",
    "image": f"unknown@sha256:{'0' * 64}",
}
"""The values of a step's required fields where they are missing or wrong, so that the rest can be checked."""


@dataclass(frozen=True)
class Catalogue:
    """The actions and limits that a workflow is checked against.

    Attributes:
        find: A function that returns the action of a type, or None.
        known_types: All types, for a hint where one is misspelt.
        repositories: The repositories that images may come from; any, where there are none.
        unknown_actions: True to admit an action that is not known, with its inputs unchecked.
        max_timeout: The longest `spec.timeout` that is allowed; any, without it.
    """

    find: Find
    known_types: Sequence[str] = ()
    repositories: Sequence[str] = ()
    unknown_actions: bool = False
    max_timeout: timedelta | None = None

    def faults_of(self, workflow: WorkflowExecution) -> list[Fault]:
        """Return the faults of a workflow of the right shape."""
        return [
            *faults_of(workflow, self.find, self.known_types, self.repositories, unknown_actions=self.unknown_actions),
            *timeout_faults(workflow, self.max_timeout),
        ]


def check_workflow(document: Json, catalogue: Catalogue) -> tuple[WorkflowExecution | None, tuple[Fault, ...]]:
    """Return a workflow as a model (None where its shape is wrong), with every fault; each names its step.

    Args:
        document: A WorkflowExecution as JSON values.
        catalogue: The actions and limits that it is checked against.
    """
    try:
        workflow = read_workflow_execution(document)
    except InvalidWorkflow as error:
        faults = [*error.faults, *_faults_beside(document, catalogue)]
        return None, name_steps(faults, document)
    return workflow, name_steps(catalogue.faults_of(workflow), document)


def name_steps(faults: Iterable[Fault], document: Json) -> tuple[Fault, ...]:
    """Return the faults, ordered by step, with the step's name in the path (`spec.steps[2] "persist".image`)."""
    return tuple(_with_name(fault, document) for fault in sorted(faults, key=lambda fault: _position(fault.path)))


def _with_name(fault: Fault, document: Json) -> Fault:
    if not (match := _STEP_PATH.match(fault.path)):
        return fault
    steps = document["spec"].get(match[1])
    name = steps[int(match[2])].get("name") if isinstance(steps[int(match[2])], dict) else None
    rest = fault.path[match.end() :]
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9-]{1,63}", name) or rest == ".name":
        return fault
    return Fault(f'{match[0]} "{name}"{rest}', fault.message)


def _position(path: str) -> tuple[int, int]:
    """Return the key that sorts faults by step; the others keep their order before and after these."""
    match = _STEP_PATH.match(path)
    if match is None:
        return (3, 0) if path == "spec.steps" else (0, 0)
    return (1 + _LISTS.index(match[1]), int(match[2]))


def _faults_beside(document: Json, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield the faults of meaning in the parts of a document that have the right shape."""
    try:
        mended = _mend(document)
        if mended is None:
            return
        workflow, places = mended
        for fault in catalogue.faults_of(workflow):
            if not _follows(fault, places):
                yield fault
    except RecursionError as error:
        yield unreadable(error)


def _follows(fault: Fault, places: frozenset[str]) -> bool:
    """Return True if a fault lies in a place that was mended, or may only come from one."""
    path = fault.path
    if any(path == place or path.startswith((f"{place}.", f"{place}[")) for place in places):
        return True
    step = match[0] if (match := _STEP_PATH.match(path)) else ""
    named = re.search(r"\.(runAfter|inputsFrom)\[\d+\](\.step)?$", path)
    return bool(
        (named and any(place.endswith(".name") or _STEP_PATH.fullmatch(place) for place in places))
        or (fault.message.startswith("missing") and f"{step}.inputsFrom" in places)
        or (path.endswith(".timeout") and "spec.timeout" in places)
        or (".inputsFrom[" in path and places & {"spec.target", "spec.signal", "spec.remediationRequestRef"})
    )


def _mend(document: Json) -> tuple[WorkflowExecution, frozenset[str]] | None:
    """Return a workflow of the right shape with the paths of what is not the document's; None without usable steps."""
    spec = document.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("steps"), list) or not spec["steps"]:
        return None
    mended: Json = {**spec}
    for name in _LISTS:
        if isinstance(spec.get(name), list):
            mended[name] = [dict(step) if isinstance(step, dict) else {} for step in spec[name]]
    places: set[str] = set()
    copy = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": WorkflowExecution.__name__,
        "metadata": {"name": "unknown"},
        "spec": mended,
    }
    for _ in range(3):  # what is wrong goes, then what is missing comes; a third look finds nothing more
        try:
            return WorkflowExecution.model_validate(copy), frozenset(places)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            places |= {
                _replace(mended, location) for item in found if _lies_in_a_part(mended, location := item["loc"][1:])
            }
    return None


def _lies_in_a_part(spec: Json, location: tuple[Any, ...]) -> bool:
    """Return False for a fault of a whole list of steps, which pydantic also reports for faults of its items."""
    return bool(location) and not (len(location) == 1 and isinstance(spec.get(location[0]), list))


def _replace(spec: Json, location: tuple[Any, ...]) -> str:
    """Replace the field of a step, or of the spec, in which a fault lies; return its path, or that of the one meant."""
    name, *rest = location
    if name not in _LISTS or not rest:
        spec.pop(name, None)
        return f"spec.{_meant(name, Spec)}"
    index, field = rest[0], rest[1] if len(rest) > 1 else "name"
    step = spec[name][index]
    step.pop(field, None)
    if field == "name":
        step["name"] = f"unknown-{name}-{index}"
    elif field in _PLACEHOLDERS:
        step[field] = _PLACEHOLDERS[field]
    return f"spec.{name}[{index}].{_meant(field, Step)}"


def _meant(field: str, model: type[Shape]) -> str:
    """Return the field that a misspelt one probably means, or the field itself."""
    known = [item.alias or name for name, item in model.model_fields.items()]
    return next(iter(difflib.get_close_matches(field, known, n=1, cutoff=0.7)), field)
