"""An action that is cancelled after its change, while it waits for its goal, on the real API server.

A cancel before the change is a check of the conformance kit (`sigterm`), which every scenario passes; the drain, which
changes one thing after another, has a test of its own.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cluster_api import MERGE, ScenarioWorld
from controllers_standin import play
from crds import lock_kinds
from kubectl_cluster import Cluster, Json
from kubectl_world import PARTS, delete_wide, teardown
from node_standin import StandInNode
from placed_workload import ROLLOUTS, placed

from kubernaut_sdk.catalog import find

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
IMAGE = f"conformance.invalid/app@sha256:{'0' * 64}"


@dataclass(frozen=True)
class CancelCase:
    """An action that cannot reach its goal, or must see it hold for a while.

    Attributes:
        action: The action.
        part: The object, of the conformance scenarios' world.
        named: The input that takes the object's name.
        inputs: The other inputs.
        held: The object's kind if a finalizer must keep it from being deleted.
        place: False for an object of the whole cluster.
        watches: How many watches it takes.
    """

    action: str
    part: str
    named: str
    inputs: Json = field(default_factory=dict)
    held: str = ""
    place: bool = True
    watches: int = 1


CASES = [
    CancelCase("delete_finished_pods", "failed", "", {"min_age": "0s"}, held="pods"),
    CancelCase("delete_job", "done", "job", held="jobs", watches=2),
    CancelCase("delete_node", "dead", "node", {"instance_gone": True}, held="nodes", place=False),
    CancelCase("delete_pod", "pod", "pod", held="pods"),
    CancelCase("expand_pvc", "claim", "pvc", {"size": "2Gi"}),
    CancelCase("quarantine_pod", "pod", "pod", {"min_replicas": 1}),
    CancelCase("recreate_job", "running", "job", {"even_if_running": True}),
    CancelCase("renew_certificate", "certificate", "certificate"),
    CancelCase("scale_deployment", "busy", "deployment", {"replicas": 2}),
    CancelCase("scale_statefulset", "stateful", "statefulset", {"replicas": 2}),
    CancelCase("set_field", "settings", "name", {"kind": "configmap", "pointer": "/data/LEVEL", "value": "info"}),
    CancelCase("snapshot_pvc", "snapshotted", "pvc"),
    CancelCase("trigger_cronjob", "slow_cron", "cronjob"),
    CancelCase("update_hpa", "scaled", "hpa", {"max_replicas": 8}),
]


ROLLOUT_CASES: list[tuple[str, str, Json]] = [
    *ROLLOUTS,
    ("set_image", "Deployment", {"container": "app", "image": IMAGE}),
    ("set_resources", "Deployment", {"container": "app", "limits": {"memory": "64Mi"}}),
]


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[ScenarioWorld]:
    """A namespace of the scenarios' objects."""
    made = ScenarioWorld(cluster.proxy.upstream.geturl(), f"conform-{uuid4().hex[:8]}")
    made.make("/api/v1/namespaces", {"metadata": {"name": made.name}})
    yield made
    teardown(made)


@contextmanager
def played(world: ScenarioWorld) -> Iterator[None]:
    """Let the controllers that the cluster lacks answer within the block, and not after it."""
    over = threading.Event()

    def answer() -> None:
        while not over.wait(0.2):
            play(world)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def held(world: ScenarioWorld, kind: str, name: str) -> Iterator[None]:
    """Keep an object from being deleted; no finalizer without a kind."""
    folder = {"": "", "jobs": world.batch, "nodes": "/api/v1", "pods": world.core}[kind]
    path = f"{folder}/{kind}/{name}"
    if kind:
        world.call("PATCH", path, {"metadata": {"finalizers": ["kubernaut.io/test"]}}, MERGE)
    try:
        yield
    finally:
        if kind:
            world.call("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.action)
def test_it_changes_nothing_more_says_what_it_did_and_can_be_undone(
    cluster: Cluster, world: ScenarioWorld, action: Any, case: CancelCase, tmp_path: Path
) -> None:
    with lock_kinds() if case.action in {"renew_certificate", "snapshot_pvc"} else nullcontext():
        cancel_in_world(cluster, world, action, case, tmp_path)


def cancel_in_world(cluster: Cluster, world: ScenarioWorld, action: Any, case: CancelCase, folder: Path) -> None:
    """Make the object of a case, and cancel its action."""
    called = f"{case.part.replace('_', '-')}-{uuid4().hex[:6]}"
    with played(world):
        name = PARTS[case.part](world, called) or called
    place = {"namespace": world.name} if case.place else {}
    inputs = {**place, **({case.named: name} if case.named else {}), **case.inputs}
    with held(world, case.held, name):
        cancel(cluster, action, case.action, inputs, folder, watches=case.watches)
    if case.part in {"certificate", "snapshotted"}:
        delete_wide(world)


@pytest.mark.parametrize(("name", "kind", "inputs"), ROLLOUT_CASES)
def test_so_does_one_whose_pods_do_not_start(
    cluster: Cluster, machine: StandInNode, action: Any, name: str, kind: str, inputs: Json, tmp_path: Path
) -> None:
    with placed(cluster, machine, kind, name) as app:
        machine.answer = lambda _pod: None
        named = {"kind": kind, "name": app} if inputs else {kind.lower(): app}
        cancel(cluster, action, name, {"namespace": cluster.namespace, **named, **inputs}, tmp_path)


def cancel(cluster: Cluster, action: Any, name: str, inputs: Json, folder: Path, *, watches: int = 1) -> None:
    """Run an action, cancel it while it waits for its goal and watches, and undo it if that can be."""
    env = {"ACTION_INPUTS": json.dumps(inputs), "KUBECONFIG": str(cluster.kubeconfig)}
    with cluster.recorded(find(f"kubernetes/{name}")):
        process = action.start("run", f"kubernetes/{name}", **env)
        told = read_until_waiting(process)
        while len([one for one in cluster.proxy.requests if (one.permission or "").endswith(": watch")]) < watches:
            assert process.poll() is None, f"it ended before it watched: {told}"
            time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    written = writes(cluster)
    ended = action.ended(process)

    assert (ended.code, ended.document["status"], ended.document["changed"]) == (143, "cancelled", True), told
    assert ended.results["changed"] == "true"
    assert written
    assert writes(cluster) == written
    if find(f"kubernetes/{name}").undo_function is not None:
        change = folder / "change.json"
        change.write_text(json.dumps(ended.document["change"]))
        undone = action.run("undo", f"kubernetes/{name}", "--change", str(change), **env)
        assert (undone.code, undone.document["status"]) == (0, "succeeded"), undone.stderr
        assert len(writes(cluster)) > len(written)


def read_until_waiting(process: Any) -> str:
    """Read the log until the action waits for its goal."""
    told = ""
    while "waiting: " not in told:
        line = os.read(process.stderr.fileno(), 65536).decode()
        assert line, f"it ended before it waited: {told}{process.stdout.read()}"
        told += line
    return told


def writes(cluster: Cluster) -> list[str]:
    return [request.summary for request in cluster.proxy.requests if request.writes]
