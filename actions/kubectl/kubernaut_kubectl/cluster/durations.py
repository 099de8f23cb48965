"""Durations as inputs: `90s`, `5m`, `1h30m`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kubernaut_sdk.durations import parse_duration

__all__ = ["DurationText", "seconds_of"]


def seconds_of(text: str) -> float:
    """Return the seconds of a duration; 0 for `0` and `0s`.

    Raises:
        ValueError: if it is none.
    """
    return 0.0 if text in {"0", "0s"} else parse_duration(text).total_seconds()


def _checked(text: str) -> str:
    seconds_of(text)
    return text


DurationText = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_checked)]
"""A duration, as an input."""
