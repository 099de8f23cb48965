"""Results never outgrow what Tekton can carry, and always keep what later steps rely on."""

import json
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from kubernaut_sdk import Action, Change, Context, Inputs, Result
from kubernaut_sdk.results import BUDGET, RESULT_NAMES, Results, message_size
from kubernaut_sdk.states import Error, State

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=600)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=4), max_leaves=6
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.text(max_size=20), JSON, max_size=8), TEXT, st.booleans())
def test_within_the_budget_whatever_an_action_says(output: dict[str, Any], message: str, failed: bool) -> None:
    error = Error(code=1, reason="Failed", message=message * 3) if failed else None
    files = Results(
        status=State.FAILED if failed else State.SUCCEEDED,
        changed=None,
        record_id=None,
        record_status="stored",
        output=output,
        error=error,
    ).files()

    assert set(files) == set(RESULT_NAMES)
    assert message_size(files) <= BUDGET
    assert all("$" not in content for content in files.values())
    if failed:
        assert json.loads(files["error"])["reason"] == "Failed"
    assert json.loads(files["output"]) == output or json.loads(files["output"])["truncated"] is True


def test_reliable_fields_are_kept_before_others() -> None:
    output = {"long": "x" * 3000, "name": "n" * 200, "count": 7, "more": "y" * 900}
    files = Results(
        status=State.SUCCEEDED,
        changed=True,
        record_id=None,
        record_status="stored",
        output=output,
        reliable=("name", "count"),
    ).files()
    kept = json.loads(files["output"])

    assert {name: kept[name] for name in ("name", "count")} == {"name": "n" * 200, "count": 7}
    assert "long" not in kept
    assert kept["truncated"] is True


@pytest.mark.parametrize(
    ("annotation", "good"),
    [
        (str, False),
        (Annotated[str, Field(max_length=256)], True),
        (Annotated[str, Field(max_length=257)], False),
        (int, True),
    ],
)
def test_a_required_text_must_be_bounded_when_the_action_is_defined(annotation: Any, good: bool) -> None:
    result = type("Said", (Result,), {"__annotations__": {"value": annotation}})
    action = Action("probe/say_something")

    def apply(ctx: Context, inputs: Inputs, change: Change) -> Result:
        raise AssertionError

    apply.__annotations__["return"] = result
    if good:
        action.apply(apply)
    else:
        with pytest.raises(TypeError, match=r"Said\.value: a required text of a Result must be at most 256 bytes"):
            action.apply(apply)
