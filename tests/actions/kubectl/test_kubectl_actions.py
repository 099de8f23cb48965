"""The kubectl actions: on a real cluster where there is one, and what they refuse everywhere."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubectl_standin import Kubectl

from kubernaut_kubectl.nodes.cordon import cordon_node
from kubernaut_kubectl.workloads.restart import restart_deployment
from kubernaut_kubectl.workloads.rollback import rollback_deployment
from kubernaut_kubectl.workloads.scale import scale_deployment
from kubernaut_sdk import Action, InvalidInputs
from kubernaut_sdk.models import parse_inputs
from kubernaut_sdk.testing import ActionRunner, Answer

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


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["--all", "a b", "A", "a/b", "-n", "x" * 300, "", "é", "a\nb", "a\0b"])
def test_names_that_kubernetes_does_not_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputs, match=r"inputs\.deployment"):
        parse_inputs(scale_deployment.inputs_model, {"namespace": "a", "deployment": name, "replicas": 1})
    with pytest.raises(InvalidInputs, match=r"inputs\.node"):
        parse_inputs(cordon_node.inputs_model, {"node": name})


@pytest.mark.parametrize(
    ("action", "patches"),
    [(scale_deployment, 2), (restart_deployment, 4)],  # a restart reads again, and tries once more, in each attempt
    ids=repr,
)
def test_somebody_who_was_first_makes_it_plan_anew(action: Action, patches: int) -> None:
    kubectl = Kubectl(replicas=5)

    def first(argv: list[str], stdin: str | None) -> Answer:
        if argv[1] == "patch":  # between the read and the write
            kubectl.found["spec"]["replicas"] += 1
            kubectl.found["metadata"]["generation"] += 1
        return kubectl(argv, stdin)

    inputs = {"namespace": "a", "deployment": "b", **({"replicas": 2} if action is scale_deployment else {})}
    ran = ActionRunner(action, tools={"kubectl": first}, retries=1).run(inputs)

    assert (ran.exit_code, len(kubectl.patches)) == (75, patches)
    assert ran.error is not None
    assert "changed since it was read; it is planned anew" in ran.error.message
    assert kubectl.patches[0][0]["op"] == "test"
    assert all('"op"' not in argument for call in ran.calls for argument in call)


def test_check_does_not_take_silence_for_a_no(action: Any, tmp_path: Path) -> None:
    refused = "The connection to the server was refused - did you specify the right host or port?"
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    found = json.dumps({**Kubectl(replicas=2).found, "items": []})
    answers = f"case $1 in get) echo '{found}';; *) echo '{refused}' >&2; exit 1;; esac"
    program.write_text(f"#!/bin/sh\n{answers}\n")
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    checked = run(action, "check", "scale_deployment", {"namespace": "a", "deployment": "b", "replicas": 2}, PATH=path)
    problems = [check["problem"] for check in checked.document["checks"] if check["problem"]]

    assert problems[0] == f"whether it may get deployments.apps is not known: {refused}"


@pytest.mark.parametrize("action", [restart_deployment, rollback_deployment], ids=repr)
def test_nothing_rolls_out_of_a_paused_deployment(action: Action) -> None:
    kubectl = Kubectl()
    kubectl.found["spec"]["paused"] = True
    ran = ActionRunner(action, tools={"kubectl": kubectl}).run({"namespace": "a", "deployment": "b"})

    assert ran.exit_code == 3
    assert ran.error is not None
    assert "b is paused; resume it with `kubectl rollout resume` first." in ran.error.message


@pytest.mark.cluster
def test_scaling_down_waits_until_the_pods_are_gone(action: Any, kubectl: Any, deployment: str) -> None:
    kubectl("scale", f"deployment/{deployment}", f"--namespace={NAMESPACE}", "--replicas=3")
    kubectl("rollout", "status", f"deployment/{deployment}", f"--namespace={NAMESPACE}", "--timeout=60s")
    inputs = {"namespace": NAMESPACE, "deployment": deployment, "replicas": 0, "allow_zero": True}
    ended = run(action, "run", "scale_deployment", inputs)

    assert ended.code == 0, ended.stderr
    assert get(kubectl, deployment)["status"].get("replicas", 0) == 0


@pytest.mark.cluster
def test_a_rollout_that_was_given_up_is_told_and_rolled_back(action: Any, kubectl: Any, deployment: str) -> None:
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "cluster.local/nothing:1"}
    never = {"op": "add", "path": "/spec/template/spec/containers/0/imagePullPolicy", "value": "Never"}
    soon = {"op": "replace", "path": "/spec/progressDeadlineSeconds", "value": 1}
    words = ("patch", "deployment", deployment, f"--namespace={NAMESPACE}", "--type=json")
    kubectl(*words, f"--patch={json.dumps([soon, image, never])}")
    inputs = {"namespace": NAMESPACE, "deployment": deployment}
    restarted = run(action, "run", "restart_deployment", inputs, ACTION_RETRIES="3")
    kubectl(*words, f"--patch={json.dumps([{**soon, 'value': 60}])}")  # a busy machine needs more than that second
    back = run(action, "run", "rollback_deployment", {**inputs, "revision": 1})

    assert (restarted.code, restarted.results["changed"]) == (4, "true"), restarted.stderr
    # Kubernetes gives it up after a second, if that was not seen first
    assert re.search("was given up: |ErrImageNeverPull", restarted.document["error"]["message"])
    assert (back.code, json.loads(back.results["output"])["revision"]) == (0, 1), back.stderr


@pytest.mark.slow
@pytest.mark.cluster
def test_a_number_that_an_autoscaler_owns_is_refused_and_its_revert_is_told(
    action: Any, kubectl: Any, deployment: str
) -> None:
    here = f"--namespace={NAMESPACE}"
    kubectl("autoscale", f"deployment/{deployment}", here, "--name=own", "--min=2", "--max=2", "--cpu-percent=50")
    inputs = {"namespace": NAMESPACE, "deployment": deployment, "replicas": 3}
    try:
        refused = run(action, "run", "scale_deployment", inputs)
        proceeded = run(action, "run", "scale_deployment", {**inputs, "when_owned": "proceed"}, ACTION_TIMEOUT="55s")
    finally:
        kubectl("delete", "hpa", "own", here)

    assert (refused.code, refused.document["error"]["reason"]) == (3, "Owned"), refused.stderr
    assert "HorizontalPodAutoscaler own (2 to 2 replicas)" in refused.document["error"]["message"]
    assert (proceeded.code, proceeded.document["error"]["reason"]) == (4, "TakenBack"), proceeded.stderr
    assert "and then by a HorizontalPodAutoscaler to 2" in proceeded.document["error"]["message"]


@pytest.mark.slow
@pytest.mark.cluster
def test_a_cause_that_only_the_pods_tell_is_told(action: Any, kubectl: Any, deployment: str) -> None:
    crash = {"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["/bin/sh", "-c", "exit 3"]}
    words = ("patch", "deployment", deployment, f"--namespace={NAMESPACE}", "--type=json")
    kubectl(*words, f"--patch={json.dumps([crash])}")
    inputs = {"namespace": NAMESPACE, "deployment": deployment}
    restarted = run(action, "run", "restart_deployment", inputs, ACTION_TIMEOUT="40s")

    assert (restarted.code, restarted.results["changed"]) == (4, "true"), restarted.stderr
    assert "exit code 3" in restarted.document["error"]["message"]
