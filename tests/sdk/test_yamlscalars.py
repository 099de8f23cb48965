"""YAML's scalars are read as Kubernetes reads them, and texts that some reader takes for something else are quoted."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kubernaut_sdk.yamlscalars import needs_quotes, plain_value, tagged_value

CORPUS = json.loads((Path(__file__).parents[1] / "data/yaml-scalars.json").read_text(encoding="utf-8"))
QUOTED = (
    *("", " ", "y", "No", "ON", "NULL", "~", "none", "=", "<<", "-", "- a", "---", "...", "a: b", "a #b", "a:", "é"),
    *("089", "0o7", "0x1F", "0b1", "1e3", "1_000", "1,000", "22:00", "12:30:45.5", ".5", ".inf", "2024-01-01"),
    *("2024-01-01T10:00:00Z", "2024-1-1 10:00:00", "a\nb", "a\tb", "*a", "&a", "!a", "%a", "@a", "`a", "{a", "[a", "?"),
    *(",", "\ud83d", "|", ">-", "'a", '"a', "#a", "a ", " a"),
)


def outcome(case: dict[str, Any]) -> Any:
    """Our value of a case; None in a list where it is refused, or has no place in JSON."""
    try:
        if "tag" in case:
            value = tagged_value(case["tag"].replace("!!", "tag:yaml.org,2002:"), case["text"])
        else:
            value = plain_value(case["text"])
    except ValueError:
        return [None]
    if isinstance(value, float) and not math.isfinite(value):
        return [None]
    # Kubernetes rounds integers beyond 64 bits, and prints large floats with fewer digits than they have.
    return float(value) if type(value) is int and abs(value) >= 2**53 else value


def expected(case: dict[str, Any]) -> Any:
    """The value that Kubernetes has of a case, likewise."""
    value = case.get("value", [None])
    return float(value) if type(value) is int and abs(value) >= 2**53 else value


@pytest.mark.parametrize("kind", ["plain", "tagged"])
def test_a_scalar_means_what_kubernetes_reads(kind: str) -> None:
    wrong = [
        (case, ours)
        for case in CORPUS[kind]
        if (ours := outcome(case)) != expected(case) or type(ours) is not type(expected(case))
    ]

    assert not wrong


def test_a_text_of_no_such_type_is_told() -> None:
    with pytest.raises(ValueError, match="'abc' is not of the type !!int"):
        tagged_value("tag:yaml.org,2002:int", "abc")


def test_a_number_beyond_all_bounds_is_a_text() -> None:
    assert plain_value("9" * 5000) == "9" * 5000
    assert plain_value("0x" + "f" * 5000) == "0x" + "f" * 5000


def test_an_integer_beyond_64_bits_is_exact() -> None:
    assert plain_value("123456789012345678901") == 123456789012345678901


@pytest.mark.parametrize("text", QUOTED)
def test_what_some_reader_takes_otherwise_is_quoted(text: str) -> None:
    assert needs_quotes(text)


@pytest.mark.parametrize("text", ["a", "1.2.3", "10.0.0.1", "v1", "a/b.c-d_e", "r/i@sha256:00ff", "--flag", "1Gi"])
def test_a_harmless_text_stays_plain(text: str) -> None:
    assert not needs_quotes(text)


@settings(max_examples=300)
@given(st.text("0123456789abefnotxyESO_.:,+-~= /@T", max_size=12))
@example("1:30")
@example("0b-1")
@example("1.5e3")
@example("-_")
@example("_")
@example("_:1")
def test_a_text_that_stays_plain_is_that_text_to_every_reader(text: str) -> None:
    if needs_quotes(text):
        return
    readings = [plain_value(text), yaml.safe_load(f"v: {text}\n")["v"]]
    for version in ("1.1", "1.2"):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        readings += reader.load(f"[{text}, {text}]")

    assert readings == [text] * 6
