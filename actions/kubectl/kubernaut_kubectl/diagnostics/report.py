"""A report on a workload, as texts by name: pure functions, which leave out what is secret and cut what is long."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LARGEST", "LARGEST_PART", "digest_of", "events_text", "fit", "newest", "plain_object"]

LARGEST = 512 * 1024
"""Bytes of a whole report; a ConfigMap holds at most 1 MiB."""
LARGEST_PART = 96 * 1024
_HIDDEN = "***"
_ANNOTATIONS = "kubectl.kubernetes.io/last-applied-configuration"


def plain_object(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without managed fields, and without the values of variables and literal arguments.

    Variables are where people write passwords who have no Secret yet; their names stay.
    """
    plain: dict[str, Any] = json.loads(json.dumps(found))
    metadata = plain.get("metadata", {})
    metadata.pop("managedFields", None)
    (metadata.get("annotations") or {}).pop(_ANNOTATIONS, None)
    _hide(plain)
    return plain


def events_text(events: Sequence[Mapping[str, Any]]) -> str:
    """Return events as lines, the oldest first."""
    lines = [
        (
            str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")),
            str(event.get("type", "")),
            f"{event['involvedObject'].get('kind')}/{event['involvedObject'].get('name')}",
            str(event.get("reason", "")),
            f"x{event.get('count') or 1}",
            " ".join(str(event.get("message", "")).split()),
        )
        for event in events
    ]
    return "\n".join(" ".join(line) for line in sorted(lines))


def newest(text: str, largest: int) -> str:
    """Return the end of a text, from a line's beginning on, in at most so many bytes; a first line says it."""
    data = text.encode()
    if len(data) <= largest:
        return text
    note = f"(the first {len(data) - largest} bytes and more are left out)\n"
    kept = data[len(data) - max(0, largest - len(note.encode())) :].decode(errors="ignore")
    return note + kept.partition("\n")[2]


def fit(parts: Mapping[str, str], largest: int = LARGEST) -> dict[str, str]:
    """Return the parts so that all together fit: each has an equal share, and what small ones leave goes to the others.

    Args:
        parts: Name → text.
        largest: The bytes for all, names included.
    """
    fitting: dict[str, str] = {}
    room, left = largest - sum(len(name.encode()) for name in parts), len(parts)
    for name, text in sorted(parts.items(), key=lambda part: len(part[1].encode())):
        share = min(LARGEST_PART, max(0, room) // left)
        fitting[name] = newest(text, share)
        room, left = room - len(fitting[name].encode()), left - 1
    return dict(sorted(fitting.items()))


def digest_of(parts: Mapping[str, str]) -> str:
    """Return the SHA-256 of a report, of its JSON with sorted keys."""
    text = json.dumps(dict(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _hide(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.get("env") or () if isinstance(value.get("env"), list) else ():
            if isinstance(item, dict) and "value" in item:
                item["value"] = _HIDDEN
        for name in ("command", "args"):
            if isinstance(value.get(name), list):
                value[name] = [_HIDDEN for _ in value[name]]
        for child in value.values():
            _hide(child)
    elif isinstance(value, list):
        for child in value:
            _hide(child)
