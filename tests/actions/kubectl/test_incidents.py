"""The workflows of examples/incidents: valid, and each run on a real cluster against its incident."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from kubectl_cluster import IMAGE, Cluster, Json

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

    def test_evicted_pods(self, cluster: Cluster, tmp_path: Path) -> None:
        name = f"evicted-{uuid4().hex[:6]}"
        container = {"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", "exit 1"]}
        spec = {"containers": [container], "hostNetwork": True, "restartPolicy": "Never"}
        cluster.make({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        cluster.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Failed", "--timeout=60s")
        states = carried_out(cluster, tmp_path, "evicted-pods", name, clear_away={"min_age": "0s"})
        assert states == {"clear-away": "succeeded"}
        assert name not in cluster.kubectl("get", "pods", "--output=name")
