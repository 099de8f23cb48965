"""A goal is seen by a watch, and without one if it is refused or cut off, on the real API server."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import IMAGE, Cluster, Json, proxied_kubeconfig, workload
from node_standin import StandInNode

from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import Ran

pytestmark = pytest.mark.cluster
App = Callable[..., str]
SOON = 3.0
"""Seconds within which a watch must have shown a change, on a busy machine; without one it is looked at after five."""
NOT_WATCHED = "not watched, and looked at every few seconds instead"


@pytest.fixture
def settings(cluster: Cluster) -> Iterator[str]:
    """A ConfigMap whose key `a` is `old`."""
    name = f"watched-{uuid4().hex[:6]}"
    cluster.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "old"}})
    yield name
    cluster.delete("configmap", name)


def waiting_for(name: str) -> Json:
    """The inputs that wait until the key is `new`."""
    return {"kind": "configmap", "name": name, "pointer": "/data/a", "value": "new"}


class LaterChange:
    """A change that is made a while after its beginning, and the moment from which the API server has it.

    Args:
        cluster: The cluster.
        name: The ConfigMap whose key is set.
        after: The seconds after which it is.
    """

    def __init__(self, cluster: Cluster, name: str, after: float) -> None:
        self.made_at = 0.0
        self._cluster, self._name, self._env = cluster, name, dict(os.environ)
        self._timer = threading.Timer(after, self._make)

    def _make(self) -> None:
        # in the environment of the test, which is another one while the action runs
        words = ["patch", "configmap", self._name, self._cluster.here, "--type=merge", '--patch={"data": {"a": "new"}}']
        subprocess.run(["kubectl", *words], env=self._env, check=True, capture_output=True)
        self.made_at = time.monotonic()

    def __enter__(self) -> "LaterChange":
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.join()


def test_a_change_is_seen_at_once_and_read_rarely_before(cluster: Cluster, settings: str) -> None:
    with LaterChange(cluster, settings, after=7.0) as change:
        ran = cluster.run("wait_for", waiting_for(settings), real_time=True)
        took = time.monotonic() - change.made_at

    assert (ran.exit_code, ran.status) == (0, "unchanged"), ran
    assert took < SOON
    assert len(ran.calls) <= 6, ran.calls  # the plan, the first two looks, the watch's first line, one at 5 s, the last
    assert [argv[-2:] for argv in ran.watched] == [("configmap", settings)]


def test_a_rollout_is_watched_with_its_pods(cluster: Cluster, app: App) -> None:
    name = app()
    ran = cluster.run("scale_deployment", deployment=name, replicas=2, real_time=True)
    watched = [argv[argv.index("--") + 1 :] for argv in ran.watched]

    assert ran.exit_code == 0, ran
    assert watched == [("deployment.apps", name), ("pod",)]
    assert any("--selector=app=" + name in argv for argv in ran.watched)
    assert not watching(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "kind", "inputs", "spec"),
    [
        ("pause_rollout", "deployment", {}, {}),
        ("suspend_cronjob", "cronjob", {}, {}),
        ("resume_cronjob", "cronjob", {}, {"suspend": True}),
        ("relax_pdb", "pdb", {"min_available": "0", "allow_zero": True}, {}),
    ],
)
def test_what_an_owner_may_take_back_is_watched_while_it_must_stand(
    cluster: Cluster, app: App, action: str, kind: str, inputs: Json, spec: Json
) -> None:
    name = app()
    selector = {"matchLabels": {"app": name}}
    if kind == "cronjob":
        pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": IMAGE}]}
        template = {"spec": {"template": {"spec": pod}}}
        spec = {"schedule": "0 0 30 2 *", "jobTemplate": template, **spec}
        cluster.make({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec})
    elif kind == "pdb":
        spec = {"minAvailable": 1, "selector": selector}
        cluster.make(
            {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        )
        cluster.kubectl("wait", "pdb", name, "--for=jsonpath={.status.currentHealthy}=1", "--timeout=30s")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "controller": True}
    owner["uid"] = cluster.get("configmap", "kube-root-ca.crt")["metadata"]["uid"]
    cluster.patch(kind, name, {"op": "add", "path": "/metadata/ownerReferences", "value": [owner]})
    ran = cluster.run(action, {kind: name, **inputs}, when_owned="proceed")
    cluster.delete(kind, name)

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran
    assert [argv[-1] for argv in ran.watched] == [name]
    assert any(permission.endswith(": watch") for permission in cluster.used[f"kubernetes/{action}"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_the_workload_of_a_deleted_pod_is_watched(cluster: Cluster, app: App, kind: str) -> None:
    name = app(kind)
    pod = cluster.pods(name)[0]["metadata"]["name"]
    ran = cluster.run("delete_pod", pod=pod, real_time=True)
    watched = [argv[argv.index("--") + 1 :] for argv in ran.watched]

    assert ran.exit_code == 0, ran
    assert watched[:2] == [("pod",), (f"{kind.lower()}.apps", name)]
    assert f"apps/{kind.lower()}s: watch" in cluster.used["kubernetes/delete_pod"]


@pytest.mark.slow
def test_a_lease_that_is_given_back_is_seen_at_once(cluster: Cluster, machine: StandInNode) -> None:
    spec = {"holderIdentity": str(mint()), "leaseDurationSeconds": 60, "renewTime": "2026-01-01T00:00:00.000000Z"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "kubernaut-drain"}}
    cluster.make({**lease, "spec": spec})
    env = dict(os.environ)
    words = [
        "patch",
        "lease",
        "kubernaut-drain",
        cluster.here,
        "--type=merge",
        '--patch={"spec": {"holderIdentity": ""}}',
    ]
    given_back = threading.Timer(6.0, lambda: subprocess.run(["kubectl", *words], env=env, capture_output=True))
    given_back.start()
    inputs = {"node": machine.name, "lease_namespace": cluster.namespace, "min_schedulable": 0.0}
    began = time.monotonic()
    ran = cluster.run("drain_node", inputs, real_time=True)
    given_back.join()

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran
    assert time.monotonic() - began < 45
    assert "coordination.k8s.io/leases: watch" in cluster.used["kubernetes/drain_node"]


@contextmanager
def limited_to(cluster: Cluster, *verbs: str) -> Iterator[Path]:
    """A kubeconfig of a ServiceAccount that may do only this to ConfigMaps."""
    name = f"limited-{uuid4().hex[:6]}"
    account = f"system:serviceaccount:{cluster.namespace}:{name}"
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": cluster.namespace}
    cluster.make(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}],
        },
    )
    kubeconfig = proxied_kubeconfig(cluster.proxy.url)
    kubeconfig["users"] = [{"name": "none", "user": {"as": account}}]
    file = cluster.kubeconfig.with_name(f"{name}.json")
    file.write_text(json.dumps(kubeconfig))
    yield file
    cluster.delete("rolebinding", name)
    cluster.delete("role", name)


def test_without_the_permission_it_is_said_and_the_goal_is_seen(
    cluster: Cluster, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited_to(cluster, "get") as kubeconfig, LaterChange(cluster, settings, after=3.0):
        monkeypatch.setattr(cluster, "kubeconfig", kubeconfig)
        ran = cluster.run("wait_for", waiting_for(settings), real_time=True)

    assert (ran.exit_code, ran.status) == (0, "unchanged"), ran
    assert ran.log.count(NOT_WATCHED) == 1
    assert 'cannot watch resource \\"configmaps\\"' in ran.log


def test_check_only_warns_of_a_missing_watch(cluster: Cluster, settings: str, action: Any) -> None:
    inputs = {"namespace": cluster.namespace, "configmap": settings, "key": "a", "value": "new"}
    with limited_to(cluster, "get", "patch") as kubeconfig:
        env = {"ACTION_INPUTS": json.dumps(inputs), "KUBECONFIG": str(kubeconfig)}
        checked = action.run("check", "kubernetes/patch_configmap", **env)

    [watch] = [check for check in checked.document["checks"] if check["name"].endswith("configmaps: watch")]
    assert (watch["ok"], watch["problem"]) == (True, None)
    assert watch["caution"] == (
        "the ServiceAccount may not watch configmaps; bind it a Role with that rule. Without it, a change is seen only "
        "after seconds."
    )


@pytest.mark.slow
def test_a_watch_that_is_cut_off_costs_nothing_but_time(cluster: Cluster, settings: str) -> None:
    def cut() -> None:
        for process in watching(settings):
            os.killpg(process, signal.SIGKILL)

    timer = threading.Timer(8.0, cut)
    timer.start()
    with LaterChange(cluster, settings, after=13.0) as change:
        ran = cluster.run("wait_for", waiting_for(settings), real_time=True)
        took = time.monotonic() - change.made_at
    timer.join()

    assert (ran.exit_code, ran.status) == (0, "unchanged"), ran
    assert took < SOON  # it was started again
    assert NOT_WATCHED not in ran.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancel_leaves_no_kubectl(cluster: Cluster, settings: str, action: Any, number: int) -> None:
    inputs = {"namespace": cluster.namespace, **waiting_for(settings)}
    process = action.start(
        "run", "kubernetes/wait_for", ACTION_INPUTS=json.dumps(inputs), KUBECONFIG=str(cluster.kubeconfig)
    )
    while not watching(settings):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    ended = action.ended(process)

    assert (ended.code, ended.document["status"]) == (143, "cancelled"), ended.stderr
    assert not watching(settings)


@pytest.mark.slow  # other tests must not use the API server meanwhile
@pytest.mark.skipif(
    "KUBERNAUT_RESTART" not in os.environ,
    reason="KUBERNAUT_RESTART names no program that restarts a part of the cluster by its name",
)
def test_an_api_server_that_is_restarted_in_the_middle_is_survived(cluster: Cluster, app: App) -> None:
    name = f"app-{uuid4().hex[:6]}"
    probe = {"exec": {"command": ["/bin/sh", "-c", "true"]}, "initialDelaySeconds": 20}
    cluster.make(workload("Deployment", name, container={"readinessProbe": probe}, replicas=0))
    restart = [os.environ["KUBERNAUT_RESTART"], "kube-apiserver"]
    restarted = threading.Timer(8.0, lambda: subprocess.run(restart, check=True, capture_output=True))
    restarted.start()
    ran: Ran = cluster.run("scale_deployment", deployment=name, replicas=1, real_time=True, minutes=5)
    restarted.join()
    cluster.delete("deployment", name)

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran
    assert not watching(name)


def watching(name: str) -> list[int]:
    """The ids of the kubectl processes that watch, and name an object."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:  # it has ended
            continue
        if "--watch" in words and any(name in word for word in words):
            found.append(int(folder.name))
    return found
