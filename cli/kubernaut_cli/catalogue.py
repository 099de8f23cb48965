"""The actions that this machine knows: those of installed packages and of ACTION_MODULES; and those of an image."""

import difflib
import json
from functools import cache
from typing import Any

from kubernaut_sdk import Action, InvalidInputs
from kubernaut_sdk.catalog import all_actions, find, spec
from kubernaut_sdk.portable import shorten

__all__ = ["entries", "entry_of", "find_action", "known_types"]


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


def entries(image: str | None = None) -> list[dict[str, Any]]:
    """Actions as `kubernaut-action spec` lists them: of an image, or the installed ones.

    An image's own file is read; only an image without one is run, and asked.

    Raises:
        InvalidInputs: if there is no such image, or it says nothing valid of itself.
        PreconditionFailed: if it is of an image and no Docker engine answers.
    """
    if image is None:
        found: list[dict[str, Any]] = spec(all_actions())["actions"]
        return found
    from kubernaut_cli.images.stamp import asked  # noqa: PLC0415
    from kubernaut_conformance.image import ActionImage  # noqa: PLC0415 – docker's client takes 0.2 s
    from kubernaut_conformance.spec import PATH, parse  # noqa: PLC0415

    known = ActionImage(image)
    content = known.read(PATH) or asked(known).content
    if isinstance(problem := parse(content), str):
        raise InvalidInputs(f"image {image}: its {PATH} is not valid: {problem}.")
    found = json.loads(content)["actions"]
    return sorted(found, key=lambda entry: str(entry["action_type"]))


def entry_of(known: list[dict[str, Any]], action_type: str) -> dict[str, Any]:
    """The entry of a type.

    Raises:
        InvalidInputs: if there is none, with the one that may be meant.
    """
    types = [entry["action_type"] for entry in known]
    if action_type in types:
        return known[types.index(action_type)]
    close = difflib.get_close_matches(action_type, types, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(types) or 'none at all'}."
    raise InvalidInputs(f"no action {shorten(action_type)} here; {hint}")
