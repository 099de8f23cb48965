"""Changing one value of a YAML text leaves every other byte as it is."""

import difflib
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_argocd.yamltext import parse_field, plan_edit, read_state, read_value, replace_value, restore
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
            ["-            image: sidecar:2 # pinned", "+            image: sidecar:3 # pinned"],
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


@pytest.mark.parametrize(
    ("text", "field", "value", "wanted"),
    [
        # nothing stands there
        ("a:  # c - d\nb: 1\n", "a", 9, "a: 9  # c - d\nb: 1\n"),
        ("a:", "a", "x", "a: x"),
        ("a:\n-\n- 2\n", "a[0]", 9, "a:\n- 9\n- 2\n"),
        # texts of several lines keep their style and place
        ("s:\n    a: |\n      x\n\n    # k\n    b:\n        - 1\n", "s.a", "y\n\n  z\n",
         "s:\n    a: |\n      y\n\n        z\n\n    # k\n    b:\n        - 1\n"),
        ("a: >-\n  x\n  y\nb: 1\n", "a", "p\nq", "a: |-\n  p\n  q\nb: 1\n"),
        ("a: |\n  x\nb: 1\n", "a", " p\nq", 'a: " p\\nq"\nb: 1\n'),
        ("a: |\n  x\n# c\nb: 1\n", "a", "p", "a: p\n# c\nb: 1\n"),
        ("a: one\n  two # c\n", "a", "x", "a: x # c\n"),
        # other shapes
        ("s:\n    a: 3 # c\n    b: 1\n", "s.a", {"x": 1, "l": [1, {"p": "q", "r": []}]},
         "s:\n    a:\n        x: 1\n        l:\n          - 1\n          - p: q\n            r: [] # c\n    b: 1\n"),
        ("a:\n  - x: 1\n    y: 2\n  # c\n  - 1\n", "a[0]", 7, "a:\n  - 7\n  # c\n  - 1\n"),
        ("a:\n  # lead\n  x: |\n    t\n\n# after\nb: 1\n", "a", {"m": "yes"},
         'a:\n  # lead\n  m: "yes"\n\n# after\nb: 1\n'),
        ("a: [1, {b: c}]\n", "a[1]", {"m": ["x: y"]}, 'a: [1, {m: ["x: y"]}]\n'),
        ("a:\n- 1\n- 2\nb: 1\n", "a", [], "a: []\nb: 1\n"),
        # what the world writes
        ("a: 1\r\nb:\r\n  - x\r\nc: 1\r\n", "b", {"k": 1, "l": 2}, "a: 1\r\nb:\r\n  k: 1\r\n  l: 2\r\nc: 1\r\n"),
        ("\ufeffk: 🚀 # 🚀\nb: 2\n", "b", 3, "\ufeffk: 🚀 # 🚀\nb: 3\n"),
        ('{\n  "a": {"b": 1}\n}\n', "a.b", "x 🚀", '{\n  "a": {"b": "x 🚀"}\n}\n'),
        ("a: 1\nb: !Ref x\n", "a", 2, "a: 2\nb: !Ref x\n"),
        ("a: !!str 1\n", "a", 2, "a: 2\n"),
        ("80: x\n", "80", "y", "80: \"y\"\n"),
        ("a: true\n", "a", 1, "a: 1\n"),
        ("a: 1\n", "a", 1e-7, "a: 1.0e-07\n"),
        # anchors stay; who refers to one follows
        ("base: &x 3 # c\nweb: *x\n", "base", 9, "base: &x 9 # c\nweb: *x\n"),
        ("b: &x {r: 3}\nweb:\n  <<: *x\n  k: 1\n", "web.k", 9, "b: &x {r: 3}\nweb:\n  <<: *x\n  k: 9\n"),
    ],
)  # fmt: skip
def test_every_other_byte_stays(text: str, field: str, value: Any, wanted: str) -> None:
    assert replace_value(text, field, 0, value) == wanted
    assert read_value(wanted, field, 0) == value


BILLIONS = "a: &a [1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 30)}]\n" for before, name in ("ab", "bc", "cd")
)


