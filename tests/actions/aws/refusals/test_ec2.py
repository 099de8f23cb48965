"""The refusals of EC2's actions, and ends of theirs that only a stand-in plays."""

from typing import Any

import pytest
from aws_answers import ONE, THREE, TWO, Answers, require, run


def instances(*states: str, **more: Any) -> Answers:
    names = (ONE, TWO, THREE)
    found = [
        {"InstanceId": name, "State": {"Name": state}, "InstanceType": "t3.micro", **more}
        for name, state in zip(names, states, strict=False)
    ]
    return {"Reservations": [{"Instances": found}]}


STOPPABLE: Answers = {
    "describe_instances": instances("running"),
    "describe_auto_scaling_instances": {"AutoScalingInstances": []},
    "describe_instance_attribute": {"DisableApiStop": {"Value": False}},
    "describe_instance_types": {"InstanceTypes": [{"InstanceType": "t3.micro", "InstanceStorageSupported": False}]},
    "stop_instances": {},
    "start_instances": {},
}
MEMBER = {
    "InstanceId": ONE,
    "AutoScalingGroupName": "workers",
    "AvailabilityZone": "eu-central-1a",
    "LifecycleState": "InService",
    "HealthStatus": "HEALTHY",
    "ProtectedFromScaleIn": False,
}


@pytest.mark.parametrize(
    ("answers", "inputs", "message"),
    [
        (
            {"describe_auto_scaling_instances": {"AutoScalingInstances": [MEMBER]}},
            {},
            "terminates and replaces an instance that is stopped; take it out of service with aws/enter_standby first.",
        ),
        ({"describe_instance_attribute": {"DisableApiStop": {"Value": True}}}, {}, "is protected from being stopped"),
        ({"describe_instances": instances("running", RootDeviceType="instance-store")}, {}, "cannot be stopped, only"),
        ({"describe_instances": instances("running", InstanceLifecycle="spot")}, {}, "is a Spot instance"),
        ({"describe_instances": instances("terminated")}, {}, f"neither started nor stopped: {ONE} is terminated."),
        (
            {
                "describe_instance_types": {
                    "InstanceTypes": [{"InstanceType": "t3.micro", "InstanceStorageSupported": True}]
                }
            },
            {},
            "whose data a stop erases; set lose_instance_store to true if it may be lost.",
        ),
        ({}, {"instance_ids": [ONE, TWO], "max_instances": 1}, "max_instances is 1, and instance_ids names 2"),
        ({}, {"instance_ids": [ONE, ONE]}, "instance_ids names an instance twice"),
    ],
)
def test_an_instance_that_is_not_stopped(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, message: str
) -> None:
    require(
        run(monkeypatch, "aws/stop_instances", {**STOPPABLE, **answers}, **{"instance_ids": [ONE], **inputs}),
        3,
        message,
    )


def test_an_instance_in_standby_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    standby = {"AutoScalingInstances": [{**MEMBER, "LifecycleState": "Standby"}]}
    states = [instances("running")] * 3 + [instances("stopping"), instances("stopped")]
    answers = {**STOPPABLE, "describe_auto_scaling_instances": standby, "describe_instances": states}

    assert run(monkeypatch, "aws/stop_instances", answers, instance_ids=[ONE]).exit_code == 0


def test_an_instance_that_somebody_starts_again_is_no_stopped_one(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [instances("running")] * 3 + [instances("stopping"), instances("running")]
    ran = run(monkeypatch, "aws/stop_instances", {**STOPPABLE, "describe_instances": states}, instance_ids=[ONE])

    require(ran, 4, f"{ONE} was stopped, and is running by somebody else.")


def status(state: str, check: str = "ok") -> Answers:
    one = {"InstanceId": ONE, "InstanceState": {"Name": state}}
    return {"InstanceStatuses": [{**one, "InstanceStatus": {"Status": check}, "SystemStatus": {"Status": "ok"}}]}


def test_an_instance_that_ec2_stops_while_it_starts_ends_the_step_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = {"Code": "Client.InternalError", "Message": "Client.InternalError: the volume's key is disabled"}
    answers = {
        "describe_instances": [instances("stopped")] * 2 + [instances("stopped", StateReason=reason)],
        "start_instances": {},
        "describe_instance_status": [status("stopped"), status("pending"), status("stopped")],
    }
    ran = run(monkeypatch, "aws/start_instances", answers, instance_ids=[ONE])

    require(ran, 4, f"{ONE} began to start and is stopped: Client.InternalError: the volume's key is disabled.")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"describe_auto_scaling_instances": {"AutoScalingInstances": [MEMBER]}},
            "answers its health check no more; take it",
        ),
        (
            {"describe_security_groups": {"SecurityGroups": [{"GroupId": "sg-00000009", "VpcId": "vpc-2"}]}},
            "sg-00000009 is of vpc-2, and the instance of vpc-1.",
        ),
        (
            {
                "describe_security_groups": {
                    "SecurityGroups": [
                        {
                            "GroupId": "sg-00000009",
                            "VpcId": "vpc-1",
                            "IpPermissions": [{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
                        }
                    ]
                }
            },
            "sg-00000009 lets everybody in, so it isolates nothing",
        ),
        (
            {
                "describe_network_interfaces": {
                    "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "RequesterManaged": True, "Groups": []}]
                }
            },
            "the interface eni-1 is managed by an AWS service; it is not touched.",
        ),
        ({"describe_network_interfaces": {"NetworkInterfaces": []}}, "has no network interface in eu-central-1."),
        ({"describe_instances": instances("terminated")}, f"{ONE} is terminated."),
    ],
)
def test_an_instance_that_is_not_isolated(monkeypatch: pytest.MonkeyPatch, answers: Answers, message: str) -> None:
    base: Answers = {
        "describe_instances": instances("running", VpcId="vpc-1"),
        "describe_auto_scaling_instances": {"AutoScalingInstances": []},
        "describe_network_interfaces": {
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": "sg-00000001"}]}]
        },
        "describe_security_groups": {"SecurityGroups": [{"GroupId": "sg-00000009", "VpcId": "vpc-1"}]},
    }
    inputs = {"instance_id": ONE, "security_group_ids": ["sg-00000009"]}
    require(run(monkeypatch, "aws/isolate_instance", {**base, **answers}, **inputs), 3, message)
