"""The incidents of `examples/incidents`, run on moto by `kubernaut run`, each step a process."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from moto_worlds import Clients

INCIDENTS = Path(__file__).parents[3] / "examples" / "incidents"
FILES = sorted(path.name for path in INCIDENTS.glob("aws-*.yaml"))
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, aws: str) -> Run:
    """Runs an incident's file, with the examples' ids replaced; its state and the steps', by name."""
    secret = tmp_path / "aws"
    secret.mkdir()
    (secret / "config").write_text(f"[default]\nregion = eu-central-1\nendpoint_url = {aws}\n")
    (secret / "credentials").write_text("[default]\naws_access_key_id = x\naws_secret_access_key = s3cr3t-key-1\n")

    def call(file: str, code: int = 0, **names: str) -> dict[str, Any]:
        text = (INCIDENTS / file).read_text().replace("settle: 120", "settle: 1")  # moto checks nothing
        for example, name in names.items():
            text = text.replace(EXAMPLES[example], name)
        (tmp_path / file).write_text(text)
        program = str(Path(sys.executable).parent / "kubernaut")
        argv = [program, "run", str(tmp_path / file), f"--secret=aws={secret}", f"--data={tmp_path}/data", "-o", "json"]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return {step["name"]: step for step in document["steps"]}

    return call


EXAMPLES = {
    "instance": "i-0123456789abcdef0",
    "targets": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/checkout/0123456789abcdef",
    "volume": "vol-0123456789abcdef0",
    "zone": "Z0123456789ABCDEFGHIJ",
}


@pytest.fixture
def worlds(clients: "Clients") -> Any:
    import moto_worlds

    clients.reset()
    return moto_worlds


def states(steps: dict[str, Any]) -> dict[str, str]:
    return {name: step["state"] for name, step in steps.items()}


def test_a_group_at_capacity_grows(run: Run, worlds: Any, clients: "Clients") -> None:
    worlds.workers(clients)
    steps = run("aws-group-at-capacity.yaml")
    [group] = clients.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]

    assert (states(steps), len(group["Instances"])) == ({"grow": "succeeded"}, 4)


@pytest.mark.slow
def test_an_instance_that_fails_its_checks_is_out_while_it_is_rebooted(
    run: Run, worlds: Any, clients: "Clients"
) -> None:
    names = worlds.targets(clients)
    steps = run("aws-instance-fails-checks.yaml", **names)
    found = clients.elbv2.describe_target_health(TargetGroupArn=names["targets"])["TargetHealthDescriptions"]

    assert states(steps) == {"take-out": "succeeded", "reboot": "succeeded", "put-back": "succeeded"}
    assert names["instance"] in [item["Target"]["Id"] for item in found]


@pytest.mark.slow
def test_a_database_fails_over(run: Run, worlds: Any, clients: "Clients") -> None:
    worlds.cluster(clients)
    steps = run("aws-database-failover.yaml")
    [cluster] = clients.rds.describe_db_clusters()["DBClusters"]

    assert states(steps) == {"fail-over": "succeeded"}
    assert [m["DBInstanceIdentifier"] for m in cluster["DBClusterMembers"] if m["IsClusterWriter"]] == ["orders-2"]


def test_a_service_is_redeployed_and_one_that_fails_is_said_to(run: Run, worlds: Any, clients: "Clients") -> None:
    worlds.service(clients)
    [before] = clients.ecs.describe_services(cluster="shop", services=["checkout"])["services"]
    steps = run("aws-service-redeploy.yaml")
    [after] = clients.ecs.describe_services(cluster="shop", services=["checkout"])["services"]
    clients.reset()
    worlds.service(clients, "checkout-broken")
    broken = run("aws-service-redeploy.yaml", 1)["redeploy"]

    assert states(steps) == {"redeploy": "succeeded"}
    assert before["deployments"][0]["id"] != after["deployments"][0]["id"]
    assert (broken["state"], broken["error"]["code"]) == ("failed", 4)
    assert "failed: tasks failed to start" in broken["error"]["message"]


def test_an_alias_is_rolled_back(run: Run, worlds: Any, clients: "Clients") -> None:
    worlds.function(clients)
    steps = run("aws-lambda-rollback.yaml")

    assert states(steps) == {"roll-back": "succeeded"}
    assert clients.lambda_.get_alias(FunctionName="checkout", Name="live")["FunctionVersion"] == "1"


@pytest.mark.slow
def test_a_volume_grows_after_its_snapshot(run: Run, worlds: Any, clients: "Clients") -> None:
    names = worlds.volume(clients)
    steps = run("aws-volume-full.yaml", **names)
    [snapshot] = clients.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    [volume] = clients.ec2.describe_volumes(VolumeIds=[names["volume"]])["Volumes"]

    assert states(steps) == {"snapshot": "succeeded", "extend": "succeeded"}
    assert (snapshot["State"], volume["Size"]) == ("completed", 20)
    assert [tag["Value"] for tag in snapshot["Tags"]] == [steps["snapshot"]["recordId"]]


def test_dns_leads_away_from_a_site_that_is_redeployed_and_back(run: Run, worlds: Any, clients: "Clients") -> None:
    worlds.service(clients)
    names = worlds.zone(clients)
    steps = run("aws-dns-shift.yaml", **names)
    records = clients.route53.list_resource_record_sets(HostedZoneId=names["zone"])["ResourceRecordSets"]

    assert states(steps) == {"lead-away": "succeeded", "redeploy": "succeeded", "lead-back": "succeeded"}
    assert steps["lead-away"]["change"] == {"before": {"weight": 100}, "after": {"weight": 0}}
    assert [item["Weight"] for item in records if item.get("SetIdentifier") == "blue"] == [100]


@pytest.mark.slow
def test_while_a_site_fails_dns_goes_on_leading_away(run: Run, worlds: Any, clients: "Clients") -> None:
    worlds.service(clients, "checkout-broken")
    names = worlds.zone(clients)
    steps = run("aws-dns-shift.yaml", 1, **names)
    records = clients.route53.list_resource_record_sets(HostedZoneId=names["zone"])["ResourceRecordSets"]

    assert states(steps) == {"lead-away": "succeeded", "redeploy": "failed", "lead-back": "skipped"}
    assert [item["Weight"] for item in records if item.get("SetIdentifier") == "blue"] == [0]


def test_each_incident_is_run_here() -> None:
    assert [name for name in FILES if name not in Path(__file__).read_text()] == []
