"""Volumes, on the real API server: larger, and as snapshots. The storage driver's part is played."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from crds import SNAPSHOTS, custom_kinds
from kubectl_cluster import Cluster, Json, message_of, reason_of

from kubernaut_kubectl.storage.expand import resize_fault
from kubernaut_kubectl.storage.snapshot import choose_class
from kubernaut_sdk import PreconditionFailed
from kubernaut_sdk.ids import mint

DRIVER = "disk.test.invalid"
Claim = Callable[..., str]


@pytest.fixture
def claim(cluster: Cluster) -> Iterator[Claim]:
    """Makes a claim of 1Gi that is bound to a volume of a driver that is not there."""
    made: list[str] = []

    def make(*, expandable: bool = True, bound: bool = True, **spec: Any) -> str:
        name = f"pvc-{uuid4().hex[:6]}"
        made.append(name)
        provisioner = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
        cluster.make({**provisioner, "provisioner": DRIVER, "allowVolumeExpansion": expandable})
        csi = {"csi": {"driver": DRIVER, "volumeHandle": name}}
        volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name}
        reference = {"claimRef": {"namespace": cluster.namespace, "name": name}}
        if bound:
            document = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}}
            cluster.make({**document, "spec": {**volume, **reference, **(spec.pop("source", None) or csi)}})
        request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        document = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}}
        cluster.make({**document, "spec": {**request, "storageClassName": name, "volumeName": name if bound else ""}})
        if bound:
            cluster.kubectl("wait", "pvc", name, "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")
        return name

    yield make
    for name in made:
        cluster.delete("pvc", name)
        cluster.delete("pv", name)
        cluster.delete("storageclass", name)


def resized(cluster: Cluster, name: str, **status: Any) -> None:
    """Say in a claim's status what its driver would."""
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", "pvc", name, "--subresource=status", "--type=merge", f"--patch={patch}")


def test_what_a_driver_says_can_never_be_is_told() -> None:
    claim: Json = {
        "metadata": {"name": "data"},
        "spec": {"resources": {"requests": {"storage": "20Gi"}}},
        "status": {
            "capacity": {"storage": "10Gi"},
            "allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"},
            "conditions": [{"type": "ControllerResizeError", "message": "pool is full"}],
        },
    }
    assert resize_fault(claim) == (
        "the storage driver cannot make data 20Gi large (ControllerResizeInfeasible): pool is full Set a size that it "
        "can, which is not below 10Gi."
    )
    claim["status"]["allocatedResourceStatuses"]["storage"] = "ControllerResizeInProgress"
    assert resize_fault(claim) is None


