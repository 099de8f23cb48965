"""Values on the command line: inputs by `-p`, and ages."""

from datetime import timedelta
from typing import Any

import pytest

from kubernaut_sdk import Inputs
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.models import from_text


class Given(Inputs):
    anything: Any = None
    number: float = 0
    text: str = ""


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(
            ("anything", text, text)
            for text in ("1.10", "1e3", "1E3", "1.50", "-0", "0400", "0x1F", "yes", "v1", "1.0e5")
        ),
        *(("anything", text, text) for text in ("[1", "NaN", "99999999999999999999")),
        *(("anything", "6", 6), ("anything", "1.5", 1.5), ("anything", "1.0", 1.0), ("anything", "-3", -3)),
        *(("anything", "true", True), ("anything", "null", None), ("anything", '"6"', "6"), ("anything", "[6]", [6])),
        *(("number", "1.10", 1.1), ("number", "1e3", 1000.0), ("text", "1.10", "1.10"), ("text", "6", "6")),
        ("unknown", "1.10", 1.1),
    ],
)
def test_a_text_stays_what_it_is_unless_it_is_json_to_the_letter(name: str, text: str, value: Any) -> None:
    found = from_text(Given, name, text)

    assert (found, type(found)) == (value, type(value))


def test_ages_may_be_in_weeks() -> None:
    assert parse_duration("1w") == timedelta(days=7)
    assert parse_duration("2w3d") == timedelta(days=17)
