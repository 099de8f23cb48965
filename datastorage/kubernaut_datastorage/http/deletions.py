"""Deletions of targets, as clients tell of them: a target that is gone is silent, and was not mended."""

import re
from datetime import datetime, timedelta
from typing import Any

from kubernaut_datastorage.http.problems import Problem
from kubernaut_datastorage.store import WatchKind, WatchMark
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["MOST_DELETED", "OLDEST_DELETION", "parse_deletions"]

MOST_DELETED = 1_000
"""Deletions of one request."""
OLDEST_DELETION = timedelta(days=1)
"""The age up to which a deletion may be told late: the monitor reads so much of the monitoring again."""
_EARLY = timedelta(minutes=1)
"""The time by which a client's clock may be ahead."""
_LONGEST = 1_024
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that PostgreSQL does not keep."""


def parse_deletions(document: Any, now: datetime) -> list[WatchMark]:
    """Return the marks of `{"deleted": [{"target": "shop/Deployment/api", "at": "2026-01-01T00:00:00Z"}]}`.

    Raises:
        Problem: 422 for anything else, which says what and where; then nothing is stored.
    """
    items = document.get("deleted") if isinstance(document, dict) and document.keys() == {"deleted"} else None
    if not isinstance(items, list) or not 0 < len(items) <= MOST_DELETED:
        raise _bad(f'the body is no {{"deleted": […]}} with 1 to {MOST_DELETED} items, each a target and at')
    return [_mark(place, item, now) for place, item in enumerate(items)]


def _mark(place: int, item: Any, now: datetime) -> WatchMark:
    if not isinstance(item, dict) or item.keys() != {"target", "at"}:
        raise _bad(f"deleted[{place}] has not exactly a target and at")
    target, at = item["target"], item["at"]
    if not isinstance(target, str) or not 0 < len(target) <= _LONGEST or _UNSTORABLE.search(target):
        raise _bad(f"deleted[{place}].target is no text of 1 to {_LONGEST} characters, such as shop/Deployment/api")
    try:
        time = datetime.fromisoformat(at)
    except (TypeError, ValueError):
        time = None
    if time is None or time.tzinfo is None:
        raise _bad(f"deleted[{place}].at={shorten(str(at))} is no time with a zone, such as {rfc3339(now)}")
    if not now - OLDEST_DELETION <= time <= now + _EARLY:
        raise _bad(f"deleted[{place}].at={shorten(at)} is not of the last 24 hours; it is {rfc3339(now)} now")
    return WatchMark(WatchKind.DELETED, target, time)


def _bad(detail: str) -> Problem:
    return Problem(422, "Not a deletion", f"{detail}.")
