"""The undo that images define, for the plan: read from their specs where a Docker engine has them."""

from functools import cache

from kubernaut_cli.catalog import action_entries, find_action
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.records import Record

__all__ = ["image_can_undo", "installed_can_undo"]


def image_can_undo(record: Record) -> bool | None:
    """Return if the spec of the record's image says that its action can be undone; None if it cannot be read.

    Raises:
        PreconditionFailed: if no Docker engine answers.
    """
    return _undoable(record.image or "").get(record.action_type or "")


def installed_can_undo(record: Record) -> bool | None:
    """Return if the installed action of the record's type, which its image most likely has too, can be undone."""
    action = find_action(record.action_type or "")
    return None if action is None else action.undo_function is not None


@cache
def _undoable(image: str) -> dict[str, bool]:
    try:
        return {entry["action_type"]: bool(entry["undoable"]) for entry in action_entries(image)}
    except InvalidInputs:
        return {}  # the step that needs the image says what is wrong with it
