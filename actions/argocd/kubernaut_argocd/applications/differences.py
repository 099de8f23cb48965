"""The resources that another revision than the Application's own would change, from the manifests of both."""

from collections.abc import Sequence
from typing import Any

from kubernaut_argocd.applications.application import AppView
from kubernaut_argocd.applications.server import ArgoServer

__all__ = ["changed_by"]

Key = tuple[str, str, str, str]


def changed_by(server: ArgoServer, app: AppView, revisions: Sequence[str], *, prune: bool) -> list[dict[str, Any]]:
    """Return the resources that a sync to other revisions would change, as `AppView.resources` returns them.

    These are the ones whose manifests differ from those that the live state was compared with, and those that are out
    of sync already. Hooks are left out. A Secret of which only values differ is not seen: Argo CD hides them.
    """
    own, other = (_by_key(app, server.manifests(names)) for names in (app.revisions or app.target_revisions, revisions))
    changed = {key for key, manifest in other.items() if own.get(key) != manifest}
    drifted = {_key(app, item.get("group", ""), item) for item in app.resources()}
    applied = changed | (drifted & set(other))
    removed = (set(own) | drifted) - set(other) if prune else set()
    return [_shown(key, "apply") for key in sorted(applied)] + [_shown(key, "delete") for key in sorted(removed)]


def _by_key(app: AppView, manifests: Sequence[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    found = {}
    for manifest in manifests:
        metadata = manifest.get("metadata") or {}
        if "argocd.argoproj.io/hook" in (metadata.get("annotations") or {}):
            continue
        group = str(manifest.get("apiVersion", "")).rpartition("/")[0]
        found[_key(app, group, {"kind": manifest.get("kind"), **metadata})] = manifest
    return found


def _key(app: AppView, group: str, named: dict[str, Any]) -> Key:
    """Return the key of a resource; a manifest without a namespace goes into that of the Application's destination."""
    kind, name = str(named.get("kind")), str(named.get("name") or named.get("generateName"))
    namespace = named.get("namespace")
    if not namespace:
        live = [
            item
            for item in app.all_resources
            if (item.get("group") or "", item.get("kind"), item.get("name")) == (group, kind, name)
        ]
        namespace = live[0].get("namespace") if live else app.destination_namespace
    return group, kind, str(namespace or ""), name


def _shown(key: Key, change: str) -> dict[str, Any]:
    parts = dict(zip(("group", "kind", "namespace", "name"), key, strict=True))
    return {name: part for name, part in parts.items() if part} | {"change": change}
