"""The refusals of ECS and EKS's actions, and ends of theirs that only a stand-in plays."""

from typing import Any

import pytest
from aws_answers import NOW, Answers, require, run


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
