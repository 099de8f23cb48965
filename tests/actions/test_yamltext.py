"""Changing one value of a YAML text leaves every other byte as it is."""

import difflib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_argocd.yamltext import parse_field, read_value, replace_value
from kubernaut_sdk import ActionError, InvalidInputs

TEXT = """\
# The checkout service.
apiVersion: apps/v1
spec:
    replicas: 3   # raised by hand
    'odd.key': "a: b"
    template:
      spec:
        containers:
        - {name: web, image: 'web:1', args: [a, "b"]}
        -   name: sidecar
            image: sidecar:2 # pinned

    note: |
      two
      lines
---
kind: Second
list: [1, 2, 3]
"""


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in {"---", "+++"}]


@pytest.mark.parametrize(
    ("field", "document", "value", "lines"),
    [
        ("spec.replicas", 0, 6, ["-    replicas: 3   # raised by hand", "+    replicas: 6   # raised by hand"]),
        ("spec.replicas", 0, None, ["-    replicas: 3   # raised by hand", "+    replicas: null   # raised by hand"]),
        ('spec."odd.key"', 0, "yes", ["-    'odd.key': \"a: b\"", "+    'odd.key': \"yes\""]),
        (
            "spec.template.spec.containers[0].image",
            0,
            "web:2",
            [
                "-        - {name: web, image: 'web:1', args: [a, \"b\"]}",
                "+        - {name: web, image: 'web:2', args: [a, \"b\"]}",
            ],
        ),
        (
            "spec.template.spec.containers[1].image",
            0,
            "sidecar:3",
            ["-            image: sidecar:2 # pinned", '+            image: sidecar:3 # pinned'],
        ),
        ("list[1]", 1, "1e3", ["-list: [1, 2, 3]", '+list: [1, "1e3", 3]']),
        ("kind", 1, "Other", ["-kind: Second", "+kind: Other"]),
        ("kind", 1, "on", ["-kind: Second", '+kind: "on"']),
    ],
)
def test_only_the_value_changes(field: str, document: int, value: Any, lines: list[str]) -> None:
    changed = replace_value(TEXT, field, document, value)

    assert changed_lines(TEXT, changed) == lines
    assert read_value(changed, field, document) == value


def test_another_shape_keeps_comments_and_order() -> None:
    changed = replace_value(TEXT, "spec.replicas", 0, {"min": 1, "max": 3})

    assert read_value(changed, "spec.replicas", 0) == {"min": 1, "max": 3}
    assert "# The checkout service." in changed
    assert changed.index("apiVersion") < changed.index("replicas") < changed.index("template")


@settings(deadline=None)
@given(
    st.text(max_size=30) | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
def test_every_scalar_reads_back_in_yaml_1_1_and_1_2(value: Any) -> None:
    changed = replace_value("a: old # kept\nb: 'quoted'\n", "a", 0, value)
    changed = replace_value(changed, "b", 0, value)

    assert read_value(changed, "a", 0) == read_value(changed, "b", 0) == value
    assert "# kept" in changed
    if isinstance(value, str) and value.isprintable() and value.isascii():
        assert yaml.safe_load(changed) == {"a": value, "b": value}


@pytest.mark.parametrize(
    ("field", "document", "told"),
    [
        ("spec.replica", 0, "there is no spec.replica; there is replicas, odd.key, template, note."),
        ("spec.template.spec.containers[2]", 0, "there is no spec.template.spec.containers[2]; there is a list of 2."),
        ("spec.replicas.x", 0, "there is no spec.replicas.x; there is 3."),
        ("kind", 2, "there is no document 2 in the file; it has 2, counted from 0."),
    ],
)
def test_what_is_not_there_is_told_with_what_is(field: str, document: int, told: str) -> None:
    with pytest.raises(ActionError) as refused:
        read_value(TEXT, field, document)
    assert (refused.value.exit_code, refused.value.message) == (3, told)


@pytest.mark.parametrize("field", ["", ".a", "a..b", "a[x]", "a[", "a.", '"a'])
def test_a_field_that_is_no_path(field: str) -> None:
    with pytest.raises(InvalidInputs, match="field"):
        parse_field(field)


def test_what_is_no_yaml() -> None:
    with pytest.raises(ActionError, match="the file is not usable YAML") as refused:
        read_value("a: [", "a", 0)
    assert refused.value.exit_code == 3
