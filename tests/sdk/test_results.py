"""Results always fit into Tekton's limits, and always keep the fields that later steps rely on."""

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


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=20), JSON, max_size=8), TEXT, st.booleans(), JSON, JSON)
def test_within_the_budget_whatever_an_action_says(
    output: dict[str, Any], message: str, failed: bool, before: Any, after: Any
) -> None:
    error = Error(code=1, reason="Failed", message=message * 3) if failed else None
    files = Results(
        status=State.FAILED if failed else State.SUCCEEDED,
        changed=None,
        record_id=None,
        record_status="stored",
        change=Change(before, after),
        output=output,
        error=error,
    ).files()

    assert set(files) == set(RESULT_NAMES)
    assert message_size(files) <= BUDGET
    assert all("$" not in content for content in files.values())
    if failed:
        assert json.loads(files["error"])["reason"] == "Failed"
    assert json.loads(files["output"]) == output or json.loads(files["output"])["truncated"] is True
    assert len(files["change"].encode()) <= 256
    if files["change"]:
        change = json.loads(files["change"])
        assert change == {"before": before, "after": after} or change["truncated"] is True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, None),
        (Change({"replicas": 3}, {"replicas": 5}), {"before": {"replicas": 3}, "after": {"replicas": 5}}),
        (Change(None, "x" * 300), {"before": None, "after": f'"{"x" * 99}…', "truncated": True}),
        (Change("é" * 300, 1), {"before": f'"{"é" * 99}…', "after": 1, "truncated": True}),
    ],
    ids=["none", "whole", "a long side", "a side of two-byte characters"],
)
def test_the_change_is_shortened_to_256_bytes(change: Change | None, said: Any) -> None:
    files = Results(status=State.SUCCEEDED, changed=True, record_id=None, record_status="stored", change=change).files()

    assert len(files["change"].encode()) <= 256
    assert (json.loads(files["change"]) if files["change"] else None) == said


def test_the_change_gives_way_where_it_alone_would_cost_a_field_of_the_output() -> None:
    change = Change("b" * 90, "a" * 90)

    def files(size: int) -> dict[str, str]:
        return Results(
            status=State.SUCCEEDED,
            changed=True,
            record_id=None,
            record_status="stored",
            change=change,
            output={"name": "n" * size},
        ).files()

    assert (files(900)["change"], json.loads(files(900)["output"])) != ("", {"name": "n" * 900})
    assert (files(1_250)["change"], json.loads(files(1_250)["output"])) == ("", {"name": "n" * 1_250})
    assert (files(3_000)["change"] != "", json.loads(files(3_000)["output"])) == (True, {"truncated": True})


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
