"""A release's files and packages, with no clone: installed, a typed Task started, its history read."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from loopback import free_ports

from ..conftest import ROOT, finished, manifest, scaler  # noqa: TID252 – tests/ is no package to name it by
from .installation import Release, installed_command

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

sys.path.insert(0, str(ROOT / "tests" / "cluster"))

SYSTEM = "kubernaut-system"
TASK = "kubernetes-scale-deployment"


def patched_in(released: list[Any], applied: list[Any]) -> dict[str, set[str]]:
    """Return the top fields in which what is applied differs from what a release has: object → fields."""
    by_name = {f"{one['kind']}/{one['metadata']['name']}": one for one in released}
    assert {f"{one['kind']}/{one['metadata']['name']}" for one in applied} >= set(by_name)
    found: dict[str, set[str]] = {}
    for one in applied:
        name = f"{one['kind']}/{one['metadata']['name']}"
        theirs = by_name.get(name, {"added": True})
        if differing := {field for field in {*theirs, *one} if theirs.get(field) != one.get(field)}:
            found[name] = differing if name in by_name else {"added"}
    return found


@pytest.fixture
def command(release: Release) -> None:
    """The command, by `pip install kubernaut-cli` in an empty environment."""
    with installed_command(release) as index:
        release.sh("pip", "install", "kubernaut-cli", **index)


@pytest.fixture
def storage(release: Release, kubectl: Callable[..., str], tmp_path: Path) -> Iterator[str]:
    """The address of Data Storage, after `kubectl apply -f install.yaml` with this cluster's patches.

    They give the Deployments the host's network and this run's ports, since no proxy leads to Services here, and so the
    namespace the right to pods of the host's network; and a volume, since nothing makes one. All else is as it is in
    the file. (On a cluster that has these, test_install_empty patches nothing.)
    """
    from realcluster import on_this_host

    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    port, health = free_ports(2)
    claim = {"name": "kubernaut-data-storage", "namespace": SYSTEM}
    disk = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"}, "hostPath": {"path": str(volume)}}
    documents = [one for one in yaml.safe_load_all((release.folder / "install.yaml").read_text()) if one]
    serve = next(one for one in documents if one["kind"] == "Deployment" and one["metadata"]["name"] == claim["name"])
    [container] = serve["spec"]["template"]["spec"]["containers"]
    args = [word for word in container["args"] if not word.startswith(("--host", "--port"))]
    patches: list[dict[str, Any]] = [
        on_this_host(
            "kubernaut-controller",
            ["--host=127.0.0.1", f"--port={health}", "--cooldown=0"],
            health,
            env=[{"name": "KUBERNAUT_DATA_STORAGE_URL", "value": f"http://127.0.0.1:{port}"}],
        ),
        on_this_host(
            claim["name"],
            [*args, "--host=127.0.0.1", f"--port={port}"],
            port,
            startupProbe={"httpGet": {"host": "127.0.0.1", "port": port}},
        ),
        {
            **manifest("Namespace", SYSTEM),
            "metadata": {"name": SYSTEM, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        },
    ]
    (release.folder / "disk.yaml").write_text(
        yaml.safe_dump(manifest("PersistentVolume", claim["name"], spec={**disk, "claimRef": claim}))
    )
    customization = {
        "resources": ["install.yaml", "disk.yaml"],
        "patches": [{"patch": yaml.safe_dump(one)} for one in patches],
    }
    (release.folder / "kustomization.yaml").write_text(yaml.safe_dump(customization))
    changed = yaml.safe_load_all(kubectl("kustomize", str(release.folder)))
    assert patched_in(documents, list(changed)) == {
        "Deployment/kubernaut-controller": {"spec"},
        "Deployment/kubernaut-data-storage": {"spec"},
        f"Namespace/{SYSTEM}": {"metadata"},
        "PersistentVolume/kubernaut-data-storage": {"added"},
    }
    before = set(kubectl("get", "deployments", f"--namespace={SYSTEM}", "--output=name", "--ignore-not-found").split())
    assert before == set(), f"{SYSTEM} is in use by another test"
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(release.folder))
    try:
        for name in ("data-storage", "controller"):
            kubectl("rollout", "status", f"deployment/kubernaut-{name}", f"--namespace={SYSTEM}", "--timeout=150s")
        yield f"http://127.0.0.1:{port}"
    finally:
        here = f"--namespace={SYSTEM}"
        kubectl("delete", "deployment", "kubernaut-controller", "kubernaut-data-storage", here, "--ignore-not-found")
        kubectl("delete", "pvc", "kubernaut-data-storage", here, "--ignore-not-found")
        kubectl("delete", "pv", "kubernaut-data-storage", "--ignore-not-found")


@pytest.fixture
def team(kubectl: Callable[..., str], digests: dict[str, str], storage: str) -> Iterator[str]:
    """A namespace with a Deployment, a ServiceAccount that may scale it, and the address of Data Storage."""
    name = f"kubernaut-install-{os.getpid()}"
    kubectl("apply", "-f", "-", stdin=manifest("Namespace", name))
    config = manifest("ConfigMap", "kubernaut-data-storage", data={"url": storage, "policy": "require"})
    try:
        for one in (config, *scaler(digests["kubectl"])):
            kubectl("apply", f"--namespace={name}", "-f", "-", stdin=one)
        # what the Task's page says that its ServiceAccount needs, in short
        admin = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "admin"},
            "roleRef": admin,
            "subjects": [{"kind": "ServiceAccount", "name": "scaler", "namespace": name}],
        }
        kubectl("apply", f"--namespace={name}", "-f", "-", stdin=binding)
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def test_installed_from_a_release_a_task_acts_and_the_history_shows_it(
    release: Release, command: None, storage: str, team: str, kubectl: Callable[..., str]
) -> None:
    task = f"catalog/task/{TASK}/0.1/{TASK}.yaml"
    release.sh("kubectl", "apply", f"--namespace={team}", "-f", task)
    params = {"namespace": team, "deployment": "checkout", "replicas": "2"}
    told = [f"--param={name}={value}" for name, value in params.items()]
    options = [f"--namespace={team}", "--use-param-defaults", "--skip-optional-workspace", "--serviceaccount=scaler"]
    started = release.sh("tkn", "task", "start", TASK, *options, *told)
    run = finished(kubectl, "taskrun/" + started.partition("TaskRun started: ")[2].split()[0], team)
    results = {one["name"]: one["value"] for one in run["status"].get("results", [])}
    who = ["kubernaut-effectiveness", f"--namespace={SYSTEM}", "--audience=kubernaut-data-storage"]
    (release.folder / "token").write_text(release.sh("kubectl", "create", "token", *who).strip())
    reader = {"DATA_STORAGE_URL": storage, "DATA_STORAGE_TOKEN_FILE": str(release.folder / "token")}
    history = json.loads(release.sh("kubernaut", "history", "-o", "json", **reader))
    [record] = [one for one in history if one["target"].get("namespace") == team]

    assert (results["status"], results["record-status"]) == ("succeeded", "stored"), results
    assert (record["action_type"], record["state"]) == ("kubernetes/scale_deployment", "succeeded")
    assert (record["change"]["before"], record["change"]["after"]) == ({"replicas": 1}, {"replicas": 2})
    assert (
        json.loads(kubectl("get", "deployment", "checkout", f"--namespace={team}", "--output=json"))["spec"]["replicas"]
        == 2
    )
