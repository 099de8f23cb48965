"""IAM policies for actions: their permissions, on the resources that the inputs name where AWS allows that.

`RESOURCES` has the ARN of each permission's resource in terms of the inputs (AWS's Service Authorization Reference).
A permission that is not in it takes no resource, or none that the inputs name: it is granted on `*`, in the region of
the inputs only.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_aws.common.regions import partition_of

__all__ = ["ASSUME_ROLE", "RESOURCES", "policy", "statements_of"]

ASSUME_ROLE = "sts:AssumeRole"
_ANY = "*"
_HERE = "arn:{partition}:{service}:{region}:{account}"
_GROUP = _HERE + ":autoScalingGroup:*:autoScalingGroupName/{group}"
RESOURCES: dict[str, tuple[str, ...]] = {
    "autoscaling:DetachInstances": (_GROUP,),
    "autoscaling:EnterStandby": (_GROUP,),
    "autoscaling:ExitStandby": (_GROUP,),
    "autoscaling:SetDesiredCapacity": (_GROUP,),
    "autoscaling:TerminateInstanceInAutoScalingGroup": (_GROUP,),
    "ec2:CreateSnapshot": (_HERE + ":volume/{volume_id}", "arn:{partition}:ec2:{region}::snapshot/*"),
    "ec2:CreateTags": ("arn:{partition}:ec2:{region}::snapshot/*",),
    "ec2:ModifyNetworkInterfaceAttribute": (
        _HERE + ":instance/{instance_id}",
        _HERE + ":network-interface/*",
        _HERE + ":security-group/{security_group_ids}",
    ),
    "ec2:ModifyVolume": (_HERE + ":volume/{volume_id}",),
    "ec2:RebootInstances": (_HERE + ":instance/{instance_ids}",),
    "ec2:StartInstances": (_HERE + ":instance/{instance_ids}",),
    "ec2:StopInstances": (_HERE + ":instance/{instance_ids}",),
    "ecs:DescribeServices": (_HERE + ":service/{cluster}/{service}",),
    "ecs:UpdateService": (_HERE + ":service/{cluster}/{service}",),
    "eks:DescribeNodegroup": (_HERE + ":nodegroup/{cluster}/{nodegroup}/*",),
    "eks:DescribeUpdate": (_HERE + ":cluster/{cluster}", _HERE + ":nodegroup/{cluster}/{nodegroup}/*"),
    "eks:UpdateNodegroupConfig": (_HERE + ":nodegroup/{cluster}/{nodegroup}/*",),
    "elasticloadbalancing:DeregisterTargets": ("{target_group_arn}",),
    "elasticloadbalancing:RegisterTargets": ("{target_group_arn}",),
    "lambda:DeleteFunctionConcurrency": (_HERE + ":function:{function}",),
    "lambda:GetAlias": (_HERE + ":function:{function}",),
    "lambda:GetFunctionConcurrency": (_HERE + ":function:{function}",),
    "lambda:GetFunctionConfiguration": (_HERE + ":function:{function}", _HERE + ":function:{function}:*"),
    "lambda:PutFunctionConcurrency": (_HERE + ":function:{function}",),
    "lambda:UpdateAlias": (_HERE + ":function:{function}",),
    "rds:DescribeDBClusters": (_HERE + ":cluster:{cluster}",),
    "rds:FailoverDBCluster": (_HERE + ":cluster:{cluster}", _HERE + ":db:{instance}"),
    "rds:RebootDBInstance": (_HERE + ":db:{db_instance}",),
    "route53:ChangeResourceRecordSets": ("arn:{partition}:route53:::hostedzone/{hosted_zone_id}",),
    "route53:GetChange": ("arn:{partition}:route53:::change/*",),
    "route53:ListResourceRecordSets": ("arn:{partition}:route53:::hostedzone/{hosted_zone_id}",),
    "ssm:DescribeDocument": ("arn:{partition}:ssm:{region}:*:document/{document}",),
    "ssm:GetAutomationExecution": (_HERE + ":automation-execution/*",),
    "ssm:GetDocument": ("arn:{partition}:ssm:{region}:*:document/{document}",),
    "ssm:StartAutomationExecution": ("arn:{partition}:ssm:{region}:*:automation-definition/{document}:{version}",),
}
"""Permission → the ARNs of its resources; `{…}` is an input, of a list each of its values."""
_GLOBAL = {"route53"}
"""Services without regions."""


def statements_of(permissions: Iterable[str], inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements that allow permissions, one for each set of resources.

    Args:
        permissions: Of an action, such as `ec2:RebootInstances`.
        inputs: Of a step; one that is not known before the run is `*`.
    """
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for permission in sorted(permissions):
        by_resources.setdefault(_resources(permission, inputs), []).append(permission)
    statements = []
    for resources, allowed in by_resources.items():
        statement: dict[str, Any] = {"Effect": "Allow", "Action": allowed, "Resource": list(resources)}
        if resources == (_ANY,) and inputs.get("region") and not {name.partition(":")[0] for name in allowed} & _GLOBAL:
            statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": str(inputs["region"])}}
        statements.append(statement)
    return statements


def policy(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a policy document of these statements, each once."""
    unique: list[Mapping[str, Any]] = []
    for statement in statements:
        if statement not in unique:
            unique.append(statement)
    return {"Version": "2012-10-17", "Statement": unique}


def _resources(permission: str, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    if permission not in RESOURCES:
        return (_ANY,)
    region = inputs.get("region")
    known: dict[str, Any] = {
        "service": permission.partition(":")[0],
        "partition": partition_of(region) if isinstance(region, str) else _ANY,
        "account": inputs.get("account") or str(inputs.get("role_arn") or "::::*").split(":")[4],
    }
    found = {
        arn
        for form in RESOURCES[permission]
        for arn in _filled(form, {**inputs, **{name: value for name, value in known.items() if value}})
    }
    return tuple(sorted(found))


def _filled(form: str, values: Mapping[str, Any]) -> list[str]:
    """Return the ARN for each value of its inputs; an input that is a list gives several."""
    filled = [""]
    for part in _parts(form):
        options = [part[0]] if not part[1] else _options(values.get(part[0], _ANY))
        filled = [before + option for before in filled for option in options]
    return filled


def _parts(form: str) -> Iterable[tuple[str, bool]]:
    for piece in form.split("{"):
        name, brace, rest = piece.partition("}")
        if brace:
            yield name, True
            yield rest, False
        else:
            yield piece, False


def _options(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
