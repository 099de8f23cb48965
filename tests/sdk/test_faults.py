"""A document that a pydantic model refuses is refused in the same words everywhere."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kubernaut_sdk.faults import Fault, validation_faults


class PartModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern="^[a-z]+$", max_length=9)]
    count: int = 0
    place: Annotated[str, Field(alias="placeName")] = ""

    @field_validator("count")
    @classmethod
    def _even(cls, count: int) -> int:
        if count % 2:
            raise ValueError("count must be even.")
        return count


class WholeModel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    parts: Annotated[list[PartModel], Field(min_length=1)]
    either: PartModel | dict[str, int] | None = None


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({}, ["parts: missing; it is required."]),
        ({"parts": []}, ["parts: list should have at least 1 item after validation, not 0; it is a list."]),
        ({"parts": [{}]}, ["parts[0].name: missing; it is required."]),
        ({"parts": [{"name": "A"}]}, ["parts[0].name: 'A' does not match ^[a-z]+$."]),
        ({"parts": [{"name": "abcdefghij"}]}, ["parts[0].name: 'abcdefghij' is too long; at most 9 characters."]),
        ({"parts": [{"name": "a", "count": 3}]}, ["parts[0].count: count must be even."]),
        ({"parts": [{"name": "a", "count": "3"}]}, ["parts[0].count: input should be a valid integer; it is '3'."]),
        ({"parts": [{"name": "a", "x": 1}]}, ["parts[0].x: unknown field; there is count, name, placeName."]),
        ({"parts": [{"name": "a"}], "x": 1}, ["x: unknown field; there is either, parts."]),
        ([], ["the document: input should be a valid dictionary or instance of WholeModel; it is a list."]),
        (
            {"parts": [{"name": 1}, {"name": "https://me:pw@host/A"}]},
            [
                "parts[0].name: input should be a valid string; it is 1.",
                "parts[1].name: 'https://***@host/A' is too long; at most 9 characters.",
            ],
        ),
    ],
    ids=str,
)
def test_each_fault_is_a_sentence_with_path_and_value(document: Any, faults: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        WholeModel.model_validate(document)

    assert [str(fault) for fault in validation_faults(raised.value, model=WholeModel)] == faults


def test_a_caller_may_say_it_in_its_own_words_and_hide_values() -> None:
    with pytest.raises(ValidationError) as raised:
        WholeModel.model_validate({"parts": [{"name": 7, "count": 1}], "x": 1})

    faults = validation_faults(
        raised.value,
        prefix="spec",
        describe=lambda item: "not covered" if item["type"] == "extra_forbidden" else None,
        show=lambda _: "hidden",
    )
    assert faults == [
        Fault("spec.parts[0].name", "input should be a valid string; it is hidden"),
        Fault("spec.parts[0].count", "count must be even"),
        Fault("spec.x", "not covered"),
    ]
