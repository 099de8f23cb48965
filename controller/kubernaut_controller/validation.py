"""The validation of a workflow: `kubernaut validate` and the controller report the same faults."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_controller.outputs import pointer_faults
from kubernaut_controller.restoring import restore_faults
from kubernaut_controller.workflow import IMAGE_PATTERN, InputFrom, Step, WorkflowExecution
from kubernaut_sdk import Action, InvalidInputs
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.faults import did_you_mean
from kubernaut_sdk.models import input_faults
from kubernaut_sdk.portable import MAX_INPUTS, dumps, pointer, require_portable, shorten
from kubernaut_sdk.secrets.inputs import has_secret

__all__ = ["dependencies", "faults_of", "require_valid", "timeout_faults", "workflow_values"]

Find = Callable[[str], Action | None]
"""A function that returns the action of a type, or None where the catalogue does not know it."""

_IMAGE = re.compile(IMAGE_PATTERN)
_DIGEST = re.compile(r".*@sha256:[0-9a-f]{64}", re.DOTALL)


def require_valid(
    workflow: WorkflowExecution,
    find: Find,
    *,
    known_types: Sequence[str] = (),
    repositories: Sequence[str] = (),
    unknown_actions: bool = False,
) -> None:
    """Raise InvalidWorkflow for a workflow that could not run as intended.

    Args:
        workflow: A workflow of the right shape.
        find: The catalogue.
        known_types: The types in the catalogue, for a hint where one is misspelt.
        repositories: The repositories that images may come from; any, where there are none.
        unknown_actions: True to admit an action that the catalogue does not know, with its inputs unchecked.

    Raises:
        InvalidWorkflow: with every fault.
    """
    faults = list(faults_of(workflow, find, known_types, repositories, unknown_actions=unknown_actions))
    if faults:
        raise InvalidWorkflow(faults)


def faults_of(
    workflow: WorkflowExecution,
    find: Find,
    known_types: Sequence[str] = (),
    repositories: Sequence[str] = (),
    *,
    unknown_actions: bool = False,
) -> Iterator[Fault]:
    """Yield every fault, in the order of the document."""
    steps = {step.name: step for step in workflow.spec.steps}
    yield from _names(workflow)
    for path, step in workflow.places():
        final = path.startswith("spec.finally")
        yield from _image(path, step, repositories)
        yield from _order(path, step, steps, final=final)
        yield from _when(path, step, steps, final=final)
        yield from _sources(path, step, steps, workflow, final=final)
        yield from _timeout(path, step, workflow.spec.timeout)
        yield from _inputs(path, step, workflow, find, known_types, unknown_actions=unknown_actions)
        for index, source in enumerate(step.inputs_from):
            giver = steps.get(source.step or "")
            known = find(giver.action_type) if giver else None
            if giver and known and giver is not step:
                for message in pointer_faults(source, giver, known, find(step.action_type)):
                    yield Fault(f"{path}.inputsFrom[{index}].pointer", message)
    yield from restore_faults(workflow, find)
    cycle = _cycle({name: dependencies(step) & set(steps) - {name} for name, step in steps.items()})
    if cycle:
        yield Fault("spec.steps", f"they wait for each other in a circle: {' → '.join(cycle)}; take one runAfter away")


def dependencies(step: Step) -> set[str]:
    """Return the steps that must have ended before this one: `runAfter` and the steps it takes values from."""
    return {*step.run_after, *(source.step for source in step.inputs_from if source.step)}


def workflow_values(workflow: WorkflowExecution) -> dict[str, object]:
    """Return the values that `inputsFrom` can take from the workflow itself."""
    spec = workflow.spec
    return {
        "target": spec.target.document() if spec.target else None,
        "signal": spec.signal.model_dump(mode="json", exclude_none=True) if spec.signal else None,
        "remediation": spec.remediation_request_ref.model_dump() if spec.remediation_request_ref else None,
    }


def _names(workflow: WorkflowExecution) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for path, step in workflow.places():
        if step.name in first:
            yield Fault(f"{path}.name", f"{step.name!r} is the name of {first[step.name]} already")
        first.setdefault(step.name, path)


def _image(path: str, step: Step, repositories: Sequence[str]) -> Iterator[Fault]:
    image = step.image
    if not _DIGEST.fullmatch(image):
        yield Fault(f"{path}.image", f"{shorten(image)} names no digest; write repository@sha256:<64 hex digits>")
        return
    if not _IMAGE.fullmatch(image):
        hint = "Tekton would put something in the place of $(…)" if "$" in image else "registry/path in small letters"
        yield Fault(f"{path}.image", f"{shorten(image)} is not an image reference ({hint}); name the image itself")
        return
    repository = image.split("@", 1)[0]
    if repositories and not any(
        repository == allowed or repository.startswith(f"{allowed}/") for allowed in repositories
    ):
        yield Fault(f"{path}.image", f"{shorten(repository)} is not among the allowed {', '.join(repositories)}")


def _order(path: str, step: Step, steps: Mapping[str, Step], *, final: bool) -> Iterator[Fault]:
    if final and step.run_after:
        yield Fault(f"{path}.runAfter", "a step of finally runs after all steps; it takes no runAfter")
        return
    for index, name in enumerate(step.run_after):
        if name == step.name:
            yield Fault(f"{path}.runAfter[{index}]", f"{name!r} cannot run after itself")
        elif name not in steps:
            yield Fault(f"{path}.runAfter[{index}]", f"no step {name!r}; {_hint(name, steps)}")


def _when(path: str, step: Step, steps: Mapping[str, Step], *, final: bool) -> Iterator[Fault]:
    if step.when is None:
        return
    if not final:
        yield Fault(f"{path}.when", "only a step of finally has a when; others run if those before them succeeded")
    elif step.when.step not in steps:
        yield Fault(f"{path}.when.step", f"no step {step.when.step!r}; {_hint(step.when.step, steps)}")


def _sources(
    path: str, step: Step, steps: Mapping[str, Step], workflow: WorkflowExecution, *, final: bool
) -> Iterator[Fault]:
    given: set[str] = set(step.inputs)
    for index, source in enumerate(step.inputs_from):
        place = f"{path}.inputsFrom[{index}]"
        if source.input in given:
            yield Fault(f"{place}.input", f"{source.input!r} is given already; an input has one source")
        given.add(source.input)
        yield from _dollars(place, source)
        if (source.step is None) == (source.workflow is None):
            yield Fault(place, "name either step or workflow (target, signal, remediation)")
        elif source.workflow is not None:
            yield from _from_workflow(place, source.workflow, source.pointer, workflow)
        elif final:
            yield Fault(f"{place}.step", "a step of finally takes nothing from steps, which may not have run")
        elif source.step == step.name:
            yield Fault(f"{place}.step", f"{step.name!r} cannot take from itself")
        elif source.step not in steps:
            yield Fault(f"{place}.step", f"no step {source.step!r}; {_hint(str(source.step), steps)}")
        elif steps[str(source.step)].on_failure == "continue":
            yield Fault(
                f"{place}.step",
                f"{source.step!r} may fail (onFailure: continue), and its missing output would take the whole "
                f"PipelineRun down",
            )


def _dollars(place: str, source: InputFrom) -> Iterator[Fault]:
    for field, text in (("input", source.input), ("pointer", source.pointer)):
        if "$" in text:
            message = f"{text!r} holds a $, which Tekton would expand; name inputs and pointers without it"
            yield Fault(f"{place}.{field}", message)


def _from_workflow(place: str, name: str, path: str, workflow: WorkflowExecution) -> Iterator[Fault]:
    value = workflow_values(workflow)[name]
    if value is None:
        yield Fault(f"{place}.workflow", f"this workflow has no {name}")
        return
    try:
        pointer(value, path)
    except InvalidInputs as error:
        yield Fault(f"{place}.pointer", error.message.rstrip("."))


def timeout_faults(workflow: WorkflowExecution, longest: timedelta | None) -> Iterator[Fault]:
    """Yield a fault where a workflow wants its target for longer than the installation allows (`--max-timeout`).

    Args:
        workflow: A workflow of the right shape.
        longest: The longest `spec.timeout` that is allowed; any, without it.
    """
    if longest is not None and workflow.spec.timeout > longest:
        asked, allowed = format_duration(workflow.spec.timeout), format_duration(longest)
        yield Fault("spec.timeout", f"{asked} is longer than the {allowed} that are allowed here (--max-timeout)")


def _timeout(path: str, step: Step, whole: timedelta) -> Iterator[Fault]:
    if step.timeout and step.timeout > whole:
        own, all_ = format_duration(step.timeout), format_duration(whole)
        yield Fault(f"{path}.timeout", f"{own} is longer than the whole workflow's {all_} (spec.timeout)")


def _inputs(
    path: str,
    step: Step,
    workflow: WorkflowExecution,
    find: Find,
    known_types: Sequence[str],
    *,
    unknown_actions: bool,
) -> Iterator[Fault]:
    action = find(step.action_type)
    try:
        # the inputs of an unknown action may all be secret
        discreet = action is None or has_secret(action.inputs_model)
        require_portable(step.inputs, f"{path}.inputs", quote=not discreet)
    except InvalidInputs as error:
        place, _, message = error.message.partition(": ")
        yield Fault(place, message.rstrip("."))
        return
    size = len(dumps(step.inputs).encode())
    if size > MAX_INPUTS:
        yield Fault(f"{path}.inputs", f"{size} bytes as JSON; at most {MAX_INPUTS} (32 KiB) are passed to an action")
        return
    if action is None:
        if not unknown_actions:
            hint = _hint(step.action_type, known_types) if known_types else "no action is installed"
            yield Fault(f"{path}.actionType", f"the catalogue has no {step.action_type!r}; {hint}")
        return
    taken = {source.input for source in step.inputs_from}
    for name in taken - set(action.inputs_model.model_fields):
        near = _hint(name, action.inputs_model.model_fields)
        yield Fault(f"{path}.inputsFrom", f"{step.action_type} has no input {name!r}; {near}")
    given = dict(step.inputs)
    for source in step.inputs_from:
        value = workflow_values(workflow)[source.workflow] if source.workflow else None
        if value is not None:
            try:
                given[source.input] = pointer(value, source.pointer)
                taken.discard(source.input)
            except InvalidInputs:
                pass  # reported by _sources
    for where, message in input_faults(action.inputs_model, given, absent=taken):
        yield Fault(f"{path}.{where}", message.rstrip("."))


def _cycle(waits: Mapping[str, set[str]]) -> list[str]:
    """Return one cycle among the steps, with its first name repeated at the end; empty where there is none."""
    done: set[str] = set()
    for start in waits:
        trail: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(waits[start])))] if start not in done else []
        if stack:
            trail.append(start)
        while stack:
            following = next(stack[-1][1], None)
            if following is None:
                stack.pop()
                done.add(trail.pop())
            elif following in trail:
                return [*trail[trail.index(following) :], following]
            elif following not in done:
                trail.append(following)
                stack.append((following, iter(sorted(waits[following]))))
    return []


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return did_you_mean(name, names) or f"there is {shorten(', '.join(names), 300) or 'none'}"