CLASSES: list[Json] = [
    {
        "metadata": {"name": "fast", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
        "driver": "a",
    },
    {"metadata": {"name": "slow"}, "driver": "a"},
    {"metadata": {"name": "other"}, "driver": "b"},
]


@pytest.mark.parametrize(
    ("driver", "wanted", "expected"),
    [
        ("a", None, "fast"),
        ("a", "slow", "slow"),
        ("a", "other", "there is no VolumeSnapshotClass other of the volume's driver a; there is fast, slow."),
        ("b", None, "0 of the VolumeSnapshotClasses other are the default of b; name one as snapshot_class."),
        ("c", None, "the cluster has no VolumeSnapshotClass of the volume's driver c, so it cannot be snapshotted."),
    ],
)
def test_the_class_of_a_snapshot(driver: str, wanted: str | None, expected: str) -> None:
    try:
        found = choose_class(CLASSES, driver, wanted)
    except PreconditionFailed as error:
        found = error.message
    assert found == expected


@pytest.mark.cluster
class TestExpand:
    """A larger volume."""

    def test_it_grows_once_and_waits_for_the_driver(self, cluster: Cluster, claim: Claim) -> None:
        name = claim()
        ended = cluster.run_with(
            "expand_pvc",
            lambda argv: argv[1] == "get",
            5,
            lambda: resized(cluster, name, capacity={"storage": "2Gi"}),
            pvc=name,
            size="2048Mi",
        )
        again = cluster.run("expand_pvc", pvc=name, size="2Gi")

        assert (ended.exit_code, ended.output) == (0, {"size": "2048Mi"}), ended
        assert again.status == "unchanged"

    def test_what_is_refused(self, cluster: Cluster, claim: Claim) -> None:
        name, fixed, unbound = claim(), claim(expandable=False), claim(bound=False)
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": f"quota-{name}"}}
        cluster.make({**quota, "spec": {"hard": {f"{name}.storageclass.storage.k8s.io/requests.storage": "1536Mi"}}})
        cluster.kubectl("wait", "resourcequota", f"quota-{name}", "--for=jsonpath={.status.used}", "--timeout=30s")
        cases = [
            (name, "512Mi", "Smaller", "Kubernetes only makes volumes larger"),
            (name, "3Gi", "LimitReached", "more than max_factor 2"),
            (fixed, "2Gi", "NotExpandable", f"its StorageClass {fixed} does not have allowVolumeExpansion: true"),
            (unbound, "2Gi", "NotBound", "is Pending, not Bound to a volume"),
        ]
        for pvc, size, reason, text in cases:
            refused = cluster.run("expand_pvc", pvc=pvc, size=size)
            assert reason_of(refused) == (3, reason)
            assert text in message_of(refused)
        over = cluster.run("expand_pvc", pvc=name, size="2Gi")
        cluster.delete("resourcequota", f"quota-{name}")

        assert over.exit_code == 3
        assert "exceeded quota" in message_of(over)
        assert cluster.get("pvc", name)["spec"]["resources"]["requests"]["storage"] == "1Gi"

    @pytest.mark.slow
    def test_a_volume_that_waits_for_a_pod_and_one_that_cannot_grow(self, cluster: Cluster, claim: Claim) -> None:
        name, full = claim(), claim()
        resized(cluster, name, conditions=[{"type": "FileSystemResizePending", "status": "True"}])
        waiting = cluster.run("expand_pvc", pvc=name, size="2Gi", minutes=1)
        never = cluster.run_with(
            "expand_pvc",
            lambda argv: argv[1] == "get",
            5,
            lambda: resized(cluster, full, allocatedResourceStatuses={"storage": "ControllerResizeInfeasible"}),
            pvc=full,
            size="2Gi",
        )

        assert waiting.exit_code == 4
        assert f"{name} has 1Gi of 2Gi. Its file system grows when a pod mounts it, and none does" in message_of(
            waiting
        )
        assert reason_of(never) == (4, "ResizeInfeasible")


@pytest.fixture(scope="class")
def _snapshots(cluster: Cluster) -> Iterator[None]:
    """The kinds of snapshots, and a class of the driver."""
    with custom_kinds(SNAPSHOTS) as played:
        if not played:
            pytest.skip("this cluster has snapshots of its own, whose driver cannot be played")
        group, default = "snapshot.storage.k8s.io/v1", "snapshot.storage.kubernetes.io/is-default-class"
        metadata = {"name": cluster.namespace, "annotations": {default: "true"}}
        document = {"apiVersion": group, "kind": "VolumeSnapshotClass", "metadata": metadata}
        cluster.make({**document, "driver": DRIVER, "deletionPolicy": "Delete"})
        yield


@pytest.mark.cluster
@pytest.mark.usefixtures("_snapshots")
@pytest.mark.slow
class TestSnapshot:
    """A snapshot."""

    @staticmethod
    def answered(cluster: Cluster, name: str, **status: Any) -> None:
        patch = json.dumps({"status": status})
        cluster.kubectl("patch", "volumesnapshot", name, "--subresource=status", "--type=merge", f"--patch={patch}")

    def test_one_a_record_until_it_is_ready_and_gone_by_undo(self, cluster: Cluster, claim: Claim) -> None:
        name, record = claim(), mint()
        snapshot = f"{name}-{record.hex[-10:]}"
        short = cluster.run("snapshot_pvc", pvc=name, record=record, minutes=1)
        self.answered(cluster, snapshot, readyToUse=True)
        again = cluster.run("snapshot_pvc", pvc=name, record=record)
        spec = cluster.get("volumesnapshot", snapshot)["spec"]
        undone = cluster.undo(short, "snapshot_pvc", pvc=name)
        left = cluster.kubectl("get", "volumesnapshots", "--output=name")

        assert short.exit_code == 4  # no driver has answered
        assert message_of(short).endswith(f"VolumeSnapshot {snapshot} is not ready yet.")
        assert again.status == "unchanged"
        assert spec == {
            "source": {"persistentVolumeClaimName": name},
            "volumeSnapshotClassName": cluster.namespace,
        }
        assert undone.exit_code == 0
        assert snapshot not in left

    def test_an_error_that_stays_ends_the_wait_before_the_deadline(self, cluster: Cluster, claim: Claim) -> None:
        name = claim()

        def fail() -> None:
            [made] = cluster.kubectl("get", "volumesnapshots", "--output=name").split()
            self.answered(cluster, made.partition("/")[2], error={"message": "the disk is busy"})

        ended = cluster.run_with("snapshot_pvc", lambda argv: "volumesnapshots" in argv[-1], 2, fail, pvc=name)
        cluster.kubectl("delete", "volumesnapshots", "--all")

        assert reason_of(ended) == (4, "SnapshotFailed"), ended
        assert message_of(ended).endswith("is not ready: the disk is busy")

    def test_a_volume_without_a_csi_driver_or_a_class_is_refused(self, cluster: Cluster, claim: Claim) -> None:
        other = claim(source={"hostPath": {"path": "/nothing"}})
        refused = cluster.run("snapshot_pvc", pvc=other)
        named = cluster.run("snapshot_pvc", pvc=claim(), snapshot_class="nothing")

        assert reason_of(refused) == reason_of(named) == (3, "NoSnapshotClass")
        assert f"the volume of {other} is not of a CSI driver" in message_of(refused)
        assert "there is no VolumeSnapshotClass nothing" in message_of(named)


@pytest.mark.cluster
def test_a_cluster_without_snapshots_is_told(cluster: Cluster, claim: Claim) -> None:
    if "snapshot.storage.k8s.io" in cluster.kubectl("get", "crd", "--output=name"):
        pytest.skip("this cluster has snapshots")
    assert reason_of(cluster.run("snapshot_pvc", pvc=claim())) == (3, "NoSnapshotClass")
