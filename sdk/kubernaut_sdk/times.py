"""Times in the form of records."""

from datetime import UTC, datetime

__all__ = ["rfc3339", "utcnow"]


def utcnow() -> datetime:
    """Return the current time in UTC, with microseconds."""
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """Return a time as text whose order is the order of time: `2026-01-31T09:05:07.000120Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
