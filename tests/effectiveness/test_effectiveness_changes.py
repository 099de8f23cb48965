"""The diff of a change: what it says, and that no record makes it slow."""

from time import perf_counter
from typing import Any

import pytest

from kubernaut_effectiveness.service.changes import changed_lines, diff_lines


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (2, 3, [("removed", "2"), ("added", "3")]),
        (None, "x", [("removed", "null"), ("added", '"x"')]),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, []),
        (
            {"replicas": 2, "paused": False},
            {"replicas": 4, "paused": False},
            [
                ("removed", '"replicas": 2'),
                ("added", '"replicas": 4'),
            ],
        ),
        ({"a": 1}, {"a": 1, "b": 2}, [("added", '"b": 2')]),
        ({"a": "<b>"}, {"a": "é"}, [("removed", '"a": "<b>"'), ("added", '"a": "é"')]),
    ],
)
def test_a_change_is_told_by_the_lines_that_differ(before: Any, after: Any, lines: list[tuple[str, str]]) -> None:
    assert changed_lines(before, after) == (lines, 0)


def test_all_of_it_is_there_with_what_is_the_same() -> None:
    assert diff_lines({"a": 1, "b": 2}, {"a": 1, "b": 3}) == [
        ("same", "{"),
        ("same", '  "a": 1,'),
        ("removed", '  "b": 2'),
        ("added", '  "b": 3'),
        ("same", "}"),
    ]


def test_a_row_shows_the_first_lines_and_how_many_there_are() -> None:
    lines, more = changed_lines(list(range(30)), list(range(100, 130)))

    assert (len(lines), more) == (8, 52)


@pytest.mark.parametrize("one", [list(range(10_000)), ["x"] * 10_000, [[]] * 10_000, {str(n): n for n in range(5_000)}])
def test_a_large_record_is_shown_within_a_second(one: Any) -> None:
    other = list(reversed(one)) if isinstance(one, list) else dict.fromkeys(one, 0)
    started = perf_counter()
    found = diff_lines(one, [*other, "y"] if isinstance(other, list) else other)

    assert perf_counter() - started < 1
    assert {kind for kind, _ in found} == {"removed", "added"}
