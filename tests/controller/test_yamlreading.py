"""A workflow file is read as kubectl reads it, and printed so that every reader agrees."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kubernaut_controller import InvalidWorkflow, dump_yaml, load_yaml
from kubernaut_sdk.yamlreading import YamlFault, read_yaml

CORPUS = json.loads((Path(__file__).parents[1] / "data/yaml-documents.json").read_text(encoding="utf-8"))["documents"]
SCALARS = json.loads((Path(__file__).parents[1] / "data/yaml-scalars.json").read_text(encoding="utf-8"))["plain"]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
WORDS = st.sampled_from([case["text"] for case in SCALARS])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | WORDS, inner, max_size=3),
    max_leaves=8,
)


def _numbers(value: Any) -> Any:
    """Return a value in which 1 and true differ, and 1 and 1.0 do not: Kubernetes writes both the same."""
    match value:
        case dict():
            return {key: _numbers(item) for key, item in value.items()}
        case list():
            return [_numbers(item) for item in value]
        case bool():
            return ("bool", value)
        case int() | float():
            return float(value)
        case _:
            return value


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: ascii(case["text"]))
def test_a_document_means_what_kubectl_reads(case: dict[str, Any]) -> None:
    values = case.get("values", [])
    if "error" in case or len(values) != 1 or not isinstance(values[0], dict):
        with pytest.raises(InvalidWorkflow):
            load_yaml(case["text"], "f")
    else:
        assert _numbers([load_yaml(case["text"], "f")]) == _numbers(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 1\na: 2", "f, line 3, column 1: not usable YAML: the key 'a' stands there twice."),
        ("{1: a, '1': b}", "f, line 1, column 8: not usable YAML: the key '1' stands there twice."),
        (
            "a: 1\n---\nb: 2\n---\nc: 3",
            "f, line 3, column 1: not usable YAML: a second document begins here, of 3; write each into a file of its",
        ),
        (
            "# c\n--- {a: 1}",
            "f, line 2, column 1: not usable YAML: kubectl takes only a comment after ---, not {a: 1}; put it on the",
        ),
        ("a: .inf", "f, line 1, column 4: not usable YAML: .inf is no number to JSON; quote it if a text is meant."),
        ("a: !!int x", "f, line 1, column 4: not usable YAML: 'x' is not of the type !!int."),
        ("~: 1", "the key ~ is not a text, and Kubernetes would not keep it; quote it."),
        ("? [a]\n: 1", "a mapping or list cannot be a key."),
        ("a: *x", "there is no anchor 'x' before this alias."),
        ("a: &x [*x]", "the anchor 'x' holds itself."),
        ("a: {<<: 1}", "<< takes a mapping, or a list of mappings."),
        ("%YAML 1.1\n---\na: 1", "kubectl takes no directives such as %YAML; leave them out."),
        ("a: " + "[" * 200_000, "nested more than 100 deep."),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(InvalidWorkflow) as error:
        load_yaml(text, "f")

    assert expected in str(error.value)


def test_aliases_nest_no_deeper_than_what_is_written() -> None:
    text = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))

    with pytest.raises(YamlFault, match="its aliases nest more than 100 deep"):
        read_yaml(text)


@settings(max_examples=300)
@given(st.dictionaries(TEXT | WORDS, VALUES, max_size=4))
@example({"y": "22:00", "1": "1e3", "~": "~", "=": "<<"})
def test_what_is_printed_means_the_same_to_every_reader(document: dict[str, Any]) -> None:
    text = dump_yaml(document)

    assert _numbers(load_yaml(text, "f")) == _numbers(document)
    assert _numbers(yaml.safe_load(text)) == _numbers(document)
    assert _numbers(YAML(typ="safe", pure=True).load(text)) == _numbers(document)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_scalars_mean_what_this_kubectl_reads() -> None:
    texts = [case["text"] for case in SCALARS if "error" not in case]
    lines = [f"  - {text}" for text in texts]
    document = "\n".join(
        ["apiVersion: kubernaut.io/v1alpha1", "kind: WorkflowExecution", "metadata: {name: a}", "spec:", *lines]
    )
    argv = ["kubectl", "annotate", "--local", "-f", "-", "a=b", "-o", "json"]
    env = {"KUBECONFIG": "/dev/null", "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent"}
    answer = subprocess.run(argv, input=document, env=env, capture_output=True, text=True, check=True)

    ours, theirs = _numbers(load_yaml(document, "f")["spec"]), _numbers(json.loads(answer.stdout)["spec"])

    assert [item for item in zip(texts, ours, theirs, strict=True) if item[1] != item[2]] == []
