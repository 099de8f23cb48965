"""The actions of this machine (installed packages and ACTION_MODULES), or of an image."""

import json
from functools import cache
from typing import Any

from kubernaut_sdk import Action, InvalidInputs
from kubernaut_sdk.catalog import all_actions, find, spec
from kubernaut_sdk.faults import action_hint
from kubernaut_sdk.portable import shorten

__all__ = ["action_entries", "find_action", "find_action_entry", "known_types"]


@cache
def find_action(action_type: str) -> Action | None:
    """Return the installed action of a type, or None."""
    try:
        return find(action_type)
    except InvalidInputs:
        return None


def known_types() -> list[str]:
    """Return the types of all installed actions, sorted."""
    return [action.action_type for action in all_actions()]


def action_entries(image: str | None = None) -> list[dict[str, Any]]:
    """Return the actions of an image, or the installed ones, as `kubernaut-action spec` lists them.

    An image without a spec file is run to print its spec.

    Raises:
        InvalidInputs: if there is no such image, or its spec is not valid.
        PreconditionFailed: if no Docker engine answers.
    """
    if image is None:
        found: list[dict[str, Any]] = spec(all_actions())["actions"]
        return found
    from kubernaut_cli.images.stamp import read_spec  # noqa: PLC0415 – docker's client takes 0.2 s
    from kubernaut_conformance.image import ActionImage  # noqa: PLC0415 – docker's client takes 0.2 s
    from kubernaut_conformance.spec import PATH, parse_spec  # noqa: PLC0415 – it brings jsonschema

    known = ActionImage(image)
    content = known.read(PATH) or read_spec(known).content
    if isinstance(problem := parse_spec(content), str):
        raise InvalidInputs(f"image {image}: its {PATH} is not valid: {problem}.")
    found = json.loads(content)["actions"]
    return sorted(found, key=lambda entry: str(entry["action_type"]))


def find_action_entry(known: list[dict[str, Any]], action_type: str) -> dict[str, Any]:
    """Return the entry of a type.

    Raises:
        InvalidInputs: if there is none; the message proposes a similar one.
    """
    types = [entry["action_type"] for entry in known]
    if action_type in types:
        return known[types.index(action_type)]
    raise InvalidInputs(f"no action {shorten(action_type)} here; {action_hint(action_type, types)}")
