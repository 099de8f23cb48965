"""Kubernetes' quantities are exact numbers, in whatever spelling."""

from fractions import Fraction
from typing import Any

import pytest

from kubernaut_sdk.quantities import parse_quantity


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("512Mi", 512 * 2**20),
        ("1Gi", 2**30),
        ("1k", 1000),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("500m", Fraction(1, 2)),
        ("1e3", 1000),
        ("100n", Fraction(1, 10**7)),
        (2, 2),
        (0.25, Fraction(1, 4)),
    ],
)
def test_a_quantity_is_an_exact_number(value: Any, number: Fraction) -> None:
    assert parse_quantity(value) == number


@pytest.mark.parametrize("value", ["", "much", "1 Gi", "1gi", None, True, [], {}, "1" * 21])
def test_anything_else_is_none(value: Any) -> None:
    assert parse_quantity(value) is None
