"""Permissions with what each is for, as actions declare them."""

from collections.abc import Mapping

__all__ = ["in_order"]


def in_order(*parts: Mapping[str, str]) -> dict[str, str]:
    """Return permissions by their names; where two parts have the same one, the reason of the later part counts."""
    return dict(sorted({name: why for part in parts for name, why in part.items()}.items()))
