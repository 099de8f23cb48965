"""Ages on the command line: `12h`, `90d`."""

from datetime import timedelta
from typing import Any

import click

from kubernaut_sdk.durations import parse_duration

__all__ = ["AGE"]


class _Age(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4 only
    """A command-line value that is an age."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError:
            self.fail(f"{value!r} is not an age of at most ten years; write one such as 12h, 1w or 90d.", param, ctx)


AGE = _Age()
"""The click type of an age; its values are timedeltas."""
