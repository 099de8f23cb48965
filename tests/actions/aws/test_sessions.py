"""Whose credentials an AWS action uses: the Secret's, a web identity's, a role's; and which account that is."""

from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from aws_standin import AwsStandIn, group_of

import kubernaut_aws
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner

ROLE = "arn:aws:iam::123456789012:role/mender"
INPUTS = {"region": "eu-central-1", "group": "nothing", "desired": 1}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, aws: str) -> list[dict[str, Any]]:
    """The requests to STS, each as its parameters."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ROLE_SESSION_NAME", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    sent: list[dict[str, Any]] = []
    make = boto3.Session

    def make_session(*args: Any, **options: Any) -> Any:
        made = make(*args, **options)
        made.events.register("before-send.sts", lambda request, **_: sent.append(flat(request)))
        return made

    monkeypatch.setattr(boto3, "Session", make_session)
    return sent


def flat(request: Any) -> dict[str, Any]:
    text = request.body if isinstance(request.body, str) else request.body.decode()
    return {name: values[0] for name, values in parse_qs(text).items()}


def run(**inputs: Any) -> Any:
    record = mint()
    credentials = "[default]\naws_access_key_id = AKIAX\naws_secret_access_key = s3cr3t-of-the-secret\n"
    runner = ActionRunner(kubernaut_aws.set_desired_capacity, secrets={"credentials": credentials})
    return runner.run({**INPUTS, **inputs}, record_id=record), str(record)


def test_a_role_is_assumed_in_a_session_that_has_the_records_id(sent: list[dict[str, Any]]) -> None:
    ran, record = run(role_arn=ROLE, external_id="of-the-shop", account="123456789012")
    [assumed, asked] = sent

    assert ran.error is not None
    assert ran.error.message == "there is no Auto Scaling group nothing in eu-central-1."
    assert (assumed["Action"], assumed["RoleArn"], assumed["RoleSessionName"]) == ("AssumeRole", ROLE, record)
    assert (assumed["ExternalId"], asked["Action"]) == ("of-the-shop", "GetCallerIdentity")


def test_a_web_identity_becomes_the_role_at_once(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "token").write_text("the-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    record = mint()
    ran = ActionRunner(kubernaut_aws.set_desired_capacity).run({**INPUTS, "role_arn": ROLE}, record_id=record)
    [assumed] = sent

    assert ran.error is not None
    assert ran.error.reason == "NotFound"
    assert assumed["Action"] == "AssumeRoleWithWebIdentity"
    assert (assumed["RoleArn"], assumed["RoleSessionName"], assumed["WebIdentityToken"]) == (
        ROLE,
        str(record),
        "the-token",
    )
    assert "the-token" not in ran.log


def test_a_secret_that_is_mounted_is_used_instead_of_a_web_identity(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    ran, _ = run(account="123456789012")

    assert ran.error is not None
    assert ran.error.reason == "NotFound"
    assert [item["Action"] for item in sent] == ["GetCallerIdentity"]


def test_a_service_accounts_session_has_the_records_id(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "token").write_text("the-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    record = mint()
    ActionRunner(kubernaut_aws.set_desired_capacity).run(INPUTS, record_id=record)

    assert [(item["Action"], item["RoleSessionName"]) for item in sent] == [("AssumeRoleWithWebIdentity", str(record))]


def test_without_credentials_a_role_cannot_be_assumed(sent: list[dict[str, Any]]) -> None:
    ran = ActionRunner(kubernaut_aws.set_desired_capacity).run({**INPUTS, "role_arn": ROLE})

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, sent) == (3, "NoCredentials", [])
    assert "mount a Secret with the file credentials, or give the ServiceAccount a web identity" in ran.error.message


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"external_id": "x1"}, "external_id is for a role; give role_arn too, or leave it out"),
        (
            {"role_arn": ROLE, "account": "999999999999"},
            "role_arn is of account 123456789012, and account is 999999999999",
        ),
        ({"role_arn": "mender"}, "inputs.role_arn"),
        ({"account": "12"}, "inputs.account"),
    ],
)
def test_inputs_that_cannot_be_meant(inputs: dict[str, Any], message: str) -> None:
    ran, _ = run(**inputs)

    assert ran.error is not None
    assert ran.exit_code == 2
    assert message in ran.error.message


def test_a_list_is_read_to_its_last_page_also_where_botocore_has_no_paginator(monkeypatch: pytest.MonkeyPatch) -> None:
    """DescribeInstanceRefreshes comes in pages, and botocore does not know it."""
    over = {"InstanceRefreshId": "r1", "Status": "Successful"}
    running = {"InstanceRefreshId": "r2", "Status": "InProgress", "PercentageComplete": 40}
    pages: dict[Any, dict[str, Any]] = {
        None: {"InstanceRefreshes": [over], "NextToken": "2"},
        "2": {"InstanceRefreshes": [running]},
    }
    groups: dict[Any, dict[str, Any]] = {
        None: {"AutoScalingGroups": [], "NextToken": "2"},
        "2": {"AutoScalingGroups": [group_of(2, [])]},
    }
    AwsStandIn(
        describe_auto_scaling_groups=lambda params: groups[params.get("NextToken")],
        describe_instance_refreshes=lambda params: pages[params.get("NextToken")],
    ).stand_in(monkeypatch)
    ran = ActionRunner(kubernaut_aws.set_desired_capacity).run({**INPUTS, "group": "workers", "wait": False})

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "InstanceRefresh")
    assert ran.error.message.startswith("the instance refresh r2 of group workers is InProgress (40 %)")
