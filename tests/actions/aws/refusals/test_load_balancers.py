"""The refusals of the load balancers's actions, and ends of theirs that only a stand-in plays."""

import pytest
from aws_answers import ARN, ONE, THREE, TWO, Answers, require, run


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
