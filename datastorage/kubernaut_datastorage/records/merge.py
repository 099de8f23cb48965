"""Merging events into a record: a pure function, whose result does not depend on their order or repetition.

A record is a set of slots: one for each field, and three for each attempt. Every value in a slot carries the key of the
event that brought it, and of two values the one with the greater key stays. A slot-wise maximum is commutative,
associative and idempotent, so the merged record is too; nothing else in the service decides what is true.

The key is (rank of the state, source, time, state): the higher rank wins a field; at equal rank a container's word
beats a controller's; then the later time; then the state's name, so that one event's fields stay together. Of two
values with equal keys, the greater canonical bytes stay. What is absent is in no slot, so no field goes back to empty.

An action's container knows what it did, and not why it runs. So there are fields of which the controller's word stays
whatever the rank of a container's (`CONTROLLER_FIRST`); and fields that are the controller's alone, of which a
container's word counts only as long as the controller did not speak of the record at all (`CONTROLLER_ONLY`).
Otherwise a container could name an approver where there was none.
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
        stored: What there is, or None.
        event: As `Event.wire()` gives it: valid, times in UTC with microseconds, nothing that is None.

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
    """Return the record as the controller alone made it, or None where it has not spoken.

    It is for words of containers that turn out to be of a pod that has nothing to do with the record.
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
    # the number of the last attempt only grows, whoever tells of it
    slots["attempt"] = ((event["attempt"], 0, "", ""), event["attempt"])
    for attempt in event.get("attempts", ()):
        for name, value in attempt.items():
            if name != "number":
                slots[f"attempts.{attempt['number']}.{name}"] = (key, value)
    return slots
