"""The check that a workflow puts back what its steps leave behind and nobody else restores.

Which action needs that, and which one does it, is a property of the action (`Action(restored_by=…)`).
"""

from collections.abc import Callable, Iterator

from kubernaut_controller.faults import Fault
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk import Action, InvalidInputs
from kubernaut_sdk.models import parse_inputs
from kubernaut_sdk.states import ObjectRef

__all__ = ["restore_faults"]

Find = Callable[[str], Action | None]


def restore_faults(workflow: WorkflowExecution, find: Find) -> Iterator[Fault]:
    """Yield a fault for each step whose change no step of `finally` is sure to put back.

    Args:
        workflow: A workflow of the right shape.
        find: The catalogue; a step whose action it does not know is passed over.
    """
    final = [(path, step) for path, step in workflow.places() if path.startswith("spec.finally")]
    for path, step in workflow.places():
        action = find(step.action_type)
        if action is None or action.restored_by is None:
            continue
        if (path, step) in final:
            message = f"nothing runs after a step of finally, so nothing could put back what {step.action_type} leaves"
            yield Fault(f"{path}.actionType", f"{message}; run it among the steps, and {action.restored_by} here")
            continue
        target = _target(step, action)
        restoring = [
            (place, other)
            for place, other in final
            if other.action_type == action.restored_by and _may_be(target, _target(other, find(other.action_type)))
        ]
        if not restoring:
            where = f" on {_name(target)}" if target is not None else ""
            yield Fault(
                f"{path}.actionType",
                f"nobody else puts back what {step.action_type} leaves; add a step of finally with "
                f"{action.restored_by}{where}",
            )
        elif all(other.when is not None for _, other in restoring):
            place, other = restoring[0]
            yield Fault(
                f"{place}.when",
                f"{other.name!r} must run however the others end, since it puts back what {step.name!r} leaves; take "
                f"the when away",
            )


def _target(step: Step, action: Action | None) -> ObjectRef | str | None:
    """Return the target of a step; None where it is not known before the run."""
    if action is None or action.target_function is None or step.inputs_from:
        return None
    try:
        return action.target_function(parse_inputs(action.inputs_model, step.inputs))
    except InvalidInputs:
        return None  # reported with the inputs


def _may_be(one: ObjectRef | str | None, other: ObjectRef | str | None) -> bool:
    return one is None or other is None or one == other


def _name(target: ObjectRef | str) -> str:
    if isinstance(target, str):
        return target
    place = f"{target.namespace}/" if target.namespace else ""
    return f"{target.kind} {place}{target.name}"
