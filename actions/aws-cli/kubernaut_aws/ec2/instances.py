"""EC2 instances as the actions read them: states, status checks, and the Auto Scaling group that owns them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubernaut_aws.common.session import Aws
from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["CHECKS", "find_instances", "read_checks", "refuse_owned", "require_few", "state_of"]

CHECKS = ("InstanceStatus", "SystemStatus", "AttachedEbsStatus")


def find_instances(aws: Aws, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the instances by id, in the given order.

    Raises:
        NotFound: if one does not exist.
    """
    what = f"describe {', '.join(ids)} in {aws.region}"
    listed = aws.items(what, "ec2", "describe_instances", "Reservations.Instances", InstanceIds=list(ids))
    found = {item["InstanceId"]: item for item in listed}
    if missing := [name for name in ids if name not in found]:
        raise NotFound(f"there is no instance {', '.join(missing)} in {aws.region}.")
    return {name: found[name] for name in ids}


def state_of(instance: Mapping[str, Any]) -> str:
    """Return the state of an instance, such as running."""
    return str(instance["State"]["Name"])


def read_checks(aws: Aws, ids: Sequence[str]) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the state of each instance, and the results of its status checks."""
    listed = aws.items(
        "describe the instances' status",
        "ec2",
        "describe_instance_status",
        "InstanceStatuses",
        InstanceIds=list(ids),
        IncludeAllInstances=True,
    )
    return {
        status["InstanceId"]: (
            status["InstanceState"]["Name"],
            frozenset(status[check]["Status"] for check in CHECKS if check in status),
        )
        for status in listed
    }


def require_few(ids: Iterable[str], limit: int) -> None:
    """Raise unless there are at most so many instances, each named once.

    Raises:
        PreconditionFailed: if there are more.
    """
    names = list(ids)
    if len(set(names)) < len(names):
        raise PreconditionFailed(f"instance_ids names an instance twice: {', '.join(names)}.", reason="NamedTwice")
    if len(names) > limit:
        raise PreconditionFailed(
            f"max_instances is {limit}, and instance_ids names {len(names)}; name fewer, or raise the limit.",
            reason="TooMany",
        )


def refuse_owned(aws: Aws, ids: Sequence[str], effect: str, instead: str) -> None:
    """Raise if an instance is in service in an Auto Scaling group, which would replace it.

    Args:
        aws: The account and region.
        ids: The instances.
        effect: What the action does to an instance: "is stopped".
        instead: What to do instead.

    Raises:
        PreconditionFailed: with the instance and its group.
    """
    listed = aws.items(
        "ask for the instances' Auto Scaling groups",
        "autoscaling",
        "describe_auto_scaling_instances",
        "AutoScalingInstances",
        InstanceIds=list(ids),
    )
    for item in listed:
        if item["LifecycleState"] not in {"Standby", "Detached"}:
            raise PreconditionFailed(
                f"{item['InstanceId']} is {item['LifecycleState']} in the Auto Scaling group "
                f"{item['AutoScalingGroupName']}, which terminates and replaces an instance that {effect}; {instead}.",
                reason="InAutoScalingGroup",
            )
