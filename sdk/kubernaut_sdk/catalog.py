"""The actions that are installed: of packages (entry points `kubernaut.actions`) and of single files.

A package has one entry point for each of its actions, named by the action's type:
`"kubernetes/drain_node" = "kubernaut_kubectl.nodes.drain:drain_node"`. So the program `kubernaut-action`, which looks
up one action at a time, imports only the module that it needs.
"""

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from kubernaut_sdk.action import ACTION_TYPE, Action, defined
from kubernaut_sdk.errors import ActionError, Failed, InvalidInputs
from kubernaut_sdk.faults import action_hint
from kubernaut_sdk.logs import logger
from kubernaut_sdk.portable import shorten

__all__ = ["action_entry", "all_actions", "find", "installed_entries", "known_types", "spec", "spec_document"]

GROUP = "kubernaut.actions"
TOOL_VERSIONS = "kubernaut.tool_versions"
CONTRACT = "1"
"""The version of the action contract, as `spec` prints it."""

T = TypeVar("T")


def find(action_type: str) -> Action:
    """Return the action of a type. An action of a single file takes precedence over a package's.

    Raises:
        InvalidInputs: if there is none; the message proposes one, or names known types.
        Failed: if the module cannot be imported, or the definition breaks a rule.
    """
    files = _file_actions()
    if action_type in files:
        return files[action_type]
    entries = installed_entries()
    if action_type in entries:
        return _load_action(entries[action_type])
    raise InvalidInputs(f"no action {shorten(action_type)} here; {action_hint(action_type, {*files, *entries})}")


def known_types() -> list[str]:
    """Return the types of all actions that are installed here, sorted; only single files are imported for it.

    Raises:
        Failed: see `find`.
    """
    return sorted({*_file_actions(), *installed_entries()})


def all_actions(skipped: list[str] | None = None) -> list[Action]:
    """Return every action that is installed here, by type.

    Every module of the packages that have entry points is imported, so that no action without one goes unnoticed.

    Args:
        skipped: Gets the names of the modules that could not be imported, of which only a warning tells otherwise.

    Raises:
        Failed: see `find`; also if a package defines an action that has no entry point: nobody would find it.
    """
    entries = installed_entries()
    actions = {name: _load_action(entry) for name, entry in entries.items()}
    for package in sorted({_package_of(entry.module) for entry in entries.values()}):
        _import_modules(package, [] if skipped is None else skipped)
    packages = {entry.module.split(".")[0] for entry in entries.values()}
    for action in defined():
        known = actions.get(action.action_type)
        if known is not action and action.module.split(".")[0] in packages:
            raise _unusable(
                f"the module {action.module} defines an action {action.action_type}"
                + (" a second time." if known else f" that no entry point of the group {GROUP} names: nobody finds it.")
            )
    actions |= _file_actions()
    return sorted(actions.values(), key=lambda action: action.action_type)


def spec(actions: list[Action]) -> dict[str, Any]:
    """Return the document of the verb `spec`: all actions, with JSON Schemas (draft 2020-12) of inputs and results."""
    return spec_document([action_entry(action) for action in actions])


