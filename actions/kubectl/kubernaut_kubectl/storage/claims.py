"""A PersistentVolumeClaim: its inputs, and the checks that actions on it share."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import Name, can_i, get, list_all
from kubernaut_sdk import Action, Context, Inputs, ObjectRef, PreconditionFailed

__all__ = ["CLAIMS", "ClaimInputs", "mounting_pods", "read_bound_claim", "register_claim"]

CLAIMS = "persistentvolumeclaim"


class ClaimInputs(Inputs):
    """The inputs that name a PersistentVolumeClaim."""

    namespace: Name
    pvc: Name


def read_bound_claim(ctx: Context, inputs: ClaimInputs) -> dict[str, Any]:
    """Return the claim.

    Raises:
        PreconditionFailed: if it is not bound to a volume, or is being deleted; otherwise raises as `get`.
    """
    found = get(ctx, CLAIMS, inputs.pvc, inputs.namespace)
    phase = found.get("status", {}).get("phase", "Pending")
    if phase != "Bound" or "deletionTimestamp" in found["metadata"]:
        state = "is being deleted" if "deletionTimestamp" in found["metadata"] else f"is {phase}"
        raise PreconditionFailed(
            f"PersistentVolumeClaim {inputs.pvc} {state}, not Bound to a volume.", reason="NotBound"
        )
    return found


def mounting_pods(ctx: Context, inputs: ClaimInputs) -> list[str]:
    """Return the names of the pods that mount the claim and have not ended; raises as `list_all`."""
    return [
        pod["metadata"]["name"]
        for pod in list_all(ctx, "pod", inputs.namespace)
        if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}
        and any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == inputs.pvc
            for volume in pod["spec"].get("volumes") or ()
        )
    ]


def register_claim(action: Action) -> None:
    """Register an action's `target` and `check`: the claim, and the permissions."""

    @action.target
    def target(inputs: ClaimInputs) -> ObjectRef:
        return ObjectRef(kind="PersistentVolumeClaim", namespace=inputs.namespace, name=inputs.pvc)

    @action.check
    def check(ctx: Context, inputs: ClaimInputs) -> dict[str, str | None]:
        return can_i(ctx, action.permissions, inputs.namespace)
