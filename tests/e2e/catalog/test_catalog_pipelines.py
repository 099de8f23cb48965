"""The catalogue's Pipelines on a real Tekton: to success, and to their failure path."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from .conftest import ACCOUNT, CatalogNamespace

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]


@pytest.fixture
def world(catalog: CatalogNamespace, demo: Callable[[str], Any]) -> Iterator[Any]:
    """A git repository and an AWS account on loopback, and their Secrets."""
    with demo("pipelines") as made:
        files = {path.name: path.read_text() for path in made.secret.iterdir()}
        catalog.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"}, "stringData": files})
        yield made


def scale_out(catalog: CatalogNamespace, world: Any, deployment: str, branch: str) -> dict[str, str]:
    """Run scale-out-and-persist, and return how each of its Tasks ended."""
    where = {"repository": world.repository, "branch": branch, "path": "checkout.yaml", "field": "spec.replicas"}
    params = {"namespace": catalog.name, "deployment": deployment, "replicas": "2", **where}
    catalog.start("pipeline", "scale-out-and-persist", params)
    return ended(catalog, "scale-out-and-persist")


def ended(catalog: CatalogNamespace, pipeline: str) -> dict[str, str]:
    run = catalog.last("pipeline", pipeline)["metadata"]["name"]
    taskruns = catalog.get("taskruns", f"--selector=tekton.dev/pipelineRun={run}")["items"]
    results = {
        taskrun["metadata"]["labels"]["tekton.dev/pipelineTask"]: {
            one["name"]: one["value"] for one in taskrun["status"].get("results", [])
        }
        for taskrun in taskruns
    }
    return {task: found.get("status", "no results") for task, found in results.items()}


def declared(world: Any) -> str:
    shown = ["git", f"--git-dir={world.bare}", "show", "main:checkout.yaml"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout


def test_a_deployment_is_scaled_out_and_git_says_so(catalog: CatalogNamespace, world: Any, deployment: str) -> None:
    states = scale_out(catalog, world, deployment, "main")

    assert states == {"scale": "succeeded", "persist": "succeeded"}
    assert catalog.results("pipeline", "scale-out-and-persist") == {
        "scale-status": "succeeded",
        "persist-status": "succeeded",
    }
    assert catalog.get("deployment", deployment)["status"]["readyReplicas"] == 2
    assert "  replicas: 2   # raised by hand in June\n" in declared(world)


def test_what_git_refuses_leaves_the_deployment_scaled_as_the_page_says(
    catalog: CatalogNamespace, world: Any, deployment: str
) -> None:
    states = scale_out(catalog, world, deployment, "no-such-branch")

    assert states == {"scale": "succeeded", "persist": "failed"}
    assert catalog.get("deployment", deployment)["spec"]["replicas"] == 2
    assert "  replicas: 3   # raised by hand in June\n" in declared(world)


def test_nothing_is_committed_for_a_deployment_that_is_not_there(catalog: CatalogNamespace, world: Any) -> None:
    states = scale_out(catalog, world, "nobody", "main")

    assert states == {"scale": "failed"}
    assert "  replicas: 3   # raised by hand in June\n" in declared(world)


@pytest.fixture
def ec2(world: Any) -> Any:
    """A client of the account's EC2."""
    config = (world.secret / "config").read_text()
    endpoint = next(line.partition("=")[2].strip() for line in config.splitlines() if "endpoint_url" in line)
    return boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


def expand(catalog: CatalogNamespace, volume: str, size: int) -> dict[str, str]:
    params = {"region": "eu-central-1", "volume_id": volume, "size_gib": str(size)}
    catalog.start("pipeline", "expand-full-volume", params, "--workspace=name=aws,secret=aws")
    return ended(catalog, "expand-full-volume")


def test_a_volume_is_expanded_after_its_snapshot(catalog: CatalogNamespace, ec2: Any) -> None:
    volume = ec2.create_volume(Size=10, AvailabilityZone="eu-central-1a", VolumeType="gp3")["VolumeId"]
    states = expand(catalog, volume, 15)
    snapshots = ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [volume]}])["Snapshots"]

    assert states == {"snapshot": "succeeded", "extend": "succeeded"}
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"] == 15
    assert len(snapshots) == 1


def test_a_volume_that_may_not_grow_so_much_has_its_snapshot_and_its_size(catalog: CatalogNamespace, ec2: Any) -> None:
    volume = ec2.create_volume(Size=10, AvailabilityZone="eu-central-1a", VolumeType="gp3")["VolumeId"]
    states = expand(catalog, volume, 100)
    error = json.loads(last_error(catalog))

    assert states == {"snapshot": "succeeded", "extend": "failed"}
    assert (error["code"], ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"]) == (3, 10)


def last_error(catalog: CatalogNamespace) -> str:
    return str(catalog.results("task", "aws-extend-volume")["error"])


@pytest.fixture
def instance(ec2: Any) -> str:
    """An EC2 instance that runs."""
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]
    return str(made["InstanceId"])


@pytest.fixture
def nodes(catalog: CatalogNamespace) -> Iterator[None]:
    """The rights that actions of nodes need, for the catalogue's ServiceAccount."""
    name = f"{catalog.name}-nodes"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": catalog.name}],
    }
    catalog.kubectl("apply", "-f", "-", stdin=binding)
    yield
    catalog.kubectl("delete", "clusterrolebinding", name)


def reboot(catalog: CatalogNamespace, node: str, instance: str) -> dict[str, str]:
    """Plan drain-reboot-return-node, by a dry run: others use the cluster's nodes."""
    params = {"node": node, "region": "eu-central-1", "instance_ids": json.dumps([instance]), "dryRun": "true"}
    catalog.start("pipeline", "drain-reboot-return-node", params, "--workspace=name=aws,secret=aws")
    return ended(catalog, "drain-reboot-return-node")


def test_a_node_that_the_pipeline_itself_runs_on_is_not_drained_and_nothing_is_rebooted(
    catalog: CatalogNamespace, nodes: None, instance: str
) -> None:
    before = json.loads(catalog.kubectl("get", "nodes", "--output=json"))["items"]
    if len(before) != 1:
        pytest.skip(f"the cluster has {len(before)} nodes, and this is about the one that runs the step")
    states = reboot(catalog, before[0]["metadata"]["name"], instance)
    error = json.loads(catalog.results("task", "kubernetes-drain-node")["error"])
    [after] = json.loads(catalog.kubectl("get", "nodes", "--output=json"))["items"]

    assert states == {"drain": "failed"}
    assert (error["code"], error["reason"]) == (3, "OwnNode")
    assert error["message"].startswith(
        f"this step runs on {before[0]['metadata']['name']} itself, and would end half-way"
    )
    assert after["spec"] == before[0]["spec"]


def test_nothing_is_rebooted_for_a_node_that_is_not_there(
    catalog: CatalogNamespace, nodes: None, instance: str
) -> None:
    states = reboot(catalog, "nobody", instance)
    error = json.loads(catalog.results("task", "kubernetes-drain-node")["error"])

    assert states == {"drain": "failed"}
    assert error["reason"] == "NotFound"
