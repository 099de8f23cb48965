"""The object that an action acts on, as records name it, and the check of the action's permissions on it."""

from kubernaut_kubectl.cluster.kubectl import can_i
from kubernaut_sdk import Action, Context, Inputs, ObjectRef

__all__ = ["register_object"]


def register_object(action: Action, kind: str, named: str) -> None:
    """Register an action's `target` and `check`: the object, and the permissions in its namespace.

    Args:
        action: The action.
        kind: The object's kind, such as `Pod`.
        named: The input that holds its name; `namespace` holds its namespace, if there is such an input.
    """

    def place(inputs: Inputs) -> str | None:
        found: str | None = getattr(inputs, "namespace", None)
        return found

    @action.target
    def target(inputs: Inputs) -> ObjectRef:
        return ObjectRef(kind=kind, namespace=place(inputs), name=getattr(inputs, named))

    @action.check
    def check(ctx: Context, inputs: Inputs) -> dict[str, str | None]:
        return can_i(ctx, action.permissions, place(inputs))
