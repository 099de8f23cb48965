"""Compare and swap: `apply` writes to an object as `plan` has read it, and reads it again only if it has changed since.

Almost always nobody was faster, and the read would only delay the change. It is never written unchecked: the
operations test what they build upon, and nothing of a patch is applied if one of its tests fails.
"""

from collections.abc import Callable, Sequence
from typing import Any

from kubernaut_kubectl.cluster.kubectl import get, patch, take_read
from kubernaut_kubectl.cluster.patches import Operation, expect, pointer
from kubernaut_sdk import Context, Transient

__all__ = ["compare_and_swap"]

Operations = Callable[[dict[str, Any]], Sequence[Operation]]


def compare_and_swap(
    ctx: Context, kind: str, name: str, namespace: str | None, operations: Operations, *, whole: bool = False
) -> dict[str, Any]:
    """Write to an object only while it is as it was read, and return it as it is now.

    Args:
        ctx: The context.
        kind: Its kind, as it was read by `get`.
        name: Its name.
        namespace: Its namespace.
        operations: Returns the patch for the object as it was read: tests of all that it builds upon, and the changes.
            It is called again, with what is there by then, if the object was changed since; it raises Transient where
            the planned change is not the right one any more.
        whole: True if the first try must find the whole object as `plan` has read it, since it builds upon what no
            test can name, such as who wrote a field.

    Raises:
        Transient: if somebody else was first, so that the next attempt plans anew; otherwise raises as `get`.
    """
    planned = take_read(ctx, kind, name, namespace)
    if planned is not None:
        version = expect(pointer("metadata", "resourceVersion"), planned["metadata"].get("resourceVersion"))
        try:
            return patch(ctx, kind, name, [*([version] if whole else []), *operations(planned)], namespace)
        except Transient as problem:
            if problem.reason != "Conflict":
                raise
        ctx.log.info("%s %s was changed since it was read; it is read again", kind, name)
    return patch(ctx, kind, name, operations(get(ctx, kind, name, namespace)), namespace)
