"""Moments on the command line: a time such as `2026-01-31T22:00`, or an age such as `12h`."""

from datetime import UTC, datetime
from typing import Any

import click

from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.times import utcnow

__all__ = ["MOMENT"]


class _Moment(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4 only
    """A command-line value that is a time, in UTC unless it says otherwise, or how long ago it was."""

    name = "time or age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return utcnow() - parse_duration(value)
        except ValueError:
            pass
        except OverflowError:
            self.fail(f"{value} is longer ago than the calendar reaches.", param, ctx)
        try:
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value} is neither an age such as 12h nor a time such as 2026-01-31T22:00Z.", param, ctx)


MOMENT = _Moment()
"""The click type of a moment; its values are datetimes in UTC."""
