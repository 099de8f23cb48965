"""Merging events into a record: a pure function, whose result does not depend on their order or repetition.

A record is a set of slots: one for each field, and three for each attempt. Every value in a slot carries the key of the
event that brought it, and of two values the one with the greater key stays. A slot-wise maximum is commutative,
associative and idempotent, so the merged record is too.

The key is (rank of the state, source, time, state): the higher rank wins a field; at equal rank a container's value
beats a controller's; then the later time; then the state's name, so that one event's fields stay together. Of two
values with equal keys, the greater canonical bytes stay. An absent value is in no slot, so no field becomes empty
again.

An action's container knows what it did, but not why it runs. So in some fields the controller's value stays, whatever
the rank of a container's (`CONTROLLER_FIRST`). Others are the controller's alone: a container's value counts only as
long as the controller has sent no event of the record (`CONTROLLER_ONLY`). Otherwise a container could name an approver
that there never was.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from kubernaut_sdk.records import canonical
from kubernaut_sdk.states import RANK, Source, State

__all__ = [
    "CONTROLLER_FIRST",
    "CONTROLLER_ONLY",
    "SOURCES",
    "Key",
    "MergeOutcome",
    "Merged",
    "merge",
    "without_containers",
]

Key = tuple[int, int, str, str]
MergeOutcome = Literal["stored", "merged", "duplicate"]

SOURCES: dict[str, int] = {Source.CONTROLLER: 0, Source.CONTAINER: 1}
"""Source → precedence: the value of the higher one stays."""
CONTROLLER_ONLY = frozenset(
    {
        "approver",
        "confidence",
        "image",
        "intended_at",
        "pod_name",
        "remediation",
        "requester",
        "signal",
        "step",
        "workflow",
    }
)
"""Fields that a container cannot set once the controller has sent an event of the record."""
CONTROLLER_FIRST = frozenset({"action_type", "dry_run", "target", "undoes"})
"""Fields whose value from the controller stays, if it sent one."""
_OUTSIDE = {"id", "attempt", "attempts"}


@dataclass(frozen=True)
class Merged:
    """A record as the events so far have made it.

    Attributes:
        values: Slot → value. Slots are field names, and `attempts.NUMBER.FIELD`.
        keys: Slot → the key of the event that brought the value.
        controller: True if the controller has sent an event of it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    controller: bool = False

    def document(self) -> dict[str, Any]:
        """Return the record as JSON, without its id."""
        document: dict[str, Any] = {}
        attempts: dict[int, dict[str, Any]] = {}
        for slot, value in self.values.items():
            if slot.startswith("attempts."):
                _, number, name = slot.split(".")
                attempts.setdefault(int(number), {"number": int(number)})[name] = value
            else:
                document[slot] = value
        if attempts:
            document["attempts"] = [attempts[number] for number in sorted(attempts)]
        return document


def merge(stored: Merged | None, event: dict[str, Any]) -> tuple[Merged, MergeOutcome]:
    """Return the record with one more event.

    Args:
        stored: The record so far, or None.
        event: The value of `Event.wire()`: valid, times in UTC with microseconds, nothing that is None.

    Returns:
        The merged record, and the outcome: `stored` for the first event, `merged` if it had something new, else
        `duplicate`.
    """
    before = stored or Merged()
    values, keys = dict(before.values), dict(before.keys)
    by_controller = event.get("source") == Source.CONTROLLER
    controller = before.controller or by_controller
    changed = controller != before.controller
    if changed:
        for slot in CONTROLLER_ONLY & values.keys():
            del values[slot], keys[slot]
    for slot, (key, value) in _slots(event).items():
        if controller and not by_controller and slot in CONTROLLER_ONLY:
            continue
        if slot not in keys or _greater(slot, key, value, keys[slot], values[slot]):
            values[slot], keys[slot] = value, key
            changed = True
    if not changed:
        return before, "duplicate"
    return Merged(values, keys, controller), "merged" if stored else "stored"


def without_containers(merged: Merged) -> Merged | None:
    """Return the record made of the controller's events alone, or None if there are none.

    Used when a record turns out to have been written by a pod that does not belong to it.
    """
    if not merged.controller:
        return None
    kept = {slot for slot, key in merged.keys.items() if key[1] == SOURCES[Source.CONTROLLER] and slot != "attempt"}
    values = {slot: merged.values[slot] for slot in kept}
    return Merged(values, {slot: merged.keys[slot] for slot in kept}, controller=True)


def _greater(slot: str, key: Key, value: Any, than_key: Key, than_value: Any) -> bool:
    if slot in CONTROLLER_FIRST and key[1] != than_key[1]:
        return key[1] == SOURCES[Source.CONTROLLER]
    if key != than_key:
        return key > than_key
    # as bytes, never as Python values: 1, 1.0 and true are equal there, and the first to come would stay
    return canonical(value) > canonical(than_value)


def _slots(event: dict[str, Any]) -> dict[str, tuple[Key, Any]]:
    state = State(event["state"])
    source = Source(event.get("source", Source.CONTAINER))
    key: Key = (RANK[state], SOURCES[source], event["at"], state.value)
    slots = {name: (key, value) for name, value in event.items() if name not in _OUTSIDE}
    # the number of the last attempt only grows, whoever sends it
    slots["attempt"] = ((event["attempt"], 0, "", ""), event["attempt"])
    for attempt in event.get("attempts", ()):
        for name, value in attempt.items():
            if name != "number":
                slots[f"attempts.{attempt['number']}.{name}"] = (key, value)
    return slots
