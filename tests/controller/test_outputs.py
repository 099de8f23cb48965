"""A pointer into an earlier step's output is checked before anything runs, where the catalogue knows the action."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from kubernaut_controller import InvalidWorkflow, parse_workflow, require_valid
from kubernaut_sdk import Action, Change, Context, Inputs, Result

Make = Callable[..., Any]


class OutputPart(BaseModel):
    """An object within a result."""

    size: int
    note: str | None = None


class Made(Result):
    """A result with values of many kinds."""

    count: int
    ratio: float = 0.5
    name: Annotated[str, Field(max_length=64)]
    mode: Literal["fast", "slow"] = "fast"
    part: OutputPart | None = None
    parts: tuple[OutputPart, ...] = ()
    pair: tuple[int, str] = (1, "a")
    labels: Annotated[dict[str, str], Field(default_factory=dict)]
    anything: Any = None
    text: str = ""


class Taken(Inputs):
    """Inputs of many kinds."""

    number: int = 1
    fraction: float = 1.0
    text: str = ""
    choice: Literal["fast", "slow"] = "fast"
    flags: tuple[str, ...] = ()
    part: Annotated[dict[str, Any], Field(default_factory=dict)]
    anything: Any = None
    maybe: int | None = None


def action(action_type: str, result: type[Result] | None) -> Action:
    made = Action(action_type)

    def plan(ctx: Context, inputs: Taken) -> Change:
        """Do nothing."""
        return Change(before={}, after={})

    def apply(ctx: Context, inputs: Taken, change: Change) -> Any:
        return None

    apply.__annotations__["return"] = result
    made.plan(plan)
    made.apply(apply)
    return made


ACTIONS = {"probe/make_it": action("probe/make_it", Made), "probe/say_nothing": action("probe/say_nothing", None)}


def faults_from(
    workflow: Make, step: Make, pointer: str, name: str, giver: str = "probe/make_it", **inputs: Any
) -> str:
    """Return the faults of an input taken by a pointer; empty where it is accepted."""
    text = workflow(
        step("a", actionType=giver, inputs=inputs),
        step(
            "b",
            actionType="probe/make_it",
            inputs={},
            inputsFrom=[{"input": name, "step": "a", "pointer": pointer}],
        ),
    )
    try:
        require_valid(parse_workflow(text), ACTIONS.get, known_types=list(ACTIONS))
    except InvalidWorkflow as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("pointer", "name"),
    [
        ("", "part"),
        ("/count", "number"),
        ("/count", "fraction"),
        ("/count", "maybe"),
        ("/ratio", "number"),
        ("/name", "text"),
        ("/mode", "choice"),
        ("/mode", "text"),
        ("/part", "part"),
        ("/part/size", "number"),
        ("/part/note", "text"),
        ("/parts/7/size", "number"),
        ("/pair/1", "text"),
        ("/labels/a~1b", "text"),
        ("/anything", "number"),
        ("/anything/within/0", "number"),
        ("/parts", "anything"),
    ],
)
def test_what_may_be_there_is_accepted(workflow: Make, step: Make, pointer: str, name: str) -> None:
    assert faults_from(workflow, step, pointer, name) == ""


@pytest.mark.parametrize(
    ("pointer", "name", "expected"),
    [
        (
            "/cuont",
            "number",
            "/cuont names nothing in the output of probe/make_it; there is anything, count, labels, mode, name, pair",
        ),
        ("/part/sise", "number", "/part/sise names nothing in the output of probe/make_it; there is note, size."),
        ("/parts/size", "number", "/parts/size names nothing in the output of probe/make_it; nothing is in there."),
        ("/parts/-", "number", "/parts/- names nothing"),
        ("/pair/2", "number", "/pair/2 names nothing"),
        ("/count/0", "number", "/count/0 names nothing"),
        ("/labels/a/b", "text", "/labels/a/b names nothing"),
        ("/name", "number", "/name is string, and number of probe/make_it takes integer."),
        ("/count", "text", "/count is integer, and text of probe/make_it takes string."),
        ("/parts", "part", "/parts is array, and part of probe/make_it takes object."),
        ("/part", "maybe", "/part is object, and maybe of probe/make_it takes integer or null."),
        ("", "flags", "the whole output is object, and flags of probe/make_it takes array."),
    ],
)
def test_what_cannot_be_there_is_refused(workflow: Make, step: Make, pointer: str, name: str, expected: str) -> None:
    assert f"spec.steps[1].inputsFrom[0].pointer: {expected}" in faults_from(workflow, step, pointer, name)


def test_an_action_without_a_result_hands_nothing_on(workflow: Make, step: Make) -> None:
    said = faults_from(workflow, step, "", "part", giver="probe/say_nothing")

    assert said == "spec.steps[1].inputsFrom[0].pointer: probe/say_nothing has no output."


def test_a_value_that_may_be_cut_is_not_relied_upon(workflow: Make, step: Make) -> None:
    assert "text may be cut from the output of 'a': its input of that name has 2002 bytes" in faults_from(
        workflow, step, "/text", "text", text="x" * 2000
    )
    assert faults_from(workflow, step, "/name", "text", text="x" * 2000) == ""
    assert faults_from(workflow, step, "/text", "text", text="x" * 1000) == ""
