"""Durations as Go, Kubernetes and Tekton spell them: `90s`, `1h30m`, `500ms`; for ages also `90d` and `2w`."""

import re
from datetime import timedelta

__all__ = ["format_duration", "parse_duration"]

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text such as `2m` or `1h30m` means.

    Raises:
        ValueError: if it is not a duration, with examples of good ones.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 40:
        raise ValueError(f"{text[:40]!r} is not a duration; write one such as 90s, 5m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise ValueError(f"{text!r} is not a usable duration; it must be above zero and at most ten years")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Return the shortest spelling with units up to hours (Tekton knows no days): `1h30m`, `2m`, `1.5s`."""
    seconds = duration.total_seconds()
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    text = "".join(f"{int(number)}{unit}" for number, unit in ((hours, "h"), (minutes, "m")) if number)
    return text + (f"{seconds:.3f}".rstrip("0").rstrip(".") + "s" if seconds or not text else "")
