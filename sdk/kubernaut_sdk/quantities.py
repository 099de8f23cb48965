"""Kubernetes' quantities, such as `500m`, `64Mi` or `1e3`, as exact numbers."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

__all__ = ["parse_quantity"]

_SUFFIXES = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)}
_SUFFIXES |= {sign: Fraction(1000 ** (power + 1)) for power, sign in enumerate("kMGTPE")}
_SUFFIXES |= {f"{sign}i": Fraction(1024 ** (power + 1)) for power, sign in enumerate("KMGTPE")}
_QUANTITY = re.compile(r"([+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?)([numkMGTPE]|[KMGTPE]i)?")


def parse_quantity(value: Any) -> Fraction | None:
    """Return the number that a quantity stands for; None for a value that is no quantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _parse(str(value))


@lru_cache(maxsize=1024)
def _parse(text: str) -> Fraction | None:
    """Return the number of a text; kept, since the same few sizes come again and again."""
    match = _QUANTITY.fullmatch(text)
    return None if match is None else Fraction(match[1]) * _SUFFIXES[match[2] or ""]
