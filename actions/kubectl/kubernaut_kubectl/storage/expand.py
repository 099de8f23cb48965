"""The action kubernetes/expand_pvc."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import find, get, patch, try_patch
from kubernaut_kubectl.cluster.limits import require_factor
from kubernaut_kubectl.cluster.patches import Operation, expect, pointer, replace
from kubernaut_kubectl.cluster.quantities import QuantityText, parse_quantity, same_quantity
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.storage.claims import CLAIMS, ClaimInputs, mounting_pods, read_bound_claim
from kubernaut_kubectl.workloads.kinds import OwnedInputs
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, VerifyFailed

__all__ = ["expand_pvc", "resize_fault"]

REQUEST = ("spec", "resources", "requests", "storage")
_INFEASIBLE = {"ControllerResizeInfeasible", "NodeResizeInfeasible"}


class ExpandPvcInputs(ClaimInputs, OwnedInputs):
    """The inputs of kubernetes/expand_pvc."""

    size: Annotated[QuantityText, Field(description="The new size, such as 20Gi. A volume never becomes smaller.")]
    max_factor: Annotated[float, Field(ge=1, le=100, description="By what factor it may grow at most.")] = 2.0


class ExpandPvcResult(ResultWithNote):
    """The result of kubernetes/expand_pvc."""

    size: Annotated[str, Field(max_length=40)]


expand_pvc = Action(
    "kubernetes/expand_pvc",
    permissions={
        "persistentvolumeclaims: get, patch, watch": "the claim itself",
        "pods: list": "to say whether a pod mounts it, which some drivers wait for",
        "storage.k8s.io/storageclasses: get": "to see that its class allows it to grow",
    },
    tools=["kubectl"],
    risk="medium",
    grow_only=True,
    examples=[{"namespace": "shop", "pvc": "data-orders-db-0", "size": "20Gi"}],
)


@expand_pvc.plan
def plan(ctx: Context, inputs: ExpandPvcInputs) -> Change:
    """Make the volume of a PersistentVolumeClaim larger, and wait until its file system has the new size.

    Grow-only: it cannot be undone, and takes nothing away. Refused are a smaller size, growth by more than
    `max_factor`, a StorageClass that does not allow expansion, and what a quota or the API server refuses, as a dry run
    shows. Some drivers grow the file system only once a pod mounts the volume: if none does, the step says that it
    waits for one. A driver's answer that it can never be so large ends the wait at once; it can be set back to no less
    than what there is. New pods of a StatefulSet still get volumes of the size in its volumeClaimTemplates.
    """
    found = read_bound_claim(ctx, inputs)
    before = _request(found)
    if same_quantity(before, inputs.size):
        return Change({"size": before}, {"size": before})
    what = f"the size of {inputs.pvc} from {before} to {inputs.size}"
    if parse_quantity(inputs.size) < parse_quantity(before):
        raise PreconditionFailed(f"{what} would be smaller; Kubernetes only makes volumes larger.", reason="Smaller")
    require_factor(parse_quantity(before), parse_quantity(inputs.size), inputs.max_factor, what)
    _require_expandable(ctx, inputs, found)
    tracker_of(ctx).owners = check_owners(ctx, found, REQUEST, inputs.size, inputs.when_owned)
    try_patch(ctx, CLAIMS, inputs.pvc, _operations(found, inputs.size), inputs.namespace)
    return Change({"size": before}, {"size": inputs.size})


@expand_pvc.apply
def apply(ctx: Context, inputs: ExpandPvcInputs, change: Change) -> ExpandPvcResult:
    """Set the request with a patch that fails if somebody else has set it since it was read."""
    tracker = tracker_of(ctx)
    operations = [expect(pointer(*REQUEST), change.before["size"]), replace(pointer(*REQUEST), inputs.size)]
    tracker.remember_write(patch(ctx, CLAIMS, inputs.pvc, operations, inputs.namespace))
    return ExpandPvcResult(size=inputs.size, note=ownership_note(tracker.owners))


@expand_pvc.verify
def verify(ctx: Context, inputs: ExpandPvcInputs, change: Change) -> bool | str:
    """Return True once the volume and its file system have the size."""
    watch(ctx, CLAIMS, inputs.pvc, inputs.namespace)
    found = get(ctx, CLAIMS, inputs.pvc, inputs.namespace)
    tracker = tracker_of(ctx)
    now = _request(found)
    if not same_quantity(now, change.after["size"]):
        shortfall = tracker.require_own_value(
            found,
            REQUEST,
            now,
            before=change.before["size"],
            wanted=change.after["size"],
            what="the requested size",
        )
        if shortfall is not None:
            return shortfall
    if (fault := resize_fault(found)) is not None:
        raise VerifyFailed(fault, reason="ResizeInfeasible")
    conditions = {item["type"]: item for item in found.get("status", {}).get("conditions") or ()}
    capacity = (found.get("status", {}).get("capacity") or {}).get("storage", "0")
    pending = conditions.get("FileSystemResizePending", {}).get("status") == "True"
    if parse_quantity(capacity) >= parse_quantity(now) and not pending:
        return tracker.check_settled(ctx, 0.0)
    text = f"{inputs.pvc} has {capacity} of {now}."
    for kind in ("ControllerResizeError", "NodeResizeError"):
        if conditions.get(kind, {}).get("status") == "True":
            text += f" {kind}: {conditions[kind].get('message', '')}"
    if pending and not mounting_pods(ctx, inputs):
        text += " Its file system grows when a pod mounts it, and none does: it waits for one."
    tracker.reset(text)
    return text


register_object(expand_pvc, "PersistentVolumeClaim", "pvc")


def resize_fault(found: dict[str, Any]) -> str | None:
    """Return a sentence if the driver has said that a claim cannot be so large; otherwise None."""
    status = found.get("status", {})
    state = (status.get("allocatedResourceStatuses") or {}).get("storage")
    if state not in _INFEASIBLE:
        return None
    said = [
        str(item.get("message", "")) for item in status.get("conditions") or () if item["type"].endswith("ResizeError")
    ]
    why = f": {' '.join(said)}" if said else "."
    return (
        f"the storage driver cannot make {found['metadata']['name']} {_request(found)} large ({state}){why} Set a size "
        f"that it can, which is not below {status.get('capacity', {}).get('storage', 'what there is')}."
    )


def _request(found: dict[str, Any]) -> str:
    return str(found["spec"]["resources"]["requests"]["storage"])


def _operations(found: dict[str, Any], size: str) -> list[Operation]:
    return [expect(pointer(*REQUEST), _request(found)), replace(pointer(*REQUEST), size)]


def _require_expandable(ctx: Context, inputs: ExpandPvcInputs, found: dict[str, Any]) -> None:
    name = found["spec"].get("storageClassName")
    storage_class = find(ctx, "storageclass.storage.k8s.io", name) if name else None
    if storage_class is None:
        missing = f"its StorageClass {name} is gone" if name else "it has no StorageClass"
        raise PreconditionFailed(f"{inputs.pvc} cannot be expanded: {missing}.", reason="NotExpandable")
    if not storage_class.get("allowVolumeExpansion"):
        raise PreconditionFailed(
            f"{inputs.pvc} cannot be expanded: its StorageClass {name} does not have allowVolumeExpansion: true. Set "
            f"that if its driver {storage_class['provisioner']} can, or move the data to a larger volume.",
            reason="NotExpandable",
        )
