"""Moments that AWS tells: always with a time zone, so that they can be compared."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["answered_at", "in_utc"]


def in_utc(moment: datetime) -> datetime:
    """Return the moment with a time zone: AWS means UTC where it names none."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def answered_at(answer: Mapping[str, Any]) -> datetime | None:
    """Return the service's own time of an answer, from the HTTP header `Date`; None if it has none that can be read."""
    date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
    try:
        return in_utc(parsedate_to_datetime(date))
    except ValueError:
        return None
