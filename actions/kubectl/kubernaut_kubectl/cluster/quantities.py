"""Quantities of Kubernetes (`500m`, `1Gi`, `2e3`), compared by value.

The grammar is that of `k8s.io/apimachinery/pkg/api/resource`: a decimal number, then a suffix.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["QuantityText", "parse_quantity", "quantity_text", "same_quantity"]

_QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d{1,3}))?")
_BINARY = {f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FACTORS: Mapping[str, Fraction] = _BINARY | {suffix: Fraction(10) ** power for suffix, power in _DECIMAL.items()}


def parse_quantity(text: str | float) -> Fraction:
    """Return the exact value of a quantity.

    Raises:
        ValueError: if it is none.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{str(text)[:40]!r} is not a quantity; write one such as 500m, 2 or 512Mi")
    sign, number, suffix, exponent = match.groups()
    value = Fraction(number.rstrip(".") if number != "." else "0") * (-1 if sign == "-" else 1)
    if suffix:
        return value * _FACTORS[suffix]
    return value * Fraction(10) ** int(exponent or 0)


def quantity_text(value: Fraction) -> str:
    """Return a value as a quantity: in the largest binary unit of which it is a multiple, a fraction in thousandths."""
    if value.denominator != 1:
        return f"{ceil(value * 1000)}m"
    units = [suffix for suffix, factor in _BINARY.items() if value and value % factor == 0]
    return f"{value / _BINARY[units[-1]]}{units[-1]}" if units else str(value)


def same_quantity(one: str | float | None, other: str | float | None) -> bool:
    """Return True if two quantities have the same value; None is one that is missing."""
    if one is None or other is None:
        return one is other
    return parse_quantity(one) == parse_quantity(other)


def _positive(text: str) -> str:
    if parse_quantity(text) <= 0:
        raise ValueError(f"{text!r} is not above zero")
    return text


QuantityText = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_positive)]
"""A quantity above zero, as an input."""
