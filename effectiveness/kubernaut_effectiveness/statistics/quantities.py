"""Kubernetes' quantities, such as 128Mi or 500m, as numbers."""

import re
from typing import Any

__all__ = ["parse_quantity"]

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_SCALES = {"": 1.0, "m": 1e-3} | {
    unit: scale
    for power, letter in enumerate("kMGTPE", 1)
    for unit, scale in ((letter, 1000.0**power), (f"{letter.upper()}i", 1024.0**power))
}


def parse_quantity(value: Any) -> float | None:
    """Return a number or a quantity as a number; None for anything else.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    matched = _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) < 40 else None
    return float(matched[1]) * _SCALES[matched[2] or ""] if matched else None