@pytest.mark.parametrize(
    ("text", "field", "expected_text"),
    [
        ("base: &x 3\nweb: *x\n", "web", "web is an alias of what stands in line 1; set that instead."),
        ("a: [&x 1, *x]\n", "a[1]", "a[1] is an alias of what stands in line 1; set that instead."),
        ("a:\n  b: &x 1\nweb: *x\n", "a", "else in the file: the anchor &x stands within it, and line 3 refers to it"),
        ("b: &x {r: 3}\nweb:\n  <<: *x\n", "web.r", "web.r is only inherited, by <<, from line 1; set it there"),
        ("b: &x\n  r: {c: 3}\nw:\n  <<: [*x]\n", "w.r.c", "w.r is only inherited, by <<, from line 2; set it there"),
        ("a: &x\n  r: 3\nb: &y\n  <<: *x\nw:\n  <<: *y\n", "w.r", "w.r is only inherited, by <<, from line 2"),
        ("a: 1\nb: 2\na: 2\n", "a", "a stands in the file twice, in lines 1 and 3; keep one of them."),
        (BILLIONS, "d", "the value has more than 10000 parts; name a smaller one."),
        ("a: &a [*a]\n", "a", "the value is nested more than 64 deep; name a smaller one."),
    ],
)  # fmt: skip
def test_what_would_change_more_than_one_value_is_refused(text: str, field: str, expected_text: str) -> None:
    with pytest.raises(ActionError) as refused:
        read_value(replace_value(text, field, 0, 9) if "else in the file" in expected_text else text, field, 0)
    assert refused.value.exit_code == 3
    assert expected_text in refused.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [("2024-01-01", "2024-01-01"), (".nan", ".nan"), ("0x10", 16), ("yes", True), ("~", None), ("0400", 256)],
)
def test_what_is_read_is_json(text: str, value: Any) -> None:
    assert read_value(f"a: {text}\n", "a", 0) == value


PLAIN = ["1Gi", "10m", "1.2.3", "reg.io:5000/a/web:2.0@sha256:ab", "hello world"]
QUOTED = [
    *("yes", "y", "NO", "on", "null", "~", "", "1e3", "0x10", "08", "1_000", "10:30", "2024-01-01", ".inf", "=", "<<"),
    *(": ", "a: b", "a #b", "a:", "- x", "-", "---", "%a", "@a", "`a", "*a", "&a", "!a", "'", "[", "a\tb", "a\nb"),
    *("\x85", "\u2028", "\ufeff"),
]


@pytest.mark.parametrize(("texts", "double_quoted"), [(PLAIN, False), (QUOTED, True)])
def test_texts_are_quoted_where_they_could_be_read_as_something_else(texts: list[str], double_quoted: bool) -> None:
    for text in texts:
        changed = replace_value("a: old # kept\n", "a", 0, text)
        assert changed.startswith('a: "') == double_quoted, changed
        assert yaml.safe_load(changed) == {"a": text}
        assert changed.endswith(" # kept\n")


EVERYWHERE = """\
# kept
s:
  old: 1 # kept
  block:
    a: b
  list:
  - 1
  - x: 2
    y: 3
  flow: {a: 1}
  text: |
    t
z: 1 # kept
"""


@given(
    st.recursive(
        st.text(max_size=8)
        | st.integers()
        | st.booleans()
        | st.none()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["s.old", "s.block", "s.list[1]", "s.flow.a", "s.text"]),
)
def test_every_json_value_fits_everywhere(value: Any, field: str) -> None:
    changed = replace_value(EVERYWHERE, field, 0, value)

    assert read_value(changed, field, 0) == value
    assert changed.startswith("# kept\ns:\n  old:")
    assert changed.endswith("\nz: 1 # kept\n")


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
    ("field", "document", "expected_text"),
    [
        ("spec.replica", 0, "there is no spec.replica; there is replicas, odd.key, template, note."),
        ("spec.template.spec.containers[2]", 0, "there is no spec.template.spec.containers[2]; there is a list of 2."),
        ("spec.replicas.x", 0, "there is no spec.replicas.x; there is 3."),
        ("kind", 2, "there is no document 2 in the file; it has 2, counted from 0."),
    ],
)
def test_what_is_not_there_is_told_with_what_is(field: str, document: int, expected_text: str) -> None:
    with pytest.raises(ActionError) as refused:
        read_value(TEXT, field, document)
    assert (refused.value.exit_code, refused.value.message) == (3, expected_text)


