"""The refusals of each AWS action, and ends that only a stand-in plays: its answers are held to botocore's models."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_standin import AwsStandIn

from kubernaut_aws.common.moments import answered_at
from kubernaut_sdk.catalog import find
from kubernaut_sdk.testing import ActionRunner, Ran

Answers = dict[str, Any]
NOW = datetime.now(UTC)
EXECUTION = "00000000-0000-4000-8000-000000000000"
ONE, TWO, THREE = (f"i-{number:017x}" for number in (1, 2, 3))
ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/checkout/0123456789abcdef"


def run(monkeypatch: pytest.MonkeyPatch, action_type: str, answers: Answers, **inputs: Any) -> Ran:
    """Runs an action; an answer is what AWS always says, a list what it says one after the other, the last for ever."""

    def player(answer: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        left = list(answer) if isinstance(answer, list) else [answer]
        return lambda _: dict(left.pop(0) if len(left) > 1 else left[0])

    AwsStandIn(**{name: player(answer) for name, answer in answers.items()}).stand_in(monkeypatch)
    return ActionRunner(find(action_type)).run({"region": "eu-central-1", **inputs})


def require(ran: Ran, code: int, message: str) -> None:
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error
    assert ran.changed is (code != 3)


# EC2


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


# EBS


def volume(size: int = 10, state: str = "in-use") -> Answers:
    return {"Volumes": [{"VolumeId": "vol-00000001", "Size": size, "State": state}]}


def modification(state: str, started: timedelta = timedelta(hours=1), **more: Any) -> Answers:
    known = {"VolumeId": "vol-00000001", "ModificationState": state, "StartTime": NOW - started, "TargetSize": 20}
    return {"VolumesModifications": [{**known, **more}]}


@pytest.mark.parametrize(
    ("answers", "size", "code", "message"),
    [
        ({}, 5, 3, "vol-00000001 has 10 GiB, and EBS makes no volume smaller"),
        ({}, 25, 3, "max_factor is 2, and 25 GiB are 2.5 times the 10 GiB of vol-00000001"),
        ({"describe_volumes": volume(state="deleting")}, 20, 3, "vol-00000001 is deleting."),
        ({"describe_volumes_modifications": modification("optimizing", Progress=40)}, 20, 3, "is optimizing since an"),
        (
            {"describe_volumes_modifications": modification("completed")},
            20,
            3,
            "EC2 modifies a volume once in six hours",
        ),
        (
            {
                "describe_volumes_modifications": [
                    {"VolumesModifications": []},
                    modification("failed", StatusMessage="no space"),
                ]
            },
            20,
            4,
            "EC2 could not extend vol-00000001: no space.",
        ),
        (
            {"describe_volumes": [volume(), volume(), volume(30)]},
            20,
            4,
            "was extended to 20 GiB, and by somebody else to 30.",
        ),
        ({}, 20, 4, "vol-00000001 still has 10 GiB, not 20."),
        ({"describe_volumes": [volume(), volume(11)]}, 20, 75, "vol-00000001 was at size_gib 10 when it was read"),
    ],
)
def test_a_volume_that_does_not_grow(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, size: int, code: int, message: str
) -> None:
    base: Answers = {
        "describe_volumes": volume(),
        "describe_volumes_modifications": {"VolumesModifications": []},
        "modify_volume": {},
    }
    ran = run(monkeypatch, "aws/extend_volume", {**base, **answers}, volume_id="vol-00000001", size_gib=size)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


def test_a_volume_may_grow_six_hours_after_and_is_ready_while_it_is_optimized(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "describe_volumes": [volume(), volume(), volume(), volume(20)],
        "describe_volumes_modifications": [
            modification("completed", timedelta(hours=7)),
            modification("modifying", timedelta(0)),
            modification("optimizing", timedelta(0)),
        ],
        "modify_volume": {},
    }
    assert run(monkeypatch, "aws/extend_volume", answers, volume_id="vol-00000001", size_gib=20).exit_code == 0


def snapshot(state: str, name: str = "snap-1", **more: Any) -> Answers:
    return {"Snapshots": [{"SnapshotId": name, "State": state, "VolumeId": "vol-00000001", **more}]}


@pytest.mark.parametrize(
    ("listed", "code", "message"),
    [
        ([snapshot("pending", "snap-9")], 3, "the snapshot snap-9 of vol-00000001 is pending"),
        (
            [{"Snapshots": []}, {"Snapshots": []}, snapshot("error", StateMessage="no key")],
            4,
            "snap-1 is error: no key.",
        ),
        ([{"Snapshots": []}], 4, "EC2 does not list the snapshot of vol-00000001 yet."),
        ([{"Snapshots": []}, snapshot("pending", Progress="40%")], 4, "snap-1 is at 40%."),
    ],
)
def test_a_snapshot_that_is_not_completed(
    monkeypatch: pytest.MonkeyPatch, listed: list[Answers], code: int, message: str
) -> None:
    made = {"SnapshotId": "snap-1", "VolumeSize": 10}
    answers = {"describe_volumes": volume(), "describe_snapshots": listed, "create_snapshot": made}
    require(run(monkeypatch, "aws/create_snapshot", answers, volume_id="vol-00000001"), code, message)


# ECS and EKS


def service(desired: int = 2, *deployments: Answers, **more: Any) -> Answers:
    known = {"serviceName": "checkout", "status": "ACTIVE", "desiredCount": desired, "pendingCount": 0}
    rolled = list(deployments) or [deployment("ecs-svc/1")]
    return {"services": [{"runningCount": desired, "deployments": rolled, **known, **more}]}


def deployment(name: str, rollout: str = "COMPLETED", status: str = "PRIMARY", **more: Any) -> Answers:
    return {"id": name, "rolloutState": rollout, "status": status, "runningCount": 1, "desiredCount": 2, **more}


MADE = {
    "service": service(2, deployment("ecs-svc/2", "IN_PROGRESS"), deployment("ecs-svc/1", status="ACTIVE"))["services"][
        0
    ]
}


@pytest.mark.parametrize(
    ("listed", "code", "message"),
    [
        ([service(0)], 3, "has 0 desired tasks, so a deployment would prove nothing"),
        ([service(2, deployment("ecs-svc/1", "IN_PROGRESS"))], 3, "the deployment ecs-svc/1 of checkout is under way"),
        ([service(deploymentController={"type": "CODE_DEPLOY"})], 3, "is deployed by CODE_DEPLOY, not by ECS"),
        ([service(schedulingStrategy="DAEMON")], 3, "is a DAEMON"),
        ([service(status="INACTIVE")], 3, "is INACTIVE."),
        ([{"services": []}], 3, "the service checkout of cluster shop in eu-central-1 does not exist."),
        ([service(deploymentConfiguration={"minimumHealthyPercent": 0})], 3, "has a minimumHealthyPercent of 0"),
        (
            [
                service(),
                service(),
                service(
                    2,
                    deployment("ecs-svc/2", "FAILED", "ACTIVE", rolloutStateReason="tasks failed."),
                    deployment("ecs-svc/3", "IN_PROGRESS"),
                ),
            ],
            4,
            "the deployment ecs-svc/2 failed: tasks failed; ECS rolled back to ecs-svc/3.",
        ),
        (
            [service(), service(), service(2, deployment("ecs-svc/9"))],
            4,
            "the deployment ecs-svc/2 is no longer the primary one; ecs-svc/9 is",
        ),
        ([service()], 4, "ECS does not list the deployment ecs-svc/2 yet."),
        (
            [
                service(),
                service(),
                service(
                    2,
                    deployment("ecs-svc/2", "IN_PROGRESS", failedTasks=3),
                    events=[{"id": "e", "createdAt": NOW, "message": "(service checkout) was unable to place a task."}],
                ),
            ],
            4,
            "1 of 2 tasks of ecs-svc/2 run, 3 failed; ECS says: (service checkout) was unable to place a task.",
        ),
    ],
)
def test_a_service_that_is_not_redeployed(
    monkeypatch: pytest.MonkeyPatch, listed: list[Answers], code: int, message: str
) -> None:
    answers = {"describe_services": listed, "update_service": MADE}
    require(run(monkeypatch, "aws/redeploy_ecs_service", answers, cluster="shop", service="checkout"), code, message)


def test_a_deployment_that_is_listed_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [service(), service(), service(), service(2, deployment("ecs-svc/2"))]
    answers = {"describe_services": late, "update_service": MADE}

    assert run(monkeypatch, "aws/redeploy_ecs_service", answers, cluster="shop", service="checkout").exit_code == 0


@pytest.mark.parametrize(
    ("listed", "desired", "code", "message"),
    [
        ([service()], 0, 3, "desired is 0, which ends the last task of checkout; set allow_zero to true"),
        ([service(2), service(2), service(2)], 4, 4, "still reads desired 2, not desired 4."),
        (
            [service(2), service(2), service(7)],
            4,
            4,
            "and then by somebody else to desired 7; is there a scaling policy?",
        ),
        (
            [service(2), service(3)],
            4,
            75,
            "was at desired 2 when it was read, and is at desired 3; it is planned anew.",
        ),
        (
            [service(2), service(2), service(4, runningCount=3, pendingCount=1)],
            4,
            4,
            "3 of 4 tasks of checkout run, 1 are",
        ),
        ([service(2), service(2), service(4, deployment("e", "FAILED"))], 4, 4, "the deployment of checkout failed"),
    ],
)
def test_a_service_that_is_not_scaled(
    monkeypatch: pytest.MonkeyPatch, listed: list[Answers], desired: int, code: int, message: str
) -> None:
    answers = {"describe_services": listed, "update_service": {}}
    ran = run(monkeypatch, "aws/scale_ecs_service", answers, cluster="shop", service="checkout", desired=desired)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


def nodes(desired: int, status: str = "ACTIVE", **more: Any) -> Answers:
    scaling = {"minSize": 0, "maxSize": 6, "desiredSize": desired}
    return {"nodegroup": {"nodegroupName": "workers", "status": status, "scalingConfig": scaling, **more}}


def update(status: str, **more: Any) -> Answers:
    return {"update": {"id": "u-1", "status": status, **more}}


@pytest.mark.parametrize(
    ("answers", "desired", "code", "message"),
    [
        ({}, 7, 3, "node group workers allows 0 to 6 nodes, not 7"),
        ({}, 0, 3, "desired is 0, which ends the last node of workers; set allow_zero to true"),
        ({"describe_nodegroup": nodes(2, "UPDATING")}, 4, 3, "node group workers is UPDATING."),
        (
            {
                "describe_update": update(
                    "Failed", errors=[{"errorCode": "AsgInstanceLaunchFailures", "errorMessage": "no IP"}]
                )
            },
            4,
            4,
            "the update u-1 of workers is Failed: AsgInstanceLaunchFailures: no IP.",
        ),
        ({"describe_update": update("InProgress")}, 4, 4, "the update u-1 is InProgress."),
        (
            {
                "describe_nodegroup": [
                    nodes(2),
                    nodes(2),
                    nodes(4, "DEGRADED", health={"issues": [{"code": "AccessDenied", "message": "no role."}]}),
                ]
            },
            4,
            4,
            "node group workers is DEGRADED; AccessDenied: no role.",
        ),
        (
            {"describe_nodegroup": [nodes(2), nodes(2), nodes(3)]},
            4,
            4,
            "by somebody else to desired 3; is there a cluster",
        ),
    ],
)
def test_a_node_group_that_is_not_scaled(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, desired: int, code: int, message: str
) -> None:
    base: Answers = {
        "describe_nodegroup": nodes(2),
        "describe_update": update("Successful"),
        "update_nodegroup_config": update("InProgress"),
    }
    inputs = {"cluster": "shop", "nodegroup": "workers", "desired": desired}
    require(run(monkeypatch, "aws/scale_nodegroup", {**base, **answers}, **inputs), code, message)


# RDS


def db(status: str = "available", **more: Any) -> Answers:
    return {"DBInstances": [{"DBInstanceIdentifier": "orders", "DBInstanceStatus": status, **more}]}


def event(message: str, age: float = 0) -> Answers:
    when = datetime.now(UTC) - timedelta(seconds=age)
    return {"Events": [{"SourceIdentifier": "orders", "Message": message, "Date": when}]}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({"describe_db_instances": db("modifying")}, {}, 3, "orders is modifying, and must be available."),
        (
            {},
            {"failover": True},
            3,
            "orders is not Multi-AZ, so there is no standby to fail over to; reboot it without",
        ),
        (
            {"describe_db_instances": db(DBClusterIdentifier="c")},
            {"failover": True},
            3,
            "no standby to fail over to; use aws/failover_db_cluster.",
        ),
        ({"describe_db_instances": [db(), db("storage-full")]}, {}, 4, "orders was rebooted, and is storage-full."),
        ({"describe_events": {"Events": []}}, {}, 4, "has not told that it is restarted; there is no event since."),
        (
            {"describe_db_instances": db(MultiAZ=True)},
            {"failover": True},
            4,
            "has not told that it is failover completed; its last word is: db instance restarted.",
        ),
    ],
)
def test_a_database_that_is_not_rebooted(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_db_instances": db(),
        "describe_events": event("DB instance restarted"),
        "reboot_db_instance": {},
    }
    require(
        run(monkeypatch, "aws/reboot_db_instance", {**base, **answers}, db_instance="orders", **inputs), code, message
    )


def cluster(writer: str, status: str = "available") -> Answers:
    members = [{"DBInstanceIdentifier": name, "IsClusterWriter": name == writer} for name in ("a", "b", "c")]
    return {"DBClusters": [{"Status": status, "Engine": "aurora-mysql", "DBClusterMembers": members}]}


def lag(milliseconds: float) -> Answers:
    return {"Datapoints": [{"Timestamp": NOW, "Maximum": milliseconds}]}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({}, {"instance": "x"}, 3, "x is not in the cluster orders; it has a, b, c."),
        (
            {"describe_db_clusters": cluster("a", "failing-over")},
            {},
            3,
            "orders is failing-over, and must be available.",
        ),
        ({"describe_db_instances": db("rebooting")}, {}, 3, "b is rebooting, and must be available."),
        (
            {"get_metric_statistics": {"Datapoints": []}},
            {},
            3,
            "which is not 0; set max_lag_seconds to null not to ask.",
        ),
        ({"get_metric_statistics": lag(45_000)}, {}, 3, "max_lag_seconds is 30, and b lags 45 s"),
        ({"describe_db_clusters": [cluster("a"), cluster("a"), cluster("c")]}, {}, 4, "by somebody else to writer c."),
        (
            {"describe_db_clusters": [cluster("a"), cluster("a"), cluster("")]},
            {},
            4,
            "is available, and has no writer.",
        ),
        ({"describe_db_clusters": cluster("a")}, {}, 4, "the cluster orders still reads writer a, not writer b."),
    ],
)
def test_a_cluster_that_does_not_fail_over(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_db_clusters": cluster("a"),
        "describe_db_instances": db(),
        "get_metric_statistics": lag(20),
        "failover_db_cluster": {},
    }
    given = {"cluster": "orders", "instance": "b", **inputs}
    require(run(monkeypatch, "aws/failover_db_cluster", {**base, **answers}, **given), code, message)


# Lambda


def alias(version: str, revision: str = "r1") -> Answers:
    return {"FunctionVersion": version, "RevisionId": revision, "Name": "live"}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({"get_function_configuration": {"State": "Failed", "StateReason": "no image"}}, {}, 3, "is Failed: no image."),
        ({"get_alias": [alias("2"), alias("3")]}, {}, 4, "to version 3, weights nothing."),
        ({"get_alias": alias("2")}, {}, 4, "the alias live of checkout still reads version 2, weights nothing, not"),
        ({}, {"version": "$LATEST"}, 2, "inputs.version"),
        ({}, {"second_version": "3"}, 2, "second_version and second_weight belong together"),
        ({}, {"second_version": "1", "second_weight": 0.1}, 2, "second_version must be another than version"),
    ],
)
def test_an_alias_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {"get_alias": alias("2"), "get_function_configuration": {"State": "Active"}, "update_alias": {}}
    given = {"function": "checkout", "alias": "live", "version": "1", **inputs}
    ran = run(monkeypatch, "aws/set_lambda_alias", {**base, **answers}, **given)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


@pytest.mark.parametrize(
    ("reserved", "code", "message"),
    [
        (0, 3, "reserved is 0, with which checkout never runs; set allow_zero to true"),
        (60, 3, "the account has 55 executions to reserve for checkout, not 60: Lambda keeps 100 of 1000"),
        (50, 4, "the concurrency of checkout still reads reserved 5, not reserved 50."),
    ],
)
def test_a_concurrency_that_is_not_set(monkeypatch: pytest.MonkeyPatch, reserved: int, code: int, message: str) -> None:
    limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 150}
    answers = {
        "get_function_configuration": {},
        "get_function_concurrency": {"ReservedConcurrentExecutions": 5},
        "get_account_settings": {"AccountLimit": limits},
        "put_function_concurrency": {},
    }
    require(
        run(monkeypatch, "aws/set_lambda_concurrency", answers, function="checkout", reserved=reserved), code, message
    )


# Load balancers


def health(*rows: tuple[str, str], reason: str = "", port: int = 80) -> Answers:
    told = {"Reason": reason, "Description": "as told."} if reason else {}
    found = [{"Target": {"Id": name, "Port": port}, "TargetHealth": {"State": state, **told}} for name, state in rows]
    return {"TargetHealthDescriptions": found}


ALL = health((ONE, "healthy"), (TWO, "healthy"), (THREE, "healthy"))
GROUP = {"TargetGroups": [{"TargetGroupName": "checkout", "TargetType": "instance"}]}


@pytest.mark.parametrize(
    ("action_type", "answers", "inputs", "code", "message"),
    [
        (
            "deregister",
            {},
            {"targets": [{"id": ONE, "port": 80}, {"id": TWO, "port": 80}]},
            3,
            "is 1 (a third), and 2 of 3",
        ),
        (
            "deregister",
            {},
            {"targets": [{"id": ONE, "port": 81}]},
            3,
            f"{ONE}:81 is not registered; {ONE} is with port 80.",
        ),
        ("deregister", {}, {"min_healthy": 3}, 3, "min_healthy is 3, and 2 healthy targets would be left"),
        (
            "deregister",
            {"describe_target_groups": {"TargetGroups": [{"TargetGroupName": "checkout", "TargetType": "lambda"}]}},
            {},
            3,
            "the target group checkout is of type lambda",
        ),
        ("deregister", {}, {}, 4, f"{ONE}:80 is healthy."),
        (
            "deregister",
            {"describe_target_health": [ALL, ALL, health((ONE, "draining")), ALL]},
            {},
            4,
            f"{ONE}:80 was deregistered, and by somebody else registered again.",
        ),
        (
            "deregister",
            {"describe_target_health": [ALL, ALL, health((ONE, "draining"))]},
            {},
            4,
            f"{ONE}:80 is draining.",
        ),
        (
            "register",
            {},
            {"max_targets": 1, "targets": [{"id": ONE, "port": 1}, {"id": TWO, "port": 1}]},
            3,
            "max_targets is 1",
        ),
        (
            "register",
            {"describe_target_health": [health(), health(), health((ONE, "unused"), reason="Target.NotInUse")]},
            {},
            4,
            f"{ONE}:80 will get no requests (Target.NotInUse: as told).",
        ),
        (
            "register",
            {"describe_target_health": [health(), health(), health((ONE, "unhealthy"), reason="Target.Timeout")]},
            {},
            4,
            f"{ONE}:80 is unhealthy (Target.Timeout: as told).",
        ),
        (
            "register",
            {"describe_target_health": [health(), health(), health((ONE, "initial")), health()]},
            {},
            4,
            f"{ONE}:80 was registered, and is not registered by somebody else.",
        ),
    ],
)
def test_targets_that_are_not_moved(
    monkeypatch: pytest.MonkeyPatch, action_type: str, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_target_groups": GROUP,
        "describe_target_health": ALL,
        "deregister_targets": {},
        "register_targets": {},
    }
    given = {"target_group_arn": ARN, "targets": [{"id": ONE, "port": 80}], **inputs}
    require(run(monkeypatch, f"aws/{action_type}_targets", {**base, **answers}, **given), code, message)


# Route 53


def records(blue: int, green: int, **more: Any) -> Answers:
    known = {"Name": "api.example.com.", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": "192.0.2.1"}], **more}
    weights = (("blue", blue), ("green", green))
    found = [{**known, "SetIdentifier": name, "Weight": weight} for name, weight in weights]
    return {"ResourceRecordSets": found, "IsTruncated": False, "MaxItems": "300"}


def checked(text: str) -> Answers:
    return {"HealthCheckObservations": [{"StatusReport": {"Status": text}} for _ in range(8)]}


INFO = {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": NOW}}
SIMPLE = {
    **records(1, 1),
    "ResourceRecordSets": [{"Name": "api.example.com.", "Type": "A", "SetIdentifier": "blue", "Region": "eu-west-1"}],
}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        (
            {"list_resource_record_sets": records(100, 0)},
            {},
            3,
            "would be 0, which Route 53 answers as if all were equal",
        ),
        ({}, {"set_identifier": "red"}, 3, "with the set identifier red; there is blue, green."),
        ({"list_resource_record_sets": SIMPLE}, {}, 3, "the record api.example.com blue is not weighted"),
        (
            {
                "list_resource_record_sets": records(100, 100, HealthCheckId="h"),
                "get_health_check_status": checked("Failure: timeout"),
            },
            {},
            3,
            "the health checks of all records that would have a weight fail (green)",
        ),
        ({"get_change": INFO}, {}, 4, "the change C1 is PENDING."),
        ({"list_resource_record_sets": [records(100, 100), records(7, 100)]}, {}, 4, "by somebody else to weight 7."),
    ],
)
def test_a_weight_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "list_resource_record_sets": records(100, 100),
        "change_resource_record_sets": INFO,
        "get_change": {"ChangeInfo": {**INFO["ChangeInfo"], "Status": "INSYNC"}},
    }
    given = {"hosted_zone_id": "Z1", "name": "api.example.com", "type": "A", "set_identifier": "blue", "weight": 0}
    require(run(monkeypatch, "aws/set_dns_weight", {**base, **answers}, **{**given, **inputs}), code, message)


def test_an_alias_record_stays_one_and_its_whole_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"HostedZoneId": "Z2", "DNSName": "lb.example.", "EvaluateTargetHealth": True}
    blue = {"Name": "api.example.com.", "Type": "A", "SetIdentifier": "blue", "Weight": 100, "AliasTarget": target}
    green = {**blue, "SetIdentifier": "green"}
    sent: list[dict[str, Any]] = []

    def change(params: dict[str, Any]) -> dict[str, Any]:
        sent.append(params)
        blue["Weight"] = 0
        return INFO

    AwsStandIn(
        list_resource_record_sets=lambda _: {
            "ResourceRecordSets": [dict(blue), green],
            "IsTruncated": False,
            "MaxItems": "9",
        },
        change_resource_record_sets=change,
        get_change=lambda _: {"ChangeInfo": {**INFO["ChangeInfo"], "Status": "INSYNC"}},
    ).stand_in(monkeypatch)
    given = {"hosted_zone_id": "Z1", "name": "api.example.com", "type": "A", "set_identifier": "blue", "weight": 0}
    ran = ActionRunner(find("aws/set_dns_weight")).run(given)
    [deleted, made] = sent[0]["ChangeBatch"]["Changes"]

    assert ran.exit_code == 0, ran.error
    assert (deleted["Action"], deleted["ResourceRecordSet"]) == ("DELETE", {**blue, "Weight": 100})
    assert (made["Action"], made["ResourceRecordSet"]) == ("UPSERT", {**blue, "Weight": 0})


# Systems Manager


def automation(status: str, **more: Any) -> Answers:
    return {"AutomationExecution": {"AutomationExecutionId": EXECUTION, "AutomationExecutionStatus": status, **more}}


APPROVED = '{"mainSteps": [{"name": "ask", "action": "aws:approve", "timeoutSeconds": 3600}]}'
DOCUMENT = {"DocumentType": "Automation", "Status": "Active", "Parameters": [{"Name": "InstanceId"}]}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({}, {"document": "Shop-Other"}, 3, "Shop-Other is not on the list of those that may be run"),
        ({}, {"version": "$LATEST"}, 2, "inputs.version"),
        (
            {},
            {"parameters": {"Bad": ["x"]}},
            2,
            "inputs.parameters: AWS-RestartEC2Instance has no Bad; it has InstanceId.",
        ),
        ({"describe_document": {"Document": {"DocumentType": "Command"}}}, {}, 3, "only Automation documents are run."),
        ({"describe_document": {"Document": {**DOCUMENT, "Status": "Deleting"}}}, {}, 3, "version 3, is Deleting."),
        (
            {"get_document": {"Content": APPROVED}},
            {},
            3,
            "waits up to 3600 s for a person's approval, and the step has",
        ),
        (
            {
                "get_automation_execution": automation(
                    "Failed", StepExecutions=[{"StepName": "stop", "StepStatus": "Failed"}], FailureMessage="denied."
                )
            },
            {},
            4,
            "is Failed in the step stop: denied.",
        ),
        (
            {"get_automation_execution": automation("Waiting", CurrentStepName="ask")},
            {},
            4,
            "is Waiting, at ask; a person must",
        ),
    ],
)
def test_a_document_that_does_not_succeed(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_document": {"Document": DOCUMENT},
        "get_document": {"Content": '{"mainSteps": []}'},
        "start_automation_execution": {"AutomationExecutionId": EXECUTION},
        "get_automation_execution": automation("Success"),
    }
    given = {"document": "AWS-RestartEC2Instance", "version": "3", **inputs}
    ran = run(monkeypatch, "aws/run_ssm_document", {**base, **answers}, **given)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 29 Nov 2026 08:00:00 GMT", 0.0),
        ("Sun, 29 Nov 2026 08:00:00 -0000", 0.0),
        ("a proxy's text", None),
        (None, None),
    ],
)
def test_a_services_own_time_has_a_zone_or_is_not_used(date: str | None, seconds: float | None) -> None:
    headers = {} if date is None else {"date": date}
    moment = answered_at({"ResponseMetadata": {"HTTPHeaders": headers}})

    assert (moment is None) == (seconds is None)
    if moment is not None:
        assert (moment - datetime(2026, 11, 29, 8, tzinfo=UTC)).total_seconds() == seconds
