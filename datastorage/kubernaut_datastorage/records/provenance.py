"""The keys of a record's values, stored beside its document: only those that the document does not show itself.

The event with the greatest key brought `state`, `at` and `source`, so that its key is known from them, and most slots
have it. Only the slots of lesser events are written down, a group for each event:

    {"keys": [["started", "container", "2026-01-31T09:05:07.000120Z", ["inputs", "target"]]],
     "pods": {"0": ["shop", "8e3c2b1a-0f7e-4c58-9a64-2d8f1c5b7e90", "w-scale-pod"]}}

`pods` are the pods of action tokens, one for each attempt: namespace, UID and name of the pod that first wrote it.
`"controller": true` says that the controller has sent an event of the record, if none of the keys shows it.
"""

import json
from collections.abc import Mapping
from typing import Any

from kubernaut_datastorage.records.merge import SOURCES, Key, Merged
from kubernaut_sdk.states import RANK, Source, State

__all__ = ["Pods", "pack_pods", "pack_provenance", "unpack_provenance"]

Pods = dict[str, list[str]]
"""Attempt → namespace, UID and name of the pod that first wrote it. A static token has neither UID nor name."""

_CONTROLLER = SOURCES[Source.CONTROLLER]
_NAMES = {number: str(source) for source, number in SOURCES.items()}


def pack_provenance(merged: Merged, pods: Mapping[str, list[str]]) -> str | None:
    """Return the text to store beside `merged.document()`, or None if it is not needed."""
    top = merged.keys["state"]
    groups: dict[Key, list[str]] = {}
    for slot, key in sorted(merged.keys.items()):
        if key != top and slot != "attempt":
            groups.setdefault(key, []).append(slot)
    parts: dict[str, Any] = {}
    if groups:
        parts["keys"] = [[key[3], _NAMES[key[1]], key[2], slots] for key, slots in sorted(groups.items())]
    if merged.controller and not any(key[1] == _CONTROLLER for key in (top, *groups)):
        parts["controller"] = True
    if pods:
        parts["pods"] = dict(sorted(pods.items()))
    return json.dumps(parts, separators=(",", ":")) if parts else None


def pack_pods(pods: Mapping[str, list[str]]) -> str:
    """Return the provenance of a record that is its first event."""
    return json.dumps({"pods": dict(sorted(pods.items()))}, separators=(",", ":"))


def unpack_provenance(document: Mapping[str, Any], text: str | None) -> tuple[Merged, Pods]:
    """Return the merged record and the pods, from a document and its provenance."""
    parts = json.loads(text) if text else {}
    values = {name: value for name, value in document.items() if name != "attempts"}
    for attempt in document.get("attempts", ()):
        number = attempt["number"]
        values |= {f"attempts.{number}.{name}": value for name, value in attempt.items() if name != "number"}
    keys = dict.fromkeys(values, _key(document["state"], document["source"], document["at"]))
    for state, source, at, slots in parts.get("keys", ()):
        keys |= dict.fromkeys(slots, _key(state, source, at))
    controller = parts.get("controller", False) or any(key[1] == _CONTROLLER for key in keys.values())
    keys["attempt"] = (document["attempt"], 0, "", "")
    return Merged(values, keys, controller), parts.get("pods", {})


def _key(state: str, source: str, at: str) -> Key:
    return RANK[State(state)], SOURCES[source], at, state