def spec_document(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the document of the verb `spec` from the actions' entries; the tools are asked for their versions."""
    return {"contract": CONTRACT, "tool_versions": _tool_versions(), "actions": actions}


def _tool_versions() -> dict[str, str]:
    """Return tool → version, from the functions that packages name as entry points `kubernaut.tool_versions`."""
    found = {}
    for entry in entry_points(group=TOOL_VERSIONS):
        read = _run_import(entry.module, entry.load)
        if (version := read()) is not None:
            found[entry.name] = version
    return found


def action_entry(action: Action) -> dict[str, Any]:
    """Return one action as the verb `spec` prints it."""
    return {
        "action_type": action.action_type,
        "version": action.version,
        "summary": action.summary,
        "inputs": action.inputs_model.model_json_schema(),
        "result": action.result_model.model_json_schema() if action.result_model else None,
        "permissions": list(action.permissions),
        "permission_reasons": dict(action.reasons),
        "tools": list(action.tools),
        "examples": list(action.examples),
        "idempotent": action.idempotent,
        "undoable": action.undo_function is not None,
        "grow_only": action.grow_only,
        "verified": action.verify_function is not None,
        "risk": action.risk,
        "restored_by": action.restored_by,
    }


def installed_entries() -> dict[str, EntryPoint]:
    """Return action type → entry point, of the installed packages.

    Raises:
        Failed: if one does not name an action, or two packages bring the same type.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if not ACTION_TYPE.fullmatch(entry.name) or not entry.attr:
            raise _unusable(
                f"{_name_of(entry)} is not one of an action; write one for each action, such as "
                f'"kubernetes/drain_node" = "my_package.nodes:drain".'
            )
        if (other := found.setdefault(entry.name, entry)).value != entry.value:
            raise _unusable(f"two packages bring {entry.name}: {_name_of(entry)}, and {_name_of(other)}. Remove one.")
    return found


def _load_action(entry: EntryPoint) -> Action:
    value = _run_import(entry.module, entry.load)
    if not isinstance(value, Action):
        raise _unusable(f"{_name_of(entry)} names {shorten(repr(value))}, which is no Action.")
    if value.action_type != entry.name:
        raise _unusable(f"{_name_of(entry)} names the action {value.action_type}.")
    return _complete(value, _version_of(entry.dist) if entry.dist else "0")


@lru_cache(maxsize=64)
def _version_of(distribution: Distribution) -> str:
    """Return the version of a package: it is read from its metadata, for all its actions once."""
    return distribution.version


def _name_of(entry: EntryPoint) -> str:
    return f"the entry point {entry.name} = {entry.value} of {entry.dist.name if entry.dist else 'a package'}"


def _file_actions() -> dict[str, Action]:
    """Return the actions of ACTION_MODULES: paths of Python files or names of modules, separated by commas.

    An action belongs to a module if the module has it as an attribute, or if the code of the module, or of a module
    below it, created it (in a list, for example, or in a function).
    """
    found: dict[str, Action] = {}
    for name in os.environ.get("ACTION_MODULES", "").split(","):
        if not name.strip():
            continue
        module = _load_module(name.strip())
        named = [value for value in vars(module).values() if isinstance(value, Action)]
        own = [a for a in defined() if a.module == module.__name__ or a.module.startswith(f"{module.__name__}.")]
        for action in [*named, *own]:
            if (other := found.setdefault(action.action_type, action)) is not action:
                raise _unusable(f"{other.module} and {action.module} both define an action {action.action_type}.")
            _complete(action, "0")
    return found


def _load_module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        if importlib.util.find_spec(name.split(".", maxsplit=1)[0]) is None:
            raise InvalidInputs(f"ACTION_MODULES: no module {shorten(name)}.")
        return _run_import(name, lambda: importlib.import_module(name))
    path = Path(name)
    if not path.is_file():
        raise InvalidInputs(f"ACTION_MODULES: no file {shorten(name)}.")
    if path.stem in sys.modules and getattr(sys.modules[path.stem], "__file__", None) == str(path):
        return sys.modules[path.stem]
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    replaced = sys.modules.get(path.stem)
    sys.modules[path.stem] = module
    loader = found.loader
    try:
        _run_import(name, lambda: loader.exec_module(module))
    except BaseException:
        sys.modules.pop(path.stem)
        if replaced is not None:
            sys.modules[path.stem] = replaced
        raise
    return module


def _run_import(name: str, load: Callable[[], T]) -> T:
    """Return the result of `load`, which imports a module. Any exception means that the module cannot be used.

    Raises:
        Failed: with the exception's type and text.
    """
    try:
        return load()
    except (ActionError, KeyboardInterrupt):  # a cancel or the deadline came meanwhile
        raise
    except BaseException as error:
        reason = str(error) or "no more is said"
        raise _unusable(f"{shorten(name)} cannot be imported: {type(error).__name__}: {reason}.") from error


def _package_of(module: str) -> str:
    """Return the outermost package of a module that has an `__init__.py`: it belongs to one distribution."""
    parts = module.split(".")
    for count in range(1, len(parts)):
        name = ".".join(parts[:count])
        if getattr(sys.modules.get(name), "__file__", None) is not None:
            return name
    return module


def _import_modules(package: str, skipped: list[str]) -> None:
    """Import all modules of a package, at any depth, except programs (`__main__`).

    A module that cannot be imported is skipped with a warning: it may need a package that only its tests install. Its
    name is added to `skipped`.
    """
    for found in pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", ())):
        if found.name == "__main__":
            continue
        name = f"{package}.{found.name}"
        try:
            _run_import(name, partial(importlib.import_module, name))
        except Failed as problem:
            logger.warning("%s Actions in it, if there are any, are not listed.", problem.message)
            skipped.append(name)
            continue
        if found.ispkg:
            _import_modules(name, skipped)


def _complete(action: Action, version: str) -> Action:
    try:
        action.require_complete()
    except TypeError as error:
        raise _unusable(f"{error}.") from None
    action.version = version
    return action


def _unusable(message: str) -> Failed:
    return Failed(message, reason="ActionUnusable")
