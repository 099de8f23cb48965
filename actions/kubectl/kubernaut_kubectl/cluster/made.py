"""An object that one record makes once: its name ends with a part of the record's id, and an annotation has the whole.

So an attempt whose response was lost finds what was made, and nothing of somebody else's is deleted by an undo.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kubernaut_kubectl.cluster.kubectl import create, delete_raw, list_all
from kubernaut_sdk import Change, Context, PreconditionFailed

__all__ = ["MadeOnce", "made_name"]


def made_name(beginning: str, record: str, longest: int) -> str:
    """Return the name of what a record makes: a beginning, cut where it would be too long, and a part of the id."""
    end = record.replace("-", "")[-10:]
    return f"{beginning[: longest - len(end) - 1].rstrip('-.')}-{end}"


@dataclass(frozen=True)
class MadeOnce:
    """A kind of objects that actions make.

    Attributes:
        kind: Its kind, for messages.
        group: The path of its group in the API, such as `/api/v1`.
        resource: Its resource there, such as `configmaps`.
        mark: The annotation that has the id of the record.
    """

    kind: str
    group: str
    resource: str
    mark: str

    def find(self, ctx: Context, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None; by a list, since kubectl would read the namespace after a 404."""
        version = self.group.rpartition("/")[0].removeprefix("/apis/")
        kind = self.resource if self.group == "/api/v1" else f"{self.resource}.{version}"
        found = list_all(ctx, kind, namespace, fields=f"metadata.name={name}")
        return found[0] if found else None

    def own(self, ctx: Context, namespace: str, name: str) -> dict[str, Any] | None:
        """Return the object if this record has made it; otherwise None."""
        found = self.find(ctx, namespace, name)
        return found if found is not None and self._mark(found) == str(ctx.record_id) else None

    def plan_undo(self, ctx: Context, namespace: str, field: str) -> Change:
        """Return what an undo finds: the object's name in a field of the change, or None once it is deleted."""
        assert ctx.undoing is not None
        name = ctx.undoing.after[field]
        return Change({field: name if self.find(ctx, namespace, name) else None}, ctx.undoing.before)

    def try_make(self, ctx: Context, namespace: str, body: dict[str, Any], what: str) -> None:
        """Let the API server check an object by a dry run; raises as `create`."""
        create(ctx, self._path(namespace), body, what, dry_run=True)

    def make(self, ctx: Context, namespace: str, body: dict[str, Any], what: str) -> dict[str, Any]:
        """Create an object, and return it; or what an attempt whose response was lost has made. Raises as `create`."""
        try:
            return create(ctx, self._path(namespace), body, what)
        except PreconditionFailed as error:
            known = self.own(ctx, namespace, body["metadata"]["name"]) if error.reason == "AlreadyExists" else None
            if known is None:
                raise
            return known

    def delete(self, ctx: Context, namespace: str, name: str) -> None:
        """Delete an object that a record has made.

        Raises:
            PreconditionFailed: if it is gone, or another made it.
        """
        found = self.find(ctx, namespace, name)
        if found is None or self._mark(found) is None:
            raise PreconditionFailed(f"{self.kind} {name} was not made by this action.", reason="NotOurs")
        path, what = f"{self._path(namespace)}/{quote(name, safe='')}", f"delete {self.kind} {name}"
        delete_raw(ctx, path, uid=found["metadata"]["uid"], what=what)

    def _mark(self, found: dict[str, Any]) -> str | None:
        mark: str | None = (found["metadata"].get("annotations") or {}).get(self.mark)
        return mark

    def _path(self, namespace: str) -> str:
        return f"{self.group}/namespaces/{quote(namespace, safe='')}/{self.resource}"
