"""The volumes, snapshots and certificates of conformance.yaml. controllers_standin.py plays their controllers."""

from cluster_api import Json, ObjectMaker, ScenarioWorld, is_set

__all__ = ["CERTIFICATES", "PARTS", "SNAPSHOTS", "WIDE"]

SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"
CERTIFICATES = "/apis/cert-manager.io/v1"
_KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_VOLUMES, _CLASSES = "/api/v1/persistentvolumes", "/apis/storage.k8s.io/v1/storageclasses"
WIDE = [_VOLUMES, _CLASSES, f"{SNAPSHOTS}/volumesnapshotclasses", _KINDS]
"""The kinds of the whole cluster, which do not end with the namespace."""

_DRIVER = "disk.conformance.invalid"
_DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"
_APPROVED = "https://github.com/kubernetes-csi/external-snapshotter/pull/665"


def make_kind(world: ScenarioWorld, group: str, kind: str, scope: str = "Namespaced") -> None:
    """Make a kind of custom resources, unless the cluster has it, and wait until it is served."""
    plural = f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    name = f"{plural}.{group}"
    metadata = {"name": name, "annotations": {"api-approved.kubernetes.io": _APPROVED}}
    spec = {"group": group, "scope": scope, "names": names, "versions": [version]}
    world.wait_until(f"{_KINDS}?fieldSelector=metadata.name={name}", is_kept, "be deleted")
    world.make(_KINDS, {"metadata": metadata, "spec": spec}, shared=True)
    world.wait_until(f"{_KINDS}/{name}", lambda found: is_set(found, "Established"), "be served")


def is_kept(found: Json) -> bool:
    """Return True unless one of these objects is being deleted, as by the teardown of an earlier run."""
    return not any("deletionTimestamp" in item["metadata"] for item in found["items"])


def make_claim(world: ScenarioWorld, called: str) -> None:
    """Make a claim of 1Gi that is bound to a volume of a driver that is not there."""
    volume = f"{world.name}-{called}"
    world.make(_CLASSES, {"metadata": {"name": volume}, "provisioner": _DRIVER, "allowVolumeExpansion": True})
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": volume}
    reference = {"claimRef": {"namespace": world.name, "name": called}, "capacity": {"storage": "1Gi"}}
    csi = {"csi": {"driver": _DRIVER, "volumeHandle": called}}
    world.make(_VOLUMES, {"metadata": {"name": volume}, "spec": {**common, **reference, **csi}})
    request = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": volume}
    claims = f"{world.core}/persistentvolumeclaims"
    world.make(claims, {"metadata": {"name": called}, "spec": {**common, **request}})
    world.wait_until(f"{claims}/{called}", lambda found: found["status"].get("phase") == "Bound", "be bound")


def make_snapshotted(world: ScenarioWorld, called: str) -> None:
    """Make a claim, and a class for snapshots of its volume."""
    make_kind(world, "snapshot.storage.k8s.io", "VolumeSnapshot")
    make_kind(world, "snapshot.storage.k8s.io", "VolumeSnapshotClass", "Cluster")
    metadata = {"name": world.name, "annotations": {_DEFAULT_CLASS: "true"}}
    document = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": metadata}
    classes = f"{SNAPSHOTS}/volumesnapshotclasses"
    world.make(classes, {**document, "driver": _DRIVER, "deletionPolicy": "Delete"}, shared=True)
    make_claim(world, called)


def make_certificate(world: ScenarioWorld, called: str) -> None:
    """Make a certificate that signs itself, and wait until cert-manager has issued it."""
    for kind in ("Certificate", "Issuer", "ClusterIssuer"):
        make_kind(world, "cert-manager.io", kind, "Cluster" if kind == "ClusterIssuer" else "Namespaced")
    here = f"{CERTIFICATES}/namespaces/{world.name}"
    document: Json = {"apiVersion": "cert-manager.io/v1", "metadata": {"name": called}}
    world.make(f"{here}/issuers", {**document, "kind": "Issuer", "spec": {"selfSigned": {}}})
    spec = {"secretName": called, "commonName": called, "issuerRef": {"name": called}}
    world.make(f"{here}/certificates", {**document, "kind": "Certificate", "spec": spec})
    for kind in ("issuers", "certificates"):
        world.wait_until(f"{here}/{kind}/{called}", lambda found: is_set(found, "Ready"), "be ready")


PARTS: dict[str, ObjectMaker] = {"certificate": make_certificate, "claim": make_claim, "snapshotted": make_snapshotted}
"""Part → what makes it."""
