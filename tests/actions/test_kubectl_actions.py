"""The kubectl actions: on a real cluster where there is one, and what kubectl's complaints mean everywhere."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMESPACE = f"kubernaut-test-{os.getpid()}"


def run(action: Any, verb: str, action_type: str, inputs: dict[str, Any], **env: str) -> Any:
    kubeconfig = {"KUBECONFIG": os.environ["KUBECONFIG"]} if "KUBECONFIG" in os.environ else {}
    home = {} if kubeconfig else {"HOME": os.environ.get("HOME", "/")}
    base = {"ACTION_INPUTS": json.dumps(inputs), **kubeconfig, **home}
    return action.run(verb, f"kubernetes/{action_type}", **{**base, **env})


@pytest.fixture(scope="module")
def _namespace() -> Iterator[None]:
    yield
    if shutil.which("kubectl"):
        subprocess.run(["kubectl", "delete", "namespace", NAMESPACE, "--wait=false"], capture_output=True)


@pytest.fixture
def deployment(kubectl: Any, _namespace: None, request: pytest.FixtureRequest) -> str:
    """A Deployment of two pods that need no registry where the test cluster's own image is there."""
    name = f"app-{abs(hash(request.node.name)) % 10**8}"
    image = os.environ.get("KUBERNAUT_TEST_IMAGE", "cluster.local/shell:1")
    container = {"name": "app", "image": image, "command": ["/bin/sh", "-c", "sleep 1000"]}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "hostNetwork": True, "terminationGracePeriodSeconds": 0},
            },
        },
    }
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl("apply", "-f", "-", stdin=manifest)
    kubectl("rollout", "status", f"deployment/{name}", f"--namespace={NAMESPACE}", "--timeout=60s")
    return name


def get(kubectl: Any, name: str) -> Any:
    return kubectl("get", "deployment", name, f"--namespace={NAMESPACE}", "--output=json")


@pytest.mark.cluster
def test_scale_and_undo(action: Any, kubectl: Any, deployment: str, tmp_path: Path) -> None:
    inputs = {"namespace": NAMESPACE, "deployment": deployment, "replicas": 2}
    first, second = (run(action, "run", "scale_deployment", inputs) for _ in range(2))
    change = tmp_path / "change.json"
    change.write_text(json.dumps(first.document["change"]))

    assert (first.code, first.document["status"]) == (0, "succeeded"), first.stderr
    assert second.document["status"] == "unchanged"
    assert get(kubectl, deployment)["status"]["readyReplicas"] == 2
    undone = action.run(
        "undo",
        "kubernetes/scale_deployment",
        "--change",
        str(change),
        ACTION_INPUTS=json.dumps(inputs),
        KUBECONFIG=os.environ.get("KUBECONFIG", ""),
    )
    assert undone.code == 0, undone.stderr
    assert get(kubectl, deployment)["spec"]["replicas"] == 1


@pytest.mark.cluster
def test_restart_once_a_record_and_roll_back(action: Any, kubectl: Any, deployment: str) -> None:
    inputs = {"namespace": NAMESPACE, "deployment": deployment}
    record = {"ACTION_RECORD_ID": "019b5e4e-0000-7000-8000-000000000001"}
    first = run(action, "run", "restart_deployment", inputs, **record)
    again = run(action, "run", "restart_deployment", inputs, **record)

    assert (first.code, again.document["status"]) == (0, "unchanged"), first.stderr
    assert get(kubectl, deployment)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"

    back = run(action, "run", "rollback_deployment", inputs)
    found = get(kubectl, deployment)
    assert back.code == 0, back.stderr
    assert json.loads(back.results["output"])["revision"] == 1
    assert "kubernaut.io/restarted-by" not in found["spec"]["template"]["metadata"].get("annotations", {})
    assert found["metadata"]["annotations"]["kubernaut.io/rolled-back-by"] == back.results["record-id"]
    missing = run(action, "run", "rollback_deployment", {**inputs, "revision": 99})
    assert (missing.code, "has no revision 99; kept are" in missing.document["error"]["message"]) == (3, True)


@pytest.mark.cluster
def test_cordon_and_uncordon(action: Any, kubectl: Any) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"kubernaut-{os.getpid()}"}}
    name = {"node": node["metadata"]["name"]}  # type: ignore[index] # a node of its own, so that no real one is touched
    kubectl("apply", "-f", "-", stdin=node)
    try:
        cordoned, again = (run(action, "run", "cordon_node", name) for _ in range(2))
        uncordoned = run(action, "run", "uncordon_node", name)
    finally:
        kubectl("delete", "node", name["node"])

    assert [ended.document["status"] for ended in (cordoned, again, uncordoned)] == [
        "succeeded",
        "unchanged",
        "succeeded",
    ]


@pytest.mark.cluster
def test_what_is_not_there_and_what_is_not_allowed(action: Any, kubectl: Any) -> None:
    inputs = {"namespace": "default", "deployment": "nothing-here", "replicas": 2}
    missing = run(action, "run", "scale_deployment", inputs)
    checked = run(action, "check", "scale_deployment", inputs)

    assert (missing.code, json.loads(missing.results["error"])["reason"]) == (3, "NotFound")
    assert checked.code == 3


COMPLAINTS = [
    ('Error from server (NotFound): deployments.apps "x" not found', 3, "NotFound"),
    ('Error from server (Forbidden): deployments.apps "x" is forbidden: User "y" cannot get', 3, "Forbidden"),
    ("error: You must be logged in to the server (Unauthorized)", 1, "KubectlFailed"),
    ("Error from server (Unauthorized): the server has asked for the client to provide credentials", 3, "Unauthorized"),
    ("The connection to the server 127.0.0.1:1 was refused - connection refused", 75, "Unreachable"),
    ("Unable to connect to the server: net/http: TLS handshake timeout", 75, "Unreachable"),
    ("Unable to connect to the server: dial tcp: lookup nowhere: no such host", 75, "Unreachable"),
    ("Error from server (ServiceUnavailable): apiserver is shutting down", 75, "ServiceUnavailable"),
    ("Error from server (TooManyRequests): please try again later", 75, "TooManyRequests"),
    ("Error from server (Conflict): Operation cannot be fulfilled", 75, "Conflict"),
    ("Error from server (InternalError): etcdserver: leader changed", 75, "InternalError"),
    ("error: unknown flag: --nonsense", 1, "KubectlFailed"),
    ("The request is invalid: the server rejected our request due to an error in our request", 1, "KubectlFailed"),
]


@pytest.mark.parametrize(("complaint", "code", "reason"), COMPLAINTS)
def test_what_kubectl_complains_of_is_told_by_its_meaning(
    action: Any, tmp_path: Path, complaint: str, code: int, reason: str
) -> None:
    """A program that only complains stands in for kubectl; the texts are kubectl's own."""
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
    program.chmod(0o755)
    inputs = {"namespace": "a", "deployment": "b", "replicas": 2}
    ended = run(action, "run", "scale_deployment", inputs, PATH=f"{program.parent}:/usr/bin:/bin")

    assert (ended.code, json.loads(ended.results["error"])["reason"]) == (code, reason)
    assert ended.results["changed"] == "false"


@pytest.mark.parametrize("name", ["--all", "a b", "A", "a/b", "-n", "x" * 300, "", "é", "a\nb", "a\0b"])
def test_names_that_kubernetes_does_not_have_are_refused(action: Any, name: str) -> None:
    ended = run(action, "run", "scale_deployment", {"namespace": "a", "deployment": name, "replicas": 1})

    assert ended.code == 2
    assert "inputs.deployment" in ended.document["error"]["message"]
