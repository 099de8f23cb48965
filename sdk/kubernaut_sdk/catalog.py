"""Finding actions: those of installed packages (entry points `kubernaut.actions`) and of single files.

The `kubernaut-action` program looks up one action at a time, so only the module of its domain is imported.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from kubernaut_sdk.action import Action
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import shorten

__all__ = ["all_actions", "find", "spec"]

GROUP = "kubernaut.actions"
CONTRACT = "1"
"""Version of the action contract that `spec` speaks."""


def find(action_type: str) -> Action:
    """The action of a type.

    Raises:
        InvalidInputs: if no package here has it, with those there are.
    """
    domain = action_type.split("/", 1)[0]
    for action in _actions(entry for entry in _entries() if entry.name == domain):
        if action.action_type == action_type:
            return action
    known = ", ".join(action.action_type for action in all_actions())
    raise InvalidInputs(f"no action {shorten(action_type)} here; there is {known or 'none at all'}.")


def all_actions() -> list[Action]:
    """Every action that is installed here, by type."""
    return sorted(_actions(_entries()), key=lambda action: action.action_type)


def spec(actions: list[Action]) -> dict[str, Any]:
    """What an image says of itself: all its actions, with JSON Schemas (draft 2020-12) of inputs and results."""
    return {"contract": CONTRACT, "actions": [_entry(action) for action in actions]}


def _entry(action: Action) -> dict[str, Any]:
    return {
        "action_type": action.action_type,
        "version": action.version,
        "summary": action.summary,
        "inputs": action.inputs_model.model_json_schema(),
        "result": action.result_model.model_json_schema() if action.result_model else None,
        "permissions": list(action.permissions),
        "tools": list(action.tools),
        "examples": list(action.examples),
        "idempotent": action.idempotent,
        "undoable": action.undo_function is not None,
        "verified": action.verify_function is not None,
        "risk": action.risk,
    }


def _entries() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


def _files() -> list[ModuleType]:
    """The modules that ACTION_MODULES names: paths of Python files or names of modules, with commas between."""
    return [_load(name.strip()) for name in os.environ.get("ACTION_MODULES", "").split(",") if name.strip()]


def _load(name: str) -> ModuleType:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise InvalidInputs(f"ACTION_MODULES: no module {shorten(name)} ({error}).") from None
    path = Path(name)
    if not path.is_file():
        raise InvalidInputs(f"ACTION_MODULES: no file {shorten(name)}.")
    if path.stem in sys.modules and getattr(sys.modules[path.stem], "__file__", None) == str(path):
        return sys.modules[path.stem]
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = module
    found.loader.exec_module(module)
    return module


def _actions(entries: Iterable[EntryPoint]) -> list[Action]:
    """The actions of single files and of packages; a file's stands before a package's of the same type."""
    packaged = ((entry.load(), entry.dist.version if entry.dist else "0") for entry in entries)
    actions: dict[str, Action] = {}
    for module, version in chain(((file, "0") for file in _files()), packaged):
        for value in vars(module).values():
            if isinstance(value, Action) and value.action_type not in actions:
                value.require_complete()
                value.version = version
                actions[value.action_type] = value
    return list(actions.values())
