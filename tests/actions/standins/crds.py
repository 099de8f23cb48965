"""Custom resources of projects that a test cluster does not run: their kinds, as the API server needs them."""

import fcntl
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["CERT_MANAGER", "SNAPSHOTS", "custom_kinds", "lock_kinds"]

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
    with lock_kinds():
        yield from _made(kinds)


@contextmanager
def lock_kinds() -> Iterator[None]:
    """Let no other test make or delete kinds meanwhile: they are the whole cluster's."""
    with (Path(tempfile.gettempdir()) / "kubernaut-tests-kinds.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _made(kinds: list[tuple[str, str, str, str]]) -> Iterator[bool]:
    names = {f"{plural}.{group}" for group, _, plural, _ in kinds}
    found = {item["metadata"]["name"]: item["metadata"] for item in _definitions()}
    known = {name for name in names & set(found) if "deletionTimestamp" not in found[name]}
    if leaving := sorted(f"crd/{name}" for name in names & set(found) - known):  # of a test before
        _printed("wait", "--for=delete", *leaving, "--timeout=60s")
    made = [kind for kind in kinds if f"{kind[2]}.{kind[0]}" not in known]
    for kind in made:
        subprocess.run(["kubectl", "create", "-f", "-"], input=json.dumps(_crd(*kind)), text=True, check=True)
    own = [f"crd/{plural}.{group}" for group, _, plural, _ in made]
    try:
        for name in own:
            # a kind has no conditions at all in its first moment, which `kubectl wait` takes for an error
            while "Established" not in _printed("get", name, "--output=jsonpath={.status.conditions[*].type}"):
                time.sleep(0.1)
            _printed("wait", "--for=condition=Established", name, "--timeout=30s")
        yield bool(made)
    finally:
        if own:
            _printed("delete", *own, "--wait=false")


def _printed(*words: str) -> str:
    return subprocess.run(["kubectl", *words], capture_output=True, text=True, check=True).stdout


def _definitions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_printed("get", "crd", "--output=json"))["items"]
    return found


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
