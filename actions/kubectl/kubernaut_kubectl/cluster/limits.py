"""Blast-radius limits: refusals that say which limit, its value, and what was found."""

from collections.abc import Sized
from fractions import Fraction

from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["require_at_most", "require_factor", "require_some"]


def require_some(found: Sized, what: str) -> None:
    """Raise NotFound for an empty selection.

    Args:
        found: The selection.
        what: What was looked for, such as `failed pods in shop that are older than 1h`.

    Raises:
        NotFound: if nothing was found.
    """
    if not found:
        raise NotFound(f"there are no {what}; nothing is done.", reason="NothingSelected")


def require_at_most(count: int, limit: int, name: str, what: str) -> None:
    """Raise PreconditionFailed for a selection that is larger than its limit.

    Args:
        count: How many were found.
        limit: The limit's value.
        name: The input that sets the limit, such as `max_pods`.
        what: What was counted.

    Raises:
        PreconditionFailed: if there are more.
    """
    if count > limit:
        raise PreconditionFailed(
            f"{count} {what} are more than {name} {limit}; narrow the selection, or raise {name} if that is meant.",
            reason="LimitReached",
        )


def require_factor(before: Fraction | int, after: Fraction | int, factor: float, what: str) -> None:
    """Raise PreconditionFailed for a value that grows, or shrinks, by more than `max_factor`.

    Args:
        before: The value now; zero has no factor, and is not limited.
        after: The value asked for.
        factor: The value of `max_factor`.
        what: The change in words, such as `limits.memory of app from 256Mi to 1Gi`.

    Raises:
        PreconditionFailed: if the limit is exceeded.
    """
    if before <= 0 or after <= 0:
        return
    ratio = Fraction(after) / Fraction(before)
    grown = max(ratio, 1 / ratio)
    if grown > Fraction(factor):
        raise PreconditionFailed(
            f"{what} is a factor of {float(grown):.3g}, more than max_factor {factor:g}; "
            f"go in smaller steps, or raise max_factor if that is meant.",
            reason="LimitReached",
        )
