"""The permission of a request to AWS is read from each of its protocols, as boto3 sends them."""

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from kubernaut_conformance.aws_requests import aws_permission

REQUESTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("autoscaling", "describe_auto_scaling_groups", {}, "autoscaling:DescribeAutoScalingGroups"),
    ("cloudwatch", "list_metrics", {}, "cloudwatch:ListMetrics"),
    ("ec2", "reboot_instances", {"InstanceIds": ["i-00000001"]}, "ec2:RebootInstances"),
    ("ecs", "describe_services", {"services": ["a"]}, "ecs:DescribeServices"),
    ("eks", "describe_nodegroup", {"clusterName": "a", "nodegroupName": "b"}, "eks:DescribeNodegroup"),
    ("eks", "describe_update", {"name": "a", "updateId": "b", "nodegroupName": "c"}, "eks:DescribeUpdate"),
    ("eks", "update_nodegroup_config", {"clusterName": "a", "nodegroupName": "b"}, "eks:UpdateNodegroupConfig"),
    ("elbv2", "describe_target_groups", {}, "elasticloadbalancing:DescribeTargetGroups"),
    ("lambda", "delete_function_concurrency", {"FunctionName": "a"}, "lambda:DeleteFunctionConcurrency"),
    ("lambda", "get_account_settings", {}, "lambda:GetAccountSettings"),
    ("lambda", "get_alias", {"FunctionName": "a", "Name": "b"}, "lambda:GetAlias"),
    ("lambda", "get_function_concurrency", {"FunctionName": "a"}, "lambda:GetFunctionConcurrency"),
    (
        "lambda",
        "get_function_configuration",
        {"FunctionName": "a", "Qualifier": "1"},
        "lambda:GetFunctionConfiguration",
    ),
    ("lambda", "update_alias", {"FunctionName": "a", "Name": "b"}, "lambda:UpdateAlias"),
    ("rds", "describe_db_clusters", {}, "rds:DescribeDBClusters"),
    ("route53", "get_change", {"Id": "C1"}, "route53:GetChange"),
    ("route53", "get_health_check_status", {"HealthCheckId": "h"}, "route53:GetHealthCheckStatus"),
    ("route53", "list_resource_record_sets", {"HostedZoneId": "Z1"}, "route53:ListResourceRecordSets"),
    ("ssm", "get_document", {"Name": "abc"}, "ssm:GetDocument"),
]


class Seen(Exception):
    """Ends a request before it is sent."""


@pytest.mark.parametrize(("service", "operation", "params", "permission"), REQUESTS, ids=[row[3] for row in REQUESTS])
def test_a_requests_permission(service: str, operation: str, params: dict[str, Any], permission: str) -> None:
    seen: list[str | None] = []

    def look(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = {
            name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()
        }
        body = request.body or b""
        path = request.url.partition("amazonaws.com")[2]
        seen.append(aws_permission(request.method, path, headers, body if isinstance(body, bytes) else body.encode()))
        raise Seen

    client = boto3.client(service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y")
    client.meta.events.register("before-send", look)
    with pytest.raises(Seen):
        getattr(client, operation)(**params)

    assert seen == [permission]


def test_a_request_that_is_not_signed_or_not_known_has_none() -> None:
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/s3/aws4_request, Signature=y"}

    assert aws_permission("GET", "/bucket/key", signed, b"") is None
    assert aws_permission("POST", "/", {}, b"Action=RebootInstances") is None
