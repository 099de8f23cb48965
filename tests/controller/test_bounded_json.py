"""JSON is read with bounded depth: deeper values become null, and everything else is unchanged."""

import json
from typing import Any

import pytest
from bad_objects import deep
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_controller.operator.boundedjson import DEEPEST, prune, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_not_deep_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value
    assert prune(json.dumps(value).encode()) == json.dumps(value).encode()


@settings(max_examples=30)
@given(VALUES, st.sampled_from([101, 500, 1200, 9_000]), st.booleans())
def test_of_a_list_only_what_is_too_deep_is_lost(value: Any, levels: int, arrays: bool) -> None:
    poison = "[" * levels + "]" * levels if arrays else deep(levels)
    text = f'{{"items": [{json.dumps(value)}, {{"spec": {poison}}}, {json.dumps(value)}]}}'
    first, poisoned, last = read_json(text.encode())["items"]

    assert first == last == value
    assert _depth(poisoned) <= DEEPEST
    assert _depth(poisoned) > 64  # so much is left that the controller's own limit refuses it; it is not admitted cut


def _depth(value: Any) -> int:
    """Return the levels of a value, along its first parts."""
    levels = 0
    while isinstance(value, dict | list) and value:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
        levels += 1
    return levels


@pytest.mark.parametrize(
    ("text", "pruned"),
    [
        ('["]]]]}}}}", [[]], 7]', '["]]]]}}}}", null, 7]'),
        ('{"a": "\\"[[[["}', '{"a": "\\"[[[["}'),
        ('{"[{": "]}"}', '{"[{": "]}"}'),
    ],
)
def test_brackets_within_texts_are_no_brackets(text: str, pruned: str) -> None:
    assert prune(text.encode(), 1) == pruned.encode()


def test_a_deep_value_behind_many_closing_brackets_in_a_text_is_found() -> None:
    text = json.dumps({"a": "}" * 20_000, "b": "DEEP"}).replace('"DEEP"', deep(5_000))

    assert read_json(text.encode())["a"] == "}" * 20_000


def test_integers_without_end_are_no_numbers_and_no_error() -> None:
    assert read_json(b'{"a": ' + b"1" * 5_000 + b', "b": 7}') == {"a": float("inf"), "b": 7}


def test_what_is_no_json_is_an_error() -> None:
    for text in (b"", b"{", b'{"a": }'):
        with pytest.raises(ValueError, match=r"Expecting|column"):
            read_json(text)
