"""The actions that this machine knows: those of installed packages and of ACTION_MODULES."""

from functools import cache

from kubernaut_sdk import Action, InvalidInputs
from kubernaut_sdk.catalog import all_actions, find

__all__ = ["find_action", "known_types"]


@cache
def find_action(action_type: str) -> Action | None:
    """The action of a type, or None."""
    try:
        return find(action_type)
    except InvalidInputs:
        return None


def known_types() -> list[str]:
    """All types, sorted."""
    return [action.action_type for action in all_actions()]
