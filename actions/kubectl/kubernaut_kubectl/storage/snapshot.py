"""The action kubernetes/snapshot_pvc."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, get, list_all
from kubernaut_kubectl.cluster.made import MadeOnce, made_name
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.storage.claims import ClaimInputs, read_bound_claim
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["choose_class", "snapshot_pvc"]

SNAPSHOT_BY = "kubernaut.io/snapshot-by"
_RESOURCE = "volumesnapshots.snapshot.storage.k8s.io"
_SNAPSHOTS = MadeOnce("VolumeSnapshot", "/apis/snapshot.storage.k8s.io/v1", "volumesnapshots", SNAPSHOT_BY)
_LONGEST_NAME = 253
_CLASSES = "volumesnapshotclasses.snapshot.storage.k8s.io"
_DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"
_LONGEST_ERROR = 60.0
"""Seconds for which the same error may stand: the snapshotter tries again, and often with success."""


class SnapshotPvcInputs(ClaimInputs):
    """The inputs of kubernetes/snapshot_pvc."""

    snapshot_class: Annotated[
        Name | None, Field(description="A VolumeSnapshotClass; by default the default one of the volume's driver.")
    ] = None


class SnapshotPvcResult(Result):
    """The result of kubernetes/snapshot_pvc."""

    snapshot: Annotated[str, Field(max_length=253)]
    uid: Annotated[str, Field(max_length=36)]


snapshot_pvc = Action(
    "kubernetes/snapshot_pvc",
    permissions={
        "persistentvolumeclaims: get": "the claim itself",
        "persistentvolumes: get": "its driver",
        "snapshot.storage.k8s.io/volumesnapshotclasses: list": "the classes of that driver",
        "snapshot.storage.k8s.io/volumesnapshots: create, delete, list, watch": "the snapshot; it is deleted by undo",
    },
    tools=["kubectl"],
    idempotent=False,
    risk="low",
    examples=[{"namespace": "shop", "pvc": "data-orders-db-0"}],
)


@snapshot_pvc.plan
def plan(ctx: Context, inputs: SnapshotPvcInputs) -> Change:
    """Make a VolumeSnapshot of a PersistentVolumeClaim, and wait until it is ready to use.

    One record makes one snapshot, whose name ends with a part of the record's id. It is what a crash at that moment
    would leave on the disk; what the application had not written is not in it. Refused where the cluster has no
    snapshots, or no VolumeSnapshotClass for the volume's driver. Nobody deletes it but you: undo does.
    """
    if ctx.undoing is not None:
        return _SNAPSHOTS.plan_undo(ctx, inputs.namespace, "snapshot")
    name = made_name(inputs.pvc, str(ctx.record_id), _LONGEST_NAME)
    if _SNAPSHOTS.own(ctx, inputs.namespace, name) is not None:
        return Change({"snapshot": name}, {"snapshot": name})
    document = _document(ctx, inputs, read_bound_claim(ctx, inputs), name)
    _SNAPSHOTS.try_make(ctx, inputs.namespace, document, f"snapshot {inputs.pvc}")
    return Change({"snapshot": None}, {"snapshot": name})


@snapshot_pvc.apply
def apply(ctx: Context, inputs: SnapshotPvcInputs, change: Change) -> SnapshotPvcResult:
    """Create the snapshot, unless an attempt whose response was lost has done so."""
    name = change.after["snapshot"]
    body = _document(ctx, inputs, read_bound_claim(ctx, inputs), name)
    made = _SNAPSHOTS.make(ctx, inputs.namespace, body, f"snapshot {inputs.pvc}")
    return SnapshotPvcResult(snapshot=name, uid=made["metadata"]["uid"])


@snapshot_pvc.verify
def verify(ctx: Context, inputs: SnapshotPvcInputs, change: Change) -> bool | str:
    """Return True once the snapshot is ready to use."""
    name = change.after["snapshot"]
    watch_list(ctx, _RESOURCE, inputs.namespace, fields=f"metadata.name={name}")
    found = _SNAPSHOTS.own(ctx, inputs.namespace, name)
    if found is None:
        raise VerifyFailed(f"VolumeSnapshot {name} was deleted before it was ready.", reason="Gone")
    status = found.get("status") or {}
    if status.get("readyToUse"):
        return True
    if error := str((status.get("error") or {}).get("message", "")):
        text = f"VolumeSnapshot {name} is not ready: {error}"
        if tracker_of(ctx).blocked_for(ctx, [error], None)[error] >= _LONGEST_ERROR:
            raise VerifyFailed(text, reason="SnapshotFailed")
        return text
    return f"VolumeSnapshot {name} is not ready yet."


@snapshot_pvc.undo
def undo(ctx: Context, inputs: SnapshotPvcInputs, change: Change) -> None:
    """Delete the snapshot that this action made."""
    _SNAPSHOTS.delete(ctx, inputs.namespace, change.after["snapshot"])


register_object(snapshot_pvc, "PersistentVolumeClaim", "pvc")


def choose_class(classes: list[dict[str, Any]], driver: str, wanted: str | None) -> str:
    """Return the name of the VolumeSnapshotClass for a volume.

    Args:
        classes: Those of the cluster.
        driver: The volume's CSI driver.
        wanted: The one that is asked for; None for the driver's default.

    Raises:
        PreconditionFailed: if there is none, or none is the default.
    """
    own: dict[str, dict[str, Any]] = {
        item["metadata"]["name"]: item for item in classes if item.get("driver") == driver
    }
    if wanted is not None:
        if wanted in own:
            return wanted
        raise PreconditionFailed(
            f"there is no VolumeSnapshotClass {wanted} of the volume's driver {driver}; there is "
            f"{', '.join(sorted(own)) or 'none'}.",
            reason="NoSnapshotClass",
        )
    if not own:
        raise PreconditionFailed(
            f"the cluster has no VolumeSnapshotClass of the volume's driver {driver}, so it cannot be snapshotted.",
            reason="NoSnapshotClass",
        )
    defaults = [
        name for name, item in own.items() if (item["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"
    ]
    if len(defaults) != 1:
        raise PreconditionFailed(
            f"{len(defaults)} of the VolumeSnapshotClasses {', '.join(sorted(own))} are the default of {driver}; name "
            f"one as snapshot_class.",
            reason="NoSnapshotClass",
        )
    return defaults[0]


def _document(ctx: Context, inputs: SnapshotPvcInputs, claim: dict[str, Any], name: str) -> dict[str, Any]:
    volume = get(ctx, "persistentvolume", claim["spec"]["volumeName"])
    driver = (volume["spec"].get("csi") or {}).get("driver")
    if driver is None:
        raise PreconditionFailed(
            f"the volume of {inputs.pvc} is not of a CSI driver; Kubernetes makes snapshots of no other.",
            reason="NoSnapshotClass",
        )
    chosen = choose_class(list_all(ctx, _CLASSES, None), driver, inputs.snapshot_class)
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": name, "annotations": {SNAPSHOT_BY: str(ctx.record_id)}},
        "spec": {"volumeSnapshotClassName": chosen, "source": {"persistentVolumeClaimName": inputs.pvc}},
    }
