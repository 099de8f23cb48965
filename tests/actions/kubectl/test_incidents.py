"""The workflows of examples/incidents: valid, and each run on a real cluster against its incident."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
import yaml
from crds import CERT_MANAGER, custom_kinds
from kubectl_cluster import IMAGE, Cluster, Json, workload
from node_standin import StandInNode

from kubernaut_controller import parse_workflow, require_valid
from kubernaut_sdk import catalog

INCIDENTS = Path(__file__).parents[3] / "examples" / "incidents"
FILES = sorted(INCIDENTS.glob("*.yaml"))
App = Callable[..., str]
OUT_OF_MEMORY = "x=$(head -c 20000000 /dev/zero | tr '\\0' a); echo ${#x}; sleep 1000"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_incident_is_a_valid_workflow_and_in_the_list(file: Path) -> None:
    workflow = parse_workflow(file.read_text(encoding="utf-8"), file.name)
    require_valid(workflow, catalog.find)

    assert workflow.metadata.name == file.stem.removeprefix("aws-")
    assert f"({file.name})" in (INCIDENTS / "README.md").read_text(encoding="utf-8")
    assert workflow.spec.timeout <= timedelta(hours=1)


def carried_out(cluster: Cluster, folder: Path, incident: str, name: str, **changed: Any) -> dict[str, str]:
    """Run the incident's workflow on this machine against an app of that name, and return each step's state.

    Args:
        cluster: The cluster.
        folder: For the run's data.
        incident: The file.
        name: The app, instead of `checkout`.
        changed: Step → inputs that stand for what only the user knows, such as the image's digest.
    """
    document = yaml.safe_load((INCIDENTS / f"{incident}.yaml").read_text(encoding="utf-8"))
    for step in (*document["spec"]["steps"], *document["spec"].get("finally", ())):
        own = {"checkout": name, "shop": cluster.namespace}
        step["inputs"] = {
            key: own.get(value, value) if isinstance(value, str) else value for key, value in step["inputs"].items()
        }
        step["inputs"] |= changed.get(step["name"].replace("-", "_"), {})
    file = folder / "workflow.yaml"
    file.write_text(json.dumps(document))
    argv = [
        sys.executable,
        "-m",
        "kubernaut_cli",
        "run",
        str(file),
        "--engine=process",
        f"--data={folder}",
        "-o",
        "json",
    ]
    ended = subprocess.run(argv, capture_output=True, text=True)
    assert ended.stdout, ended.stderr
    return {row["name"]: row["state"] for row in json.loads(ended.stdout)["steps"]}


@contextmanager
def cert_manager_answering(cluster: Cluster, name: str) -> Iterator[None]:
    """Issue a Certificate whenever it is asked for, as cert-manager would."""
    issued = {"revision": 1, "notAfter": "2027-04-01T00:00:00Z", "conditions": [{"type": "Ready", "status": "True"}]}
    patch = json.dumps({"status": issued})
    answer_with = ("patch", "certificate", name, "--subresource=status", "--type=merge", f"--patch={patch}")
    ended = Event()

    def answer() -> None:
        while not ended.wait(0.3):
            if "Issuing" in cluster.kubectl("get", "certificate", name, "--output=json", check=False):
                cluster.kubectl(*answer_with)

    thread = Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.cluster
class TestIncident:
    """An incident is made, and its workflow ends it."""

    def test_out_of_memory(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        name = app(wait=False, script=OUT_OF_MEMORY, container={"resources": {"limits": {"memory": "24Mi"}}})
        more = {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}, "max_factor": 3.0}
        states = carried_out(cluster, tmp_path, "out-of-memory", name, raise_limit=more)
        assert states == {"raise-limit": "succeeded", "wait": "unchanged", "roll-back": "skipped"}

    def test_out_of_memory_although(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        name = app(container={"resources": {"limits": {"memory": "64Mi"}}})
        cluster.patch(
            "deployment",
            name,
            {
                "op": "replace",
                "path": "/spec/template/spec/containers/0/command",
                "value": ["/bin/sh", "-c", OUT_OF_MEMORY.replace("20000000", "200000000")],
            },
        )
        more = {"limits": {"memory": "96Mi"}, "requests": {"memory": "96Mi"}}
        states = carried_out(cluster, tmp_path, "out-of-memory", name, raise_limit=more, roll_back={"revision": 1})
        assert states == {"raise-limit": "failed", "wait": "skipped", "roll-back": "succeeded"}

    def test_crash_loop(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        settings = f"settings-{uuid4().hex[:6]}"
        cluster.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": settings}, "data": {"MODE": "bad"}})
        container = {"envFrom": [{"configMapRef": {"name": settings}}]}
        name = app(wait=False, script='[ "$MODE" = good ] || exit 3; sleep 1000', container=container)
        states = carried_out(cluster, tmp_path, "crash-loop", name, repair_settings={"configmap": settings})
        assert states == {"repair-settings": "succeeded", "restart": "succeeded"}

    def test_image_pull_failure(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        name = app()
        good = cluster.pods(name)[0]["status"]["containerStatuses"][0]["imageID"]
        bad: Json = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "cluster.local/none:1"}
        never: Json = {"op": "add", "path": "/spec/template/spec/containers/0/imagePullPolicy", "value": "Never"}
        cluster.patch("deployment", name, bad, never)
        states = carried_out(cluster, tmp_path, "image-pull-failure", name, last_good_image={"image": good})
        assert states == {"last-good-image": "succeeded"}
        assert IMAGE.partition(":")[0] in cluster.pods(name)[0]["spec"]["containers"][0]["image"]

    def test_autoscaler_at_its_maximum(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        name = app(replicas=2)
        cluster.kubectl("autoscale", "deployment", name, "--min=1", "--max=2", "--cpu-percent=50")
        states = carried_out(cluster, tmp_path, "hpa-at-maximum", name)
        assert states == {"raise-maximum": "succeeded", "wait": "unchanged"}
        assert cluster.get("hpa", name)["spec"]["maxReplicas"] == 3

    def test_stuck_rollout(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        name = app()
        broken: Json = {"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"zone": "moon"}}
        cluster.patch("deployment", name, broken)
        assert carried_out(cluster, tmp_path, "stuck-rollout", name) == {"roll-back": "succeeded"}
        assert "nodeSelector" not in cluster.get("deployment", name)["spec"]["template"]["spec"]

    def test_node_trouble(self, cluster: Cluster, machine: StandInNode, tmp_path: Path) -> None:
        """The node is an object whose kubelet is played; its pods move to the cluster's real one."""
        name = f"app-{uuid4().hex[:6]}"
        document = workload("Deployment", name)
        document["spec"]["template"]["spec"] |= machine.placement
        cluster.make(document)
        cluster.ready("deployment", name)
        assert len(machine.pods()) == 1
        node = {"node": machine.name}
        states = carried_out(
            cluster,
            tmp_path,
            "node-trouble",
            name,
            drain={**node, "min_schedulable": 0.0, "lease_namespace": cluster.namespace},
            wait_until_well={"name": machine.name, "hold": "1s"},
            put_back=node,
        )
        cluster.delete("deployment", name)
        assert states == {"drain": "succeeded", "wait-until-well": "unchanged", "put-back": "succeeded"}
        assert "unschedulable" not in cluster.get("node", machine.name)["spec"]
        assert machine.pods() == []

    def test_volume_full(self, cluster: Cluster, tmp_path: Path) -> None:
        """The storage driver's answer is played: no driver runs in the test cluster."""
        name = f"volume-{uuid4().hex[:6]}"
        storage: Json = {"storageClassName": name, "accessModes": ["ReadWriteOnce"]}
        provisioner = {"provisioner": "disk.test.invalid", "allowVolumeExpansion": True}
        csi = {"driver": "disk.test.invalid", "volumeHandle": name}
        volume = {**storage, "capacity": {"storage": "1Gi"}, "csi": csi}
        claim = {**storage, "resources": {"requests": {"storage": "1Gi"}}, "volumeName": name}
        volume["claimRef"] = {"namespace": cluster.namespace, "name": name}
        metadata = {"metadata": {"name": name}}
        cluster.make(
            {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", **metadata, **provisioner},
            {"apiVersion": "v1", "kind": "PersistentVolume", **metadata, "spec": volume},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **metadata, "spec": claim},
        )
        cluster.kubectl("wait", "pvc", name, "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")
        grown = '--patch={"status": {"capacity": {"storage": "2Gi"}}}'
        cluster.kubectl("patch", "pvc", name, "--subresource=status", "--type=merge", grown)
        states = carried_out(cluster, tmp_path, "volume-full", name)
        asked = cluster.get("pvc", name)["spec"]["resources"]["requests"]["storage"]
        for kind in ("pvc", "pv", "storageclass"):
            cluster.delete(kind, name)
        assert states == {"expand": "succeeded"}
        assert asked == "2Gi"

    def test_certificate_expires(self, cluster: Cluster, app: App, tmp_path: Path) -> None:
        """A cert-manager is played, which answers as soon as it is asked."""
        name = app()
        with custom_kinds(CERT_MANAGER) as played:
            if not played:
                pytest.skip("this cluster has a cert-manager of its own, which cannot be played")
            document: Json = {"apiVersion": "cert-manager.io/v1", "metadata": {"name": name}}
            spec = {"secretName": name, "issuerRef": {"name": name, "group": "example.com"}}
            cluster.make({**document, "kind": "Certificate", "spec": spec})
            with cert_manager_answering(cluster, name):
                states = carried_out(cluster, tmp_path, "certificate-expires", name)
        assert states == {"renew": "succeeded", "restart": "succeeded"}

    def test_stuck_cronjob(self, cluster: Cluster, tmp_path: Path) -> None:
        name, job = f"cron-{uuid4().hex[:6]}", f"job-{uuid4().hex[:6]}"
        script = '[ -n "$HANG" ] && sleep 1000; exit 0'
        container: Json = {"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", script]}
        pod: Json = {"containers": [container], "restartPolicy": "Never", "hostNetwork": True}
        pod["terminationGracePeriodSeconds"] = 0
        template = {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}
        spec = {"schedule": "0 0 30 2 *", "concurrencyPolicy": "Forbid", "jobTemplate": template}
        cluster.make({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec})
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": name, "controller": True}
        owner["uid"] = cluster.get("cronjob", name)["metadata"]["uid"]
        hanging = {**container, "env": [{"name": "HANG", "value": "yes"}]}
        cluster.make(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": job, "ownerReferences": [owner]},
                "spec": {"template": {"spec": {**pod, "containers": [hanging]}}},
            }
        )
        cluster.kubectl("wait", "job", job, "--for=jsonpath={.status.ready}=1", "--timeout=60s")
        blocked = cluster.run("trigger_cronjob", cronjob=name)
        states = carried_out(cluster, tmp_path, "stuck-cronjob", name, keep_its_log={"name": job}, end_it={"job": job})
        suspended = cluster.get("cronjob", name)["spec"]["suspend"]
        cluster.delete("cronjob", name)
        assert blocked.exit_code == 3
        assert set(states.values()) == {"succeeded"}
        assert suspended is False

    def test_evicted_pods(self, cluster: Cluster, tmp_path: Path) -> None:
        name = f"evicted-{uuid4().hex[:6]}"
        container = {"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", "exit 1"]}
        spec = {"containers": [container], "hostNetwork": True, "restartPolicy": "Never"}
        cluster.make({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        cluster.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Failed", "--timeout=60s")
        states = carried_out(cluster, tmp_path, "evicted-pods", name, clear_away={"min_age": "0s"})
        assert states == {"clear-away": "succeeded"}
        assert name not in cluster.kubectl("get", "pods", "--output=name")
