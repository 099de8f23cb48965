"""Custom resources of projects that a test cluster does not run: their kinds, as the API server needs them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["CERT_MANAGER", "SNAPSHOTS", "custom_kinds"]

CERT_MANAGER = [
    ("cert-manager.io", "Certificate", "certificates", "Namespaced"),
    ("cert-manager.io", "Issuer", "issuers", "Namespaced"),
    ("cert-manager.io", "ClusterIssuer", "clusterissuers", "Cluster"),
]
SNAPSHOTS = [
    ("snapshot.storage.k8s.io", "VolumeSnapshot", "volumesnapshots", "Namespaced"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotClass", "volumesnapshotclasses", "Cluster"),
]


@contextmanager
def custom_kinds(kinds: list[tuple[str, str, str, str]]) -> Iterator[bool]:
    """Make the kinds that the cluster lacks, and take them away again; yield False if it has them of its own."""
    known = subprocess.run(
        ["kubectl", "get", "crd", "--output=name"], capture_output=True, text=True, check=True
    ).stdout
    made = [kind for kind in kinds if f"/{kind[2]}.{kind[0]}\n" not in known]
    for kind in made:
        subprocess.run(["kubectl", "create", "-f", "-"], input=json.dumps(_crd(*kind)), text=True, check=True)
    names = [f"crd/{plural}.{group}" for group, _, plural, _ in made]
    if names:
        subprocess.run(["kubectl", "wait", "--for=condition=Established", *names, "--timeout=30s"], check=True)
    try:
        yield bool(made)
    finally:
        if names:
            subprocess.run(["kubectl", "delete", *names, "--wait=false"], check=True, capture_output=True)


def _crd(group: str, kind: str, plural: str, scope: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    approved = "https://github.com/kubernetes-csi/external-snapshotter/pull/665" if "k8s.io" in group else "none"
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
        "subresources": {"status": {}} if kind != "VolumeSnapshotClass" else {},
    }
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": approved}},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [version]},
    }