@pytest.mark.parametrize("field", ["", ".a", "a..b", "a[x]", "a[", "a.", '"a'])
def test_a_field_that_is_no_path(field: str) -> None:
    with pytest.raises(InvalidInputs, match="field"):
        parse_field(field)


def test_what_is_no_yaml() -> None:
    with pytest.raises(ActionError, match="the file is not usable YAML") as refused:
        read_value("a: [", "a", 0)
    assert refused.value.exit_code == 3


SCALARS = json.loads((Path(__file__).parents[1] / "data" / "yaml-scalars.json").read_text())["plain"]


def test_every_scalar_is_read_as_the_api_server_reads_it_and_put_back_to_the_byte() -> None:
    for case in SCALARS:
        text = f"a: {case['text']} # c\nb: 1\n"
        if "error" in case:
            continue
        edit = plan_edit(text, "a", 0, {"x": "another"})

        # Kubernetes rounds integers beyond 64 bits
        read, wanted = edit.before["value"], case["value"]
        rounded = isinstance(read, int | float) and abs(read) >= 2**63
        assert (float(read) == float(wanted)) if rounded else (read, type(read)) == (wanted, type(wanted)), text
        assert not case["text"] or edit.text == "a:\n  x: another # c\nb: 1\n"
        assert restore(edit.text, "a", 0, json.loads(json.dumps(edit.before))) == text


def test_every_scalar_is_written_so_that_it_stays_a_text() -> None:
    for case in SCALARS:
        for before in ("a: old # c\n", "a: {b: old}\n"):
            text = replace_value(before, "a.b" if "b" in before else "a", 0, case["text"])
            plain = bool(case["text"]) and case["text"] in text.replace(f'"{case["text"]}"', "")

            assert read_value(text, "a.b" if "b" in before else "a", 0) == case["text"]
            assert not plain or isinstance(case.get("value"), str), text


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("v: 0400\n", 400, "v: 400\n"),
        ("v: 0400\n", 256, None),
        ("v: yes\n", "yes", 'v: "yes"\n'),
        ("v: yes\n", True, None),
        ("v: 1.0\n", 1, None),
        ("v: !Ref x\n", "x", "v: x\n"),
        ("v: .nan\n", ".nan", 'v: ".nan"\n'),
        ("v: !!str 1\n", "1", None),
        ("v: 'a'\n", "a", None),
        ("v: {<<: {a: 1}, b: 2}\n", {"a": 1, "b": 2}, None),
        ("v: {yes: 1, 80: 2}\n", {"true": 1, "80": 2}, None),
    ],
)
def test_unchanged_is_what_kubernetes_reads_as_the_same(text: str, value: Any, wanted: str | None) -> None:
    edit = plan_edit(text, "v", 0, value)

    assert edit.text == (wanted or text)
    assert (edit.before == edit.after) == (wanted is None)


PLACES = [
    "a: 0400 # c\nb: 1\n",
    "a:\nb: 1\n",
    "a:    # c - d: e\nb: 1",
    "a:   'x'  \nb: 1\n",
    "a: &x !!str 1\nb: *x\n",
    "a: !Ref x # c\nb: 1\n",
    "a: |+\n  x\n\n\nb: 1\n",
    "a: >-\r\n  x\r\n# c\r\nb: 1\r\n",
    "a:\n  # lead\n  m: yes\n  n: [1,  2]\n# after\nb: 1\n",
    "a:\n- 1\n-   m: 2\n    n: 3\n\nb: 1\n",
    "{a: 1, b: 2}\n",
    '{"a":1,"b":[ ]}',
    "{a: , b: 2}\n",
    "\ufeff# 🚀\na: é # é\nb: 🚀\n",
    "? a\n: 1\nb: 2\n",
    "--- # first\na: 1\n...\n---\na: 2\n",
    "'a': \"x\\ty\"\nb: 1\n",
    "a: one\n  two\nb: 1\n",
    "a: [1, # c\n  2]\nb: 1\n",
]


