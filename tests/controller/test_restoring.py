"""A workflow puts back what its steps leave and nobody else restores: told by the property of the action."""

from collections.abc import Callable
from typing import Any

import pytest

from kubernaut_controller import InvalidWorkflow, parse_workflow, require_valid
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, catalog

Make = Callable[..., Any]


class DamInputs(Inputs):
    """The inputs of both actions."""

    name: str
    level: int = 0


def action(name: str, *, target: bool = True, **more: Any) -> Action:
    """An action on a dam."""
    made = Action(f"dam/{name}", **more)

    @made.plan
    def plan(ctx: Context, inputs: DamInputs) -> Change:
        return Change()

    @made.apply
    def apply(ctx: Context, inputs: DamInputs, change: Change) -> None:
        """Do nothing."""

    if target:

        @made.target
        def find_target(inputs: DamInputs) -> ObjectRef:
            return ObjectRef(kind="Dam", namespace="valley", name=inputs.name)

    return made


ACTIONS = {
    found.action_type: found
    for found in (
        action("open_gate", restored_by="dam/close_gate"),
        action("close_gate"),
        action("open_hatch", target=False, restored_by="dam/close_hatch"),
        action("close_hatch", target=False),
    )
}
OPEN = {"actionType": "dam/open_gate", "inputs": {"name": "north"}}
CLOSE = {"actionType": "dam/close_gate", "inputs": {"name": "north"}}


def steps_of(step: Make, workflow: Make, steps: list[Any], final: list[Any]) -> Any:
    made = [step(f"s{number}", **fields) for number, fields in enumerate(steps)]
    closing = [step(f"f{number}", **fields) for number, fields in enumerate(final)]
    return parse_workflow(workflow(*made, **{"finally": closing} if closing else {}), "wf.yaml")


@pytest.mark.parametrize(
    ("steps", "final"),
    [
        ([OPEN], [CLOSE]),
        ([OPEN, {**OPEN, "inputs": {"name": "south"}}], [CLOSE, {**CLOSE, "inputs": {"name": "south"}}]),
        ([OPEN], [{**CLOSE, "when": {"step": "s0", "state": "failed"}}, CLOSE]),
        ([{"actionType": "dam/open_hatch", "inputs": {"name": "a"}}], [{**CLOSE, "actionType": "dam/close_hatch"}]),
        ([CLOSE], []),
    ],
    ids=["one", "each its own", "one of two whatever happened", "without a target", "nothing to restore"],
)
def test_a_workflow_that_restores_is_taken(step: Make, workflow: Make, steps: list[Any], final: list[Any]) -> None:
    require_valid(steps_of(step, workflow, steps, final), ACTIONS.get)


@pytest.mark.parametrize(
    ("steps", "final", "message"),
    [
        (
            [OPEN],
            [],
            (
                "spec.steps[0].actionType: nobody else puts back what dam/open_gate leaves; add a step of finally with "
                "dam/close_gate on Dam valley/north."
            ),
        ),
        (
            [OPEN, CLOSE],
            [],
            "spec.steps[0].actionType: nobody else puts back what dam/open_gate leaves; add a step of finally",
        ),
        ([OPEN], [{**CLOSE, "inputs": {"name": "south"}}], "with dam/close_gate on Dam valley/north."),
        (
            [OPEN],
            [{**CLOSE, "when": {"step": "s0", "state": "succeeded"}}],
            (
                "spec.finally[0].when: 'f0' must run however the others end, since it puts back what 's0' leaves; take "
                "the when away."
            ),
        ),
        (
            [CLOSE],
            [OPEN, CLOSE],
            (
                "spec.finally[0].actionType: nothing runs after a step of finally, so nothing could put back what "
                "dam/open_gate leaves; run it among the steps, and dam/close_gate here."
            ),
        ),
    ],
    ids=["none", "only among the steps", "another target", "only sometimes", "itself of finally"],
)
def test_a_workflow_that_does_not_restore_is_refused(
    step: Make, workflow: Make, steps: list[Any], final: list[Any], message: str
) -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        require_valid(steps_of(step, workflow, steps, final), ACTIONS.get)
    assert message in str(refused.value)


def test_a_target_that_is_known_only_later_may_be_the_same(step: Make, workflow: Make) -> None:
    later = {"inputsFrom": [{"input": "name", "step": "s0", "pointer": "/name"}], "inputs": {}, "runAfter": ["s0"]}
    close = {**CLOSE, "inputs": {"name": "anywhere"}}
    text = steps_of(step, workflow, [CLOSE, {**OPEN, **later}], [close])
    with pytest.raises(InvalidWorkflow) as refused:  # the giver has no output: that is all there is to say
        require_valid(text, ACTIONS.get)
    assert "puts back" not in str(refused.value)


def test_the_restoring_action_of_every_installed_one_is_installed_and_takes_the_same_target() -> None:
    pairs = {action.action_type: action.restored_by for action in catalog.all_actions() if action.restored_by}

    assert pairs == {
        "argocd/pause_autosync": "argocd/resume_autosync",
        "kubernetes/relax_pdb": "kubernetes/restore_pdb",
    }
    for name, restorer in pairs.items():
        action, other = catalog.find(name), catalog.find(restorer)
        assert action is not None
        assert other is not None
        assert other.restored_by is None
        own, theirs = (found.inputs_model.model_fields for found in (action, other))
        assert {key for key, field in theirs.items() if field.is_required()} <= set(own)


def test_the_property_names_an_action_type() -> None:
    with pytest.raises(TypeError, match="restored_by='close' is no action type"):
        Action("dam/open_door", restored_by="close")
