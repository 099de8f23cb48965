"""The action aws/isolate_instance, for EC2 instances."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.dryrun import dry_run
from kubernaut_aws.common.inputs import AwsInputs, InstanceId
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.ec2.instances import find_instances, refuse_owned, state_of
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result

__all__ = ["isolate_instance"]

SecurityGroupId = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]


class IsolateInputs(AwsInputs):
    """The inputs of aws/isolate_instance."""

    instance_id: InstanceId
    security_group_ids: Annotated[
        list[SecurityGroupId],
        Field(min_length=1, max_length=5, description="The groups that it gets instead of its own; they must exist."),
    ]


class IsolateResult(Result):
    """The result of aws/isolate_instance."""

    interfaces: int
    note: str | None = None


isolate_instance = Action(
    "aws/isolate_instance",
    permissions=[
        "autoscaling:DescribeAutoScalingInstances",
        "ec2:DescribeInstances",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:ModifyNetworkInterfaceAttribute",
    ],
    risk="high",
    examples=[
        {
            "region": "eu-central-1",
            "instance_id": "i-0123456789abcdef0",
            "security_group_ids": ["sg-0123456789abcdef0"],
        }
    ],
)


@isolate_instance.plan
def plan(ctx: Context, inputs: IsolateInputs) -> Change:
    """Replace the security groups of every network interface of an EC2 instance, for a look at it undisturbed.

    Its own groups are kept in the change, and undo restores them, interface by interface. Connections that EC2
    tracks already are not cut by other groups until they end. Refused: an instance in service in an Auto Scaling
    group, whose health check would replace it; groups of another VPC; an interface that an AWS service manages; a
    group that lets everybody in. Idempotent. EC2 has no compare-and-swap for this: the groups are read again right
    before they are replaced.
    """
    aws = connect(ctx, inputs)
    instance = find_instances(aws, [inputs.instance_id])[inputs.instance_id]
    if state_of(instance) in {"shutting-down", "terminated"}:
        raise PreconditionFailed(f"{inputs.instance_id} is {state_of(instance)}.")
    interfaces = _interfaces(aws, inputs.instance_id)
    if managed := [item["NetworkInterfaceId"] for item in interfaces if item.get("RequesterManaged")]:
        raise PreconditionFailed(f"the interface {', '.join(managed)} is managed by an AWS service; it is not touched.")
    wanted = sorted(inputs.security_group_ids)
    change = Change(_groups(interfaces), {item["NetworkInterfaceId"]: wanted for item in interfaces})
    if not change.empty:
        refuse_owned(
            aws,
            [inputs.instance_id],
            "answers its health check no more",
            "take it out with aws/detach_instance or aws/enter_standby first",
        )
        _require_groups(aws, wanted, instance.get("VpcId", ""))
    return change


@isolate_instance.apply
def apply(ctx: Context, inputs: IsolateInputs, change: Change) -> IsolateResult:
    """Call ModifyNetworkInterfaceAttribute for each interface."""
    _set(connect(ctx, inputs), inputs, change.before, change.after)
    return IsolateResult(
        interfaces=len(change.after),
        note="Connections that were open may go on: EC2 applies new groups to those it tracks only once they end.",
    )


@isolate_instance.verify
def verify(ctx: Context, inputs: IsolateInputs, change: Change) -> bool | str:
    """Return True once every interface has the groups, until then what is missing."""
    now = _groups(_interfaces(connect(ctx, inputs), inputs.instance_id))
    partly = {name: change.before.get(name) for name in now} | {
        name: groups for name, groups in now.items() if groups == change.after.get(name)
    }
    if now == partly and now != change.after:  # some interfaces still read as before
        left = [name for name, groups in now.items() if groups != change.after.get(name)]
        return f"{', '.join(left)} still has its own groups."
    return pending_write(f"the groups of {inputs.instance_id}", now, change) or True


@isolate_instance.undo
def undo(ctx: Context, inputs: IsolateInputs, change: Change) -> None:
    """Give each interface its groups back."""
    _set(connect(ctx, inputs), inputs, change.after, change.before)


@isolate_instance.check
def check(ctx: Context, inputs: IsolateInputs) -> dict[str, str | None]:
    """Ask EC2 by its dry run if it would replace the groups."""
    aws, groups = connect(ctx, inputs), inputs.security_group_ids
    what, operation = "replace the security groups", "modify_network_interface_attribute"
    return {
        f"ec2:ModifyNetworkInterfaceAttribute of {item['NetworkInterfaceId']}": dry_run(
            aws, what, operation, NetworkInterfaceId=item["NetworkInterfaceId"], Groups=groups
        )
        for item in _interfaces(aws, inputs.instance_id)
    }


@isolate_instance.target
def target(inputs: IsolateInputs) -> str:
    """Return the instance. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{inputs.instance_id}"


def _interfaces(aws: Aws, instance: str) -> list[dict[str, Any]]:
    only = [{"Name": "attachment.instance-id", "Values": [instance]}]
    what = f"describe the network interfaces of {instance}"
    found = aws.items(what, "ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=only)
    if not found:
        raise NotFound(f"{instance} has no network interface in {aws.region}.")
    return sorted(found, key=lambda item: str(item["NetworkInterfaceId"]))


def _groups(interfaces: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {item["NetworkInterfaceId"]: sorted(group["GroupId"] for group in item["Groups"]) for item in interfaces}


def _require_groups(aws: Aws, ids: list[str], vpc: str) -> None:
    found = aws.items("describe the security groups", "ec2", "describe_security_groups", "SecurityGroups", GroupIds=ids)
    for group in found:
        if group.get("VpcId") != vpc:
            raise PreconditionFailed(f"{group['GroupId']} is of {group.get('VpcId')}, and the instance of {vpc}.")
        ranges = [
            item.get("CidrIp") or item.get("CidrIpv6")
            for rule in group.get("IpPermissions", ())
            for item in (*rule.get("IpRanges", ()), *rule.get("Ipv6Ranges", ()))
        ]
        if {"0.0.0.0/0", "::/0"} & set(ranges):
            raise PreconditionFailed(
                f"{group['GroupId']} lets everybody in, so it isolates nothing; name a group without such a rule.",
                reason="OpenGroup",
            )


def _set(aws: Aws, inputs: IsolateInputs, before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    require_planned(f"the groups of {inputs.instance_id}", _groups(_interfaces(aws, inputs.instance_id)), before)
    for name, groups in after.items():
        if before.get(name) != groups:
            params: dict[str, Any] = {"NetworkInterfaceId": name, "Groups": groups}
            aws.call(f"replace the groups of {name}", "ec2", "modify_network_interface_attribute", **params)
