"""The catalogue's Pipelines on a real Tekton: to success, and to their failure path."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import CatalogNamespace

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]


def scale_out(catalog: CatalogNamespace, world: Any, deployment: str, branch: str) -> dict[str, str]:
    """Run scale-out-and-persist, and return how each of its Tasks ended."""
    where = {"repository": world.repository, "branch": branch, "path": "checkout.yaml", "field": "spec.replicas"}
    params = {"namespace": catalog.name, "deployment": deployment, "replicas": "2", **where}
    catalog.start("pipeline", "scale-out-and-persist", params)
    return catalog.ended("scale-out-and-persist")


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
def ec2(aws: Callable[[str], Any]) -> Any:
    return aws("ec2")


def expand(catalog: CatalogNamespace, volume: str, size: int) -> dict[str, str]:
    params = {"region": "eu-central-1", "volume_id": volume, "size_gib": str(size)}
    catalog.start("pipeline", "expand-full-volume", params, "--workspace=name=aws,secret=aws")
    return catalog.ended("expand-full-volume")


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
    error = catalog.error("aws-extend-volume")

    assert states == {"snapshot": "succeeded", "extend": "failed"}
    assert (error["code"], ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"]) == (3, 10)
