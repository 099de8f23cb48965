"""The Pipeline drain-reboot-return-node on a real Tekton: a node whose kubelet is played, and moto's EC2."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ..conftest import ROOT, sh  # noqa: TID252 – tests/ is no package to name it by
from .conftest import CatalogNamespace, sleeper

if TYPE_CHECKING:
    from node_standin import StandInNode

sys.path.insert(0, str(ROOT / "tests" / "actions" / "standins"))

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

PIPELINE = "drain-reboot-return-node"


@pytest.fixture
def instance(aws: Callable[[str], Any]) -> str:
    """An EC2 instance that runs."""
    ec2 = aws("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]
    return str(made["InstanceId"])


@pytest.fixture
def machine() -> Iterator["StandInNode"]:
    """A node whose kubelet is played: pods are put there and evicted, their containers do not run."""
    from node_standin import StandInNode

    server = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    made = StandInNode(f"http://{server.stdout.readline().rpartition(' ')[2].strip()}")
    made.start()
    yield made
    made.stop()
    server.terminate()
    server.wait()
    server.stdout.close()


@pytest.fixture
def moved(catalog: CatalogNamespace, machine: "StandInNode") -> Iterator[Callable[..., str]]:
    """Puts a Deployment of one pod onto the machine, which may run elsewhere; the pod's node now."""
    name = "moves"

    def put(**pod: Any) -> str:
        if not catalog.get("deployments", f"--selector=app={name}")["items"]:
            document = sleeper(name, catalog.images["kubectl"], hostNetwork=True, **machine.placement, **pod)
            document["metadata"]["labels"] = {"app": name}
            catalog.apply(document)
        sh("kubectl", "rollout", "status", f"deployment/{name}", f"--namespace={catalog.name}", "--timeout=90s")
        pods = catalog.get("pods", f"--selector=app={name}")["items"]
        [node] = [pod["spec"]["nodeName"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return str(node)

    yield put
    catalog.kubectl("delete", "deployment", name, f"--namespace={catalog.name}", "--ignore-not-found", "--wait=true")


@pytest.fixture
def reboot(catalog: CatalogNamespace, granted: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """Runs the Pipeline with what its page grants, and tells how each Task ended."""

    def run(node: str, instance: str, **more: str) -> dict[str, str]:
        params = {"node": node, "region": "eu-central-1", "instance_ids": json.dumps([instance]), **more}
        params["min_schedulable"] = "0"  # there is one other node, or there are those of other tests
        account = granted("pipeline", PIPELINE)
        catalog.start("pipeline", PIPELINE, params, "--workspace=name=aws,secret=aws", account=account, seconds=400)
        return catalog.ended(PIPELINE)

    return run


def unschedulable(catalog: CatalogNamespace, node: str) -> bool:
    return bool(json.loads(catalog.kubectl("get", "node", node, "--output=json"))["spec"].get("unschedulable"))


def test_a_node_is_drained_rebooted_and_takes_pods_again(
    catalog: CatalogNamespace, machine: "StandInNode", moved: Callable[..., str], instance: str, reboot: Any
) -> None:
    before = moved()
    states = reboot(machine.name, instance)
    drained = json.loads(catalog.results("task", "kubernetes-drain-node")["output"])

    assert states == {"drain": "succeeded", "reboot": "succeeded", "wait": "unchanged", "return": "succeeded"}
    assert (before, moved()) == (machine.name, "localhost")
    assert drained["evicted"] == 1
    assert not unschedulable(catalog, machine.name)


def test_where_the_reboot_is_refused_the_node_stays_cordoned_as_the_page_says(
    catalog: CatalogNamespace,
    machine: "StandInNode",
    moved: Callable[..., str],
    instance: str,
    aws: Callable[[str], Any],
    reboot: Any,
) -> None:
    moved()
    aws("ec2").stop_instances(InstanceIds=[instance])
    states = reboot(machine.name, instance)

    assert states == {"drain": "succeeded", "reboot": "failed"}
    assert "only running instances can be rebooted" in catalog.error("aws-reboot-instances")["message"]
    assert unschedulable(catalog, machine.name)


def test_a_node_with_data_that_would_be_lost_is_neither_drained_nor_rebooted(
    catalog: CatalogNamespace, machine: "StandInNode", moved: Callable[..., str], instance: str, reboot: Any
) -> None:
    moved(volumes=[{"name": "data", "emptyDir": {}}])
    states = reboot(machine.name, instance)

    assert states == {"drain": "failed"}
    assert catalog.error("kubernetes-drain-node")["reason"] == "NotEvictable"
    assert not unschedulable(catalog, machine.name)
    assert moved() == machine.name


def test_a_node_that_the_pipeline_itself_runs_on_is_not_drained_and_nothing_is_rebooted(
    catalog: CatalogNamespace, instance: str, reboot: Any
) -> None:
    before = json.loads(catalog.kubectl("get", "nodes", "--output=json"))["items"]
    if len(before) != 1:
        pytest.skip(f"the cluster has {len(before)} nodes, and this is about the one that runs the step")
    states = reboot(before[0]["metadata"]["name"], instance, dryRun="true")
    error = catalog.error("kubernetes-drain-node")
    [after] = json.loads(catalog.kubectl("get", "nodes", "--output=json"))["items"]

    assert states == {"drain": "failed"}
    assert (error["code"], error["reason"]) == (3, "OwnNode")
    assert error["message"].startswith(
        f"this step runs on {before[0]['metadata']['name']} itself, and would end half-way"
    )
    assert after["spec"] == before[0]["spec"]


def test_nothing_is_rebooted_for_a_node_that_is_not_there(
    catalog: CatalogNamespace, instance: str, reboot: Any
) -> None:
    states = reboot("nobody", instance, dryRun="true")

    assert states == {"drain": "failed"}
    assert catalog.error("kubernetes-drain-node")["reason"] == "NotFound"
