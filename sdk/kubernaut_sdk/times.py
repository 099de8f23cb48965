"""Times as records spell them."""

from datetime import UTC, datetime

__all__ = ["rfc3339", "utcnow"]


def utcnow() -> datetime:
    """The time now, in UTC, with the microseconds that records keep."""
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """A time as records spell it, so that text order is time order: `2026-01-31T09:05:07.000120Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
