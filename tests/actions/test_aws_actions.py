"""The AWS actions on a real AWS API: moto's server on loopback."""

import json
from typing import Any

import boto3
import pytest

REGION = "eu-central-1"


@pytest.fixture
def account(action: Any, aws: str) -> Any:
    """The action's Secret leads to the API; an Auto Scaling group and an instance are there."""
    (action.secrets / "config").write_text(f"[default]\nregion = {REGION}\nendpoint_url = {aws}\n")
    (action.secrets / "credentials").write_text(
        "[default]\naws_access_key_id = x\naws_secret_access_key = s3cr3t-key-1\n"
    )
    session = boto3.Session("x", "y", region_name=REGION)
    return session.client("ec2", endpoint_url=aws), session.client("autoscaling", endpoint_url=aws)


@pytest.fixture
def group(account: Any, request: pytest.FixtureRequest) -> str:
    ec2, scaling = account
    name = f"group-{abs(hash(request.node.name)) % 10**8}"
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    scaling.create_launch_configuration(LaunchConfigurationName=name, ImageId=image, InstanceType="t3.small")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        MinSize=1,
        MaxSize=5,
        DesiredCapacity=2,
        AvailabilityZones=[f"{REGION}a"],
    )
    return name


def capacity(action: Any, group: str, desired: int, verb: str = "run", **env: str) -> Any:
    inputs = {"region": REGION, "group": group, "desired": desired}
    return action.run(verb, "aws/set_desired_capacity", ACTION_INPUTS=json.dumps(inputs), **env)


def test_the_group_gets_its_instances(action: Any, account: Any, group: str) -> None:
    first, second = capacity(action, group, 4), capacity(action, group, 4)
    found = account[1].describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]

    assert (first.code, first.document["status"]) == (0, "succeeded"), first.stderr
    assert first.document["change"] == {"before": {"desired": 2}, "after": {"desired": 4}}
    assert second.document["status"] == "unchanged"
    assert (found["DesiredCapacity"], len(found["Instances"])) == (4, 4)
    assert "s3cr3t-key-1" not in first.stderr + first.stdout


@pytest.mark.parametrize(
    ("inputs", "code", "told"),
    [
        ({"desired": 9}, 3, "allows 1 to 5 instances, not 9"),
        ({"group": "nothing"}, 3, "there is no Auto Scaling group nothing in eu-central-1."),
        ({"desired": "4"}, 2, "inputs.desired: input should be a valid integer; it is '4'."),
        ({"desired": -1}, 2, "inputs.desired"),
        ({"region": "--region"}, 2, "inputs.region"),
    ],
)
def test_what_cannot_be_done(action: Any, account: Any, group: str, inputs: Any, code: int, told: str) -> None:
    base = {"region": REGION, "group": group, "desired": 3}
    ended = action.run("run", "aws/set_desired_capacity", ACTION_INPUTS=json.dumps({**base, **inputs}))

    assert ended.code == code, ended.stderr
    assert told in ended.document["error"]["message"]


def test_out_of_reach_is_transient(action: Any, account: Any, group: str, closed_port: str) -> None:
    (action.secrets / "config").write_text(f"[default]\nendpoint_url = {closed_port}\n")
    ended = capacity(action, group, 4, ACTION_RETRIES="1")

    assert ended.code == 75
    assert ended.results["changed"] == "false"
    assert ended.document["record"]["attempt"] == 1


def test_without_credentials_it_says_so(action: Any, aws: str) -> None:
    (action.secrets / "config").write_text(f"[default]\nendpoint_url = {aws}\n")
    ended = capacity(action, "any", 4, AWS_EC2_METADATA_DISABLED="true")

    assert ended.code == 3
    assert json.loads(ended.results["error"])["reason"] == "NoCredentials"


def test_running_instances_are_rebooted(action: Any, account: Any) -> None:
    ec2, _ = account
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=2, MaxCount=2)["Instances"]
    ids = [instance["InstanceId"] for instance in made]

    def reboot(*instances: str) -> Any:
        inputs = {"region": REGION, "instance_ids": list(instances)}
        return action.run("run", "aws/reboot_instances", ACTION_INPUTS=json.dumps(inputs))

    done = reboot(*ids)
    ec2.stop_instances(InstanceIds=[ids[1]])
    stopped, unknown, nonsense = reboot(*ids), reboot("i-00000000"), reboot("--all")

    assert (done.code, json.loads(done.results["output"])["count"]) == (0, 2), done.stderr
    assert stopped.code == 3
    assert f"only running instances can be rebooted: {ids[1]} is stopped." in stopped.document["error"]["message"]
    assert (unknown.code, nonsense.code) == (3, 2)
