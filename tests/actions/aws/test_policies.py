"""The IAM policies of `kubernaut render --iam`: what the actions need, on the resources that their inputs name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import kubernaut_aws
from kubernaut_aws.policies import RESOURCES, policy, statements_of
from kubernaut_cli.program import program
from kubernaut_sdk.catalog import find

from .conftest import FOLDER

ACTIONS = [find(f"aws/{name}") for name in kubernaut_aws.__all__]
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action_type)
def test_every_change_is_allowed_only_on_what_the_inputs_name(action: Any) -> None:
    statements = statements_of(action.permissions, action.examples[0])
    allowed = [name for statement in statements for name in statement["Action"]]

    assert sorted(allowed) == sorted(action.permissions)
    for statement in statements:
        if statement["Resource"] == ["*"]:
            assert all(re.search(":(Describe|Get|List)", name) for name in statement["Action"])
        assert "{" not in "".join(statement["Resource"])


def test_every_input_that_an_arn_names_is_one_of_the_actions_that_need_it() -> None:
    ours = {"account", "partition", "region", "service"}
    for action in ACTIONS:
        for permission in action.permissions:
            named = {name for form in RESOURCES.get(permission, ()) for name in re.findall(r"{(\w+)}", form)}
            assert named - ours <= set(action.inputs_model.model_fields), permission


def test_an_arn_has_the_partition_the_account_and_each_value_of_a_list() -> None:
    inputs = {"region": "cn-north-1", "account": "123456789012", "instance_ids": ["i-1", "i-2"]}

    assert statements_of(["ec2:RebootInstances"], inputs) == [
        {
            "Effect": "Allow",
            "Action": ["ec2:RebootInstances"],
            "Resource": [
                "arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-1",
                "arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-2",
            ],
        }
    ]
    [unknown] = statements_of(["rds:RebootDBInstance"], {})
    assert unknown["Resource"] == ["arn:*:rds:*:*:db:*"]
    assert policy([unknown, unknown])["Statement"] == [unknown]


def rendered(tmp_path: Path, *steps: dict[str, Any]) -> Any:
    spec = {"steps": [{"image": f"registry.example/aws-cli@{DIGEST}", **step} for step in steps]}
    document = {"apiVersion": "kubernaut.io/v1alpha1", "kind": "WorkflowExecution", "metadata": {"name": "a"}}
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps({**document, "spec": spec}))
    return CliRunner().invoke(program, ["render", str(file), "--iam"])


def test_render_prints_the_policy_document_of_a_workflow(tmp_path: Path) -> None:
    inputs = {"region": "eu-central-1", "group": "workers", "desired": 4}
    ended = rendered(tmp_path, {"name": "grow", "actionType": "aws/set_desired_capacity", "inputs": inputs})

    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes"],
                "Resource": ["*"],
                "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}},
            },
            {
                "Effect": "Allow",
                "Action": ["autoscaling:SetDesiredCapacity"],
                "Resource": [
                    "arn:aws:autoscaling:eu-central-1:*:autoScalingGroup:*:autoScalingGroupName/workers",
                ],
            },
        ],
    }


def test_a_role_has_its_own_policy_and_the_service_account_may_assume_it(tmp_path: Path) -> None:
    role = "arn:aws:iam::123456789012:role/mender"
    inputs = {"region": "eu-central-1", "db_instance": "orders", "role_arn": role}
    step = {"name": "a", "actionType": "aws/reboot_db_instance", "inputs": inputs, "serviceAccountName": "mender"}
    ended = rendered(tmp_path, step)
    decoder, text, found = json.JSONDecoder(), ended.stdout.strip(), list[Any]()
    while text:
        document, end = decoder.raw_decode(text)
        found, text = [*found, document], text[end:].strip()

    assert ended.stderr.splitlines() == ["# ServiceAccount mender", f"# {role}"]
    assert found[0]["Statement"] == [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [role]}]
    assert "arn:aws:rds:eu-central-1:123456789012:db:orders" in [
        r for s in found[1]["Statement"] for r in s["Resource"]
    ]


def test_the_image_keeps_the_services_that_the_actions_use() -> None:
    """A service that an action speaks to must be in the Dockerfile's list, or its image cannot make the client."""
    [kept] = re.findall(r'"/trim.py", (.*)\]', (FOLDER / "Dockerfile").read_text())
    code = "".join(path.read_text() for path in (FOLDER / "kubernaut_aws").rglob("*.py"))
    clients = {"elasticloadbalancing": "elbv2"}
    used = {name.partition(":")[0] for action in ACTIONS for name in action.permissions} | {"sts"}

    assert {clients.get(name, name) for name in used} <= set(json.loads(f"[{kept}]"))
    assert set(json.loads(f"[{kept}]")) - {"signin", "sso", "sso-oidc"} <= set(re.findall(r'"([a-z0-9]+)"', code))