@settings(max_examples=150)
@given(
    st.sampled_from(PLACES),
    st.recursive(
        st.text(max_size=6)
        | st.sampled_from([case["text"] for case in SCALARS])
        | st.integers()
        | st.booleans()
        | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_undo_restores_the_very_bytes(text: str, value: Any) -> None:
    edit = plan_edit(text, "a", 0, value)

    assert read_value(edit.text, "a", 0) == value
    assert read_state(edit.text, "a", 0) == edit.after
    assert restore(edit.text, "a", 0, json.loads(json.dumps(edit.before))) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nspec:\n  replicas: {{ .Values.replicas }}\n", 3),
        ("a: 1\n{{- if .Values.on }}\nb: 2\n{{- end }}\n", 2),
        ("a: 1\nname: {{ .Release.Name }}-web\n", 2),
        ("a: 1\nl:\n  {{- toYaml .Values.l | nindent 2 }}\n", 3),
        ("a: 1\n{{ .Values.key }}: 2\n", 2),
        ("a: 1\nl: [{{ .Values.x }}]\n", 2),
    ],
)
def test_a_template_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ActionError) as refused:
        plan_edit(text, "a", 0, 2)
    assert refused.value.exit_code == 3
    assert f"the file is not usable YAML: line {line} " in refused.value.message
    assert "change the values that the template is filled with" in refused.value.message


def test_what_only_looks_like_a_template_is_yaml() -> None:
    text = 'a: 1\nsummary: "{{ $labels.pod }} down"\n# {{ comment }}\nscript: |\n  {{ x }}\nimage: app:{{ tag }}\n'

    assert replace_value(text, "a", 0, 2) == text.replace("a: 1", "a: 2")


@pytest.mark.parametrize(
    ("text", "followers"),
    [
        ("b: &x {r: {c: 3}}\nw: *x\nv:\n- <<: *x\n", ["w", "v[0].<<"]),
        ("b:\n  r:\n    c: &x 3\nw: [1, *x]\n---\nb: &x 1\nc: *x\n", ["w[1]"]),
        ("b:\n  r:\n    c: &x 3\nw: &x 4\nv: *x\n", []),
        ("b: {r: {c: 3, d: &y 4}}\nw: *y\n", []),
    ],
)
def test_who_follows_a_value_is_told(text: str, followers: list[str]) -> None:
    edit = plan_edit(text, "b.r.c", 0, 9)

    assert edit.before.get("followers", []) == edit.after.get("followers", []) == followers
    assert restore(edit.text, "b.r.c", 0, edit.before) == text


LIST = "l:\n- image: a\n  name: web\n- {name: 'side car', image: b}\n- name: job\n  image: c\n- 1\n"


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("l[name=web].image", LIST.replace("image: a", "image: z")),
        ('l[name="side car"].image', LIST.replace("image: b", "image: z")),
        ("l[image=c].image", LIST.replace("image: c", "image: z")),
        ("l[3]", LIST.replace("- 1", "- z")),
    ],
)
def test_an_item_is_named_by_its_index_or_by_what_it_has(field: str, wanted: str) -> None:
    assert replace_value(LIST, field, 0, "z") == wanted


@pytest.mark.parametrize(
    ("field", "expected_text"),
    [
        ("l[name=x].image", "there is no l[name=x]; there is web, side car, job."),
        ("l[name=web].nope", "there is no l[0].nope; there is image, name."),
        ("m[name=x]", "there is no m; there is l."),
    ],
)
def test_an_item_that_is_not_there(field: str, expected_text: str) -> None:
    with pytest.raises(ActionError, match=r".") as refused:
        read_value(LIST, field, 0)
    assert (refused.value.exit_code, refused.value.message) == (3, expected_text)


def test_an_item_whose_name_another_has_is_refused() -> None:
    with pytest.raises(ActionError, match="stands in the file twice; name the item by its index"):
        read_value("l: [{name: a}, {name: a}]\n", "l[name=a].name", 0)


def test_a_large_file_takes_a_second_or_so() -> None:
    """Measured in processor time, so that other load on the machine does not count."""
    lines = (f"- name: svc{number}\n  image: reg.io/a/b:{number} # c\n  ports: [80, 81]\n" for number in range(30_000))
    text = f"items:\n{''.join(lines)}"
    began = time.process_time()
    changed = replace_value(text, "items[29999].image", 0, "reg.io/a/b:new")

    assert time.process_time() - began < 4  # 1 s where this was written, after 36
    assert changed == text.replace("reg.io/a/b:29999 ", "reg.io/a/b:new ")
