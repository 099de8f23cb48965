"""Watching objects, so that a change ends the wait for a goal at once.

Nothing depends on it: the objects are read as they are without it, and every few seconds although nothing is seen.
A ServiceAccount that may not watch only waits a little longer.
"""

from typing import Any

from kubernaut_kubectl.cluster.connection import connection
from kubernaut_kubectl.cluster.selectors import selector_text
from kubernaut_sdk import Context

__all__ = ["watch", "watch_list", "watch_pods"]

_LIFETIME = 300.0
"""Seconds after which a watch ends and is started again, so that none outlives for long a step that was killed."""


def watch(ctx: Context, kind: str, name: str, namespace: str | None = None) -> None:
    """Watch one object that is there, which is read by `get`; it takes the permissions get and watch."""
    _watch(ctx, [kind, name], namespace)


def watch_list(
    ctx: Context,
    kind: str,
    namespace: str | None,
    *,
    selector: str | None = None,
    fields: str | None = None,
    everywhere: bool = False,
) -> None:
    """Watch the objects of a kind that `list_all` reads by the same arguments; it takes the permissions list and watch.

    One object of which it is not known that it is there is watched by `fields`, `metadata.name=…`.
    """
    options = [f"--selector={selector}"] if selector else []
    options += [f"--field-selector={fields}"] if fields else []
    options += ["--all-namespaces"] if everywhere else []
    _watch(ctx, [kind], namespace, *options)


def watch_pods(ctx: Context, owner: dict[str, Any]) -> None:
    """Watch the pods that a workload, or a Job, selects; it takes the permissions list and watch of pods."""
    if selector := selector_text(owner["spec"].get("selector") or {}):
        watch_list(ctx, "pod", owner["metadata"]["namespace"], selector=selector)


def _watch(ctx: Context, names: list[str], namespace: str | None, *options: str) -> None:
    where = [f"--namespace={namespace}"] if namespace else []
    limit = connection(ctx, _LIFETIME)
    ctx.watch(["kubectl", "get", *limit, *where, *options, "--watch", "--output=name", "--", *names])
