"""The cache of the verb `spec`: what the actions of the installed packages say of themselves.

To know it, every action is imported and every schema is made, which takes longer than all the rest of the verb. It
depends on code alone, so it is kept as Python keeps bytecode: beside the SDK's own (PYTHONPYCACHEPREFIX), unless
PYTHONDONTWRITEBYTECODE is set or the folder cannot be written. An image build runs `spec` once, as it compiles modules.

What is kept holds only for the same fingerprint: the Python, the names and versions of all installed distributions, the
entry points, and every byte of the SDK and of the packages that bring actions. Of those nothing is imported to know it.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import kubernaut_sdk
from kubernaut_sdk import catalog

__all__ = ["fingerprint", "installed_spec", "spec_file"]

_METADATA = {".dist-info", ".egg-info"}


def installed_spec() -> dict[str, Any]:
    """Return the document of the verb `spec`. The actions of single files (ACTION_MODULES) are never cached.

    Raises:
        Failed: as `catalog.all_actions`; such an end is not cached, nor what was said beside a warning.
    """
    if os.environ.get("ACTION_MODULES", "").strip():
        return catalog.spec(catalog.all_actions())
    file, entries = spec_file(), catalog.installed_entries()
    key = fingerprint(entries.values())
    actions = _read(file, key)
    if actions is None:
        skipped: list[str] = []
        actions = [catalog.action_entry(action) for action in catalog.all_actions(skipped)]
        if not skipped and key == fingerprint(entries.values()):  # nobody has installed another version meanwhile
            _write(file, key, actions)
    return catalog.spec_document(actions)


def spec_file() -> Path:
    """Return the file that holds the cache, which need not exist."""
    return Path(importlib.util.cache_from_source(str(kubernaut_sdk.__file__))).with_name("kubernaut-spec.json")


def fingerprint(entries: Iterable[EntryPoint]) -> str:
    """Return a digest of all that the actions of these entry points can depend on.

    Args:
        entries: The entry points of the actions.
    """
    digest = sha256()
    found = list(entries)
    named = sorted([entry.name, entry.value] for entry in found)
    digest.update(json.dumps([sys.version, named, sorted(_distributions())]).encode())
    for package in sorted({"kubernaut_sdk", *(entry.module.partition(".")[0] for entry in found)}):
        for path in sorted(_files(package)):
            content = path.read_bytes()
            digest.update(f"\n{path} {len(content)}\n".encode("utf-8", "surrogateescape"))
            digest.update(content)
    return digest.hexdigest()


def _distributions() -> Iterator[str]:
    """Yield the folder's name of each installed distribution, which says name and version."""
    for folder in sys.path:
        with suppress(OSError):
            yield from (path.name for path in Path(folder or ".").iterdir() if path.suffix in _METADATA)


def _files(package: str) -> Iterator[Path]:
    """Yield every file of an importable package, or module, but bytecode."""
    found = importlib.util.find_spec(package)
    if found is None:
        return
    folders = list(found.submodule_search_locations or ())
    if not folders and found.origin is not None:
        yield Path(found.origin)
    for folder in folders:
        for parent, names, files in os.walk(folder):
            names[:] = [name for name in names if name != "__pycache__"]
            yield from (Path(parent, name) for name in files if not name.endswith(".pyc"))


def _read(file: Path, key: str) -> list[dict[str, Any]] | None:
    """Return the cached actions if they are of this fingerprint; otherwise None."""
    try:
        kept = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict) or kept.get("fingerprint") != key or not isinstance(kept.get("actions"), list):
        return None
    actions: list[dict[str, Any]] = kept["actions"]
    return actions


def _write(file: Path, key: str, actions: list[dict[str, Any]]) -> None:
    """Write the cache; it is of no use where it cannot be written."""
    if sys.dont_write_bytecode:
        return
    text = json.dumps({"fingerprint": key, "actions": actions}, ensure_ascii=False, separators=(",", ":"))
    if json.loads(text)["actions"] != actions:
        return  # an example with a value that JSON would change, which the verb's output says itself
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError, UnicodeEncodeError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
