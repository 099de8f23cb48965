"""Fields that are not there: created only when asked, as one insertion, and taken out again to the byte."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_argocd.yamltext import plan_edit, read_value, replace_value, restore
from kubernaut_sdk import InvalidInputs, NotFound, PreconditionFailed

CREATED = [
    ("a list item by key", "images: []\n", "images[name=web].newTag", "v2", "images: [{name: web, newTag: v2}]\n"),
    (
        "a list item by key, after the others",
        "images:\n- name: web\n  newTag: v1 # x\n\nfoo: 1\n",
        "images[name=api].newTag",
        "v2",
        "images:\n- name: web\n  newTag: v1 # x\n- name: api\n  newTag: v2\n\nfoo: 1\n",
    ),
    (
        "a key in an item",
        "images:\n- name: web\n  newTag: v1\n",
        "images[name=web].digest",
        "sha256:1",
        "images:\n- name: web\n  newTag: v1\n  digest: sha256:1\n",
    ),
    (
        "mappings around it, before a comment that follows",
        "a:\n  b: 1 # why\n# tail\nc: 2\n",
        "a.d.f",
        [1, {"x": 2}],
        "a:\n  b: 1 # why\n  d:\n    f:\n      - 1\n      - x: 2\n# tail\nc: 2\n",
    ),
    (
        "after a block of text",
        "a:\n  b: |\n    text\n    more\n\nc: 2\n",
        "a.d",
        "v",
        "a:\n  b: |\n    text\n    more\n  d: v\n\nc: 2\n",
    ),
    (
        "in JSON",
        '{\n  "a": {\n    "b": 1\n  }\n}\n',
        "/a/c/d",
        {"x": 1},
        '{\n  "a": {\n    "b": 1,\n    "c": {"d": {"x": 1}}\n  }\n}\n',
    ),
    ("a file without a last line end", "a: 1", "b", 2, "a: 1\nb: 2"),
    ("an empty file", "", "b.c", 2, "b:\n  c: 2\n"),
    ("a file of comments", "# only\n", "b.c", 2, "# only\nb:\n  c: 2\n"),
    ("a key with nothing behind it", "a: # note\nb: 1\n", "a.c", 2, "a: # note\n  c: 2\nb: 1\n"),
    ("lines that end as on Windows", "a: {}\r\nb: 1\r\n", "a.c", 2, "a: {c: 2}\r\nb: 1\r\n"),
    ("the next index", "x:\n  - a: 1\n", "x[1].a", 3, "x:\n  - a: 1\n  - a: 3\n"),
    ("the first of two documents", "---\na: 1\n---\nb: 1\n", "c", 3, "---\na: 1\nc: 3\n---\nb: 1\n"),
]


@pytest.mark.parametrize(("text", "field", "value", "expected"), [case[1:] for case in CREATED], ids=lambda _: "")
def test_a_field_is_created_by_one_insertion_and_removed_again(
    text: str, field: str, value: Any, expected: str
) -> None:
    with pytest.raises(NotFound):
        plan_edit(text, field, 0, value)
    edit = plan_edit(text, field, 0, value, create=True)

    assert edit.text == expected
    assert edit.before["absent"] is True
    assert plan_edit(expected, field, 0, value, create=True).before == edit.after
    assert restore(expected, field, 0, edit.before) == text


@pytest.mark.parametrize(
    ("text", "field", "value", "error", "message"),
    [
        ("a: 5\n", "a.b", 3, PreconditionFailed, "a is neither a mapping nor a list, so nothing can be created in it."),
        ("a: {b: 1}\n", "a[0]", 3, PreconditionFailed, "a is a mapping, and [0] names an item of a list."),
        ("a: [1]\n", "a[3]", 3, NotFound, "there is no a[3]; a is a list of 1."),
        ("a: []\n", "a[name=x]", 3, PreconditionFailed, "a new item [name=x] must be a mapping, and the value is 3."),
        ("a: ~\n", "a.b", 3, PreconditionFailed, "~ stands where a mapping or list would have to be; set that first."),
        ("a: |+\n  x\n\n", "b", 3, PreconditionFailed, "b cannot be created without touching something else"),
        ("a: &x {b: 1}\nc: *x\n", "c.z", 3, PreconditionFailed, "c is an alias of what stands in line 1; set that"),
        ("a:\n  <<: {q: 1}\n", "a.q", 3, PreconditionFailed, "a.q is only inherited, by <<, from line 2"),
        ("a: 1\n", "b", 1, NotFound, "there is no document 4"),
    ],
)
def test_a_field_that_cannot_be_created_is_refused(
    text: str, field: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        plan_edit(text, field, 4 if "document" in message else 0, value, create=True)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/a/0/b~1c", 1), ("/a/1/0", 2), ("/m/0", 3), ("/~0t", 4), ("/a/0/b.c", 5)],
)
def test_a_json_pointer_names_a_field(pointer: str, value: int) -> None:
    text = 'a:\n- {"b/c": 1, b.c: 5}\n- [2]\nm: {"0": 3}\n~t: 4\n'

    assert read_value(text, pointer, 0) == value
    assert read_value(replace_value(text, pointer, 0, 9), pointer, 0) == 9


@pytest.mark.parametrize("pointer", ["/a~", "/a~2b"])
def test_a_wrong_json_pointer_is_told(pointer: str) -> None:
    with pytest.raises(InvalidInputs, match="a JSON pointer writes ~ as ~0"):
        read_value("a: 1\n", pointer, 0)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-999, 999), st.text("abc: -#'\"\\\n{}", max_size=8))
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqrs"), inner, max_size=3)
)


@given(
    tree=st.dictionaries(st.sampled_from("abc"), TREES, min_size=1),
    path=st.lists(st.sampled_from(["a", "b", "p", "q", "new"]), min_size=1, max_size=4),
    value=TREES,
    flow=st.booleans(),
)
def test_whatever_is_created_stands_beside_the_old(tree: Any, path: list[str], value: Any, flow: bool) -> None:
    text = json.dumps(tree, indent=1) if flow else yaml.safe_dump(tree, default_flow_style=False)
    try:
        edit = plan_edit(text, "/" + "/".join(path), 0, value, create=True)
    except PreconditionFailed:
        return
    if "absent" not in edit.before:
        return
    inserted = edit.before["inserted"]
    place = next(at for at in range(len(text) + 1) if text[:at] + inserted + text[at:] == edit.text)
    expected, here = tree, tree
    for step in path[:-1]:
        if here.get(step) is None:
            here[step] = {}
        here = here[step]
    here[path[-1]] = value

    assert place >= 0
    assert yaml.safe_load(edit.text) == expected
    assert restore(edit.text, "/" + "/".join(path), 0, edit.before) == text


def test_a_new_item_must_hold_the_key_by_which_it_is_named() -> None:
    text = "items:\n  - name: a\n"
    with pytest.raises(PreconditionFailed, match=r"a new item items\[name=b\] must hold name: b"):
        plan_edit(text, "items[name=b]", 0, {"size": 2}, create=True)
    made = plan_edit(text, "items[name=b]", 0, {"name": "b", "size": 2}, create=True).text

    assert made == "items:\n  - name: a\n  - name: b\n    size: 2\n"
    assert plan_edit(made, "items[name=b]", 0, {"name": "b", "size": 2}, create=True).text == made
