"""The events that a container could not send and wrote to its log instead, as marked lines.

Any container may print such a line, and the controller's token may send anything about any record. Therefore an event
from a line keeps only the fields that a container may send about its own step's record, and is sent with the source
`container`. Other lines are ignored.
"""

import json
from typing import Any

from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.portable import require_portable
from kubernaut_sdk.records import Event
from kubernaut_sdk.states import Source, State

__all__ = ["marked_events"]

Json = dict[str, Any]

_MARK = '{"kubernaut_record"'
_MOST_LINES = 200
_LARGEST_LINE = 128 * 1024
_ALLOWED_FIELDS = {
    "action_version",
    "at",
    "attempt",
    "attempts",
    "change",
    "changed",
    "error",
    "finished_at",
    "id",
    "inputs",
    "output",
    "started_at",
    "state",
    "trace_id",
}
_STATES = set(State) - {State.INTENDED, State.LOST, State.SKIPPED}


def marked_events(text: str, step: str, record_id: str) -> tuple[Json, ...]:
    """Return the events of a log's marked lines that are about this step's record.

    Args:
        text: The log.
        step: The step's name.
        record_id: The id of the step's record; lines about others are ignored.
    """
    lines = [line for line in text.split("\n") if line.startswith(_MARK) and len(line) <= _LARGEST_LINE]
    events = (_event(line, step, record_id) for line in lines[-_MOST_LINES:])
    return tuple(event for event in events if event is not None)


def _event(line: str, step: str, record_id: str) -> Json | None:
    try:
        content = json.loads(line)["kubernaut_record"]
        if content["id"] != record_id:
            return None
        require_portable(content, "line")
        event = Event.model_validate({name: value for name, value in content.items() if name in _ALLOWED_FIELDS})
    except (InvalidInputs, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    if event.state not in _STATES:
        return None
    return {**event.wire(), "step": step, "source": Source.CONTAINER.value}
