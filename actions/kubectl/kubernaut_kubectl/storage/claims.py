"""A PersistentVolumeClaim: its inputs, and the checks that actions on it share."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import Name, get, list_all
from kubernaut_sdk import Context, Inputs, PreconditionFailed

__all__ = ["CLAIMS", "ClaimInputs", "mounting_pods", "read_bound_claim"]

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
