"""EC2 instances."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws._aws import Region, client, told
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result

__all__ = ["reboot_instances"]

InstanceId = Annotated[str, Field(pattern=r"^i-[0-9a-f]{8,17}$")]


class Reboot(Inputs):
    """Which instances."""

    region: Region
    instance_ids: Annotated[list[InstanceId], Field(min_length=1, max_length=50)]


class Rebooted(Result):
    """How many were told to reboot."""

    count: int
    instance_ids: list[str] | None = None


reboot_instances = Action(
    "aws/reboot_instances",
    permissions=["ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:RebootInstances"],
    idempotent=False,
    risk="high",
    examples=[{"region": "eu-central-1", "instance_ids": ["i-0123456789abcdef0"]}],
)


@reboot_instances.plan
def plan(ctx: Context, inputs: Reboot) -> Change:
    """Reboots running EC2 instances and waits until none of their status checks fails.

    Not idempotent: RebootInstances takes no client token, so AWS cannot tell a repeated request from a second wish.
    An error that leaves open whether it was done is therefore final, and a pod that is run again does not act.
    """
    states = _states(ctx, inputs)
    wrong = [f"{instance} is {state}" for instance, state in states.items() if state != "running"]
    if wrong:
        raise PreconditionFailed(f"only running instances can be rebooted: {', '.join(wrong)}.")
    return Change({"count": 0, "instance_ids": []}, {"count": len(states), "instance_ids": list(states)})


@reboot_instances.apply
def apply(ctx: Context, inputs: Reboot, change: Change) -> Rebooted:
    """RebootInstances."""
    instance_ids = change.after["instance_ids"]
    with told(f"reboot {', '.join(instance_ids)}", repeatable=False):
        client(ctx, "ec2", inputs.region).reboot_instances(InstanceIds=instance_ids)
    return Rebooted(count=len(instance_ids), instance_ids=instance_ids)


@reboot_instances.verify
def verify(ctx: Context, inputs: Reboot, change: Change) -> bool | str:
    """Whether they run and no status check fails."""
    with told("describe the instances' status"):
        ec2 = client(ctx, "ec2", inputs.region)
        found = ec2.describe_instance_status(InstanceIds=inputs.instance_ids, IncludeAllInstances=True)
    missing = set(inputs.instance_ids) - {status["InstanceId"] for status in found["InstanceStatuses"]}
    if missing:
        return f"AWS does not tell the status of {', '.join(sorted(missing))}."
    for status in found["InstanceStatuses"]:
        checks = {status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]}
        if status["InstanceState"]["Name"] != "running" or "impaired" in checks:
            return (
                f"{status['InstanceId']} is {status['InstanceState']['Name']}, its checks {', '.join(sorted(checks))}."
            )
    return True


@reboot_instances.target
def target(inputs: Reboot) -> str:
    """The instances; their ARNs hold an account that only AWS knows."""
    return f"ec2:{inputs.region}:{','.join(inputs.instance_ids)}"


def _states(ctx: Context, inputs: Reboot) -> dict[str, Any]:
    with told(f"describe {', '.join(inputs.instance_ids)} in {inputs.region}"):
        found = client(ctx, "ec2", inputs.region).describe_instances(InstanceIds=inputs.instance_ids)
    instances = [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]
    states = {instance["InstanceId"]: instance["State"]["Name"] for instance in instances}
    missing = [instance for instance in inputs.instance_ids if instance not in states]
    if missing:
        raise NotFound(f"there is no instance {', '.join(missing)} in {inputs.region}.")
    return {instance: states[instance] for instance in inputs.instance_ids}
