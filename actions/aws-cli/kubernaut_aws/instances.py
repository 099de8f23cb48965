"""EC2 instances."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from pydantic import Field

from kubernaut_aws._aws import call
from kubernaut_aws._regions import Region
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result

__all__ = ["reboot_instances"]

STEP = timedelta(days=7)
"""How long `verify` may take at most: always as long as the step may."""

InstanceId = Annotated[str, Field(pattern=r"^i-[0-9a-f]{8,17}$")]


class Reboot(Inputs):
    """Which instances."""

    region: Region
    instance_ids: Annotated[list[InstanceId], Field(min_length=1, max_length=50)]
    settle: Annotated[
        int,
        Field(
            ge=0,
            le=900,
            description="Seconds for which no status check may fail where AWS tells nothing of the reboot itself.",
        ),
    ] = 120


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


@dataclass
class _Watch:
    """What this execution saw of its reboot.

    AWS tells of no reboot: an instance's launch time stays, and its status checks are made once a minute, so that an
    `ok` right after the reboot is of before. A check that was seen to fail or to begin anew since is news; where none
    was, only time tells, by this machine's own monotonic clock.
    """

    began: float
    starting: set[str] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)


_CHECKS = ("InstanceStatus", "SystemStatus", "AttachedEbsStatus")
_WATCHES: WeakKeyDictionary[Context, _Watch] = WeakKeyDictionary()


@reboot_instances.plan
def plan(ctx: Context, inputs: Reboot) -> Change:
    """Reboots running EC2 instances and waits until none of their status checks fails, of the time after the reboot.

    AWS makes its checks once a minute, and says what it saw before until then. So an instance counts as well only once
    its checks were seen to fail or to begin anew and then to pass, or have passed for `settle` seconds since the
    reboot; an instance that takes longer than that to fail is not noticed.
    Not idempotent: RebootInstances takes no client token, so AWS cannot tell a repeated request from a second wish.
    An error that leaves open whether it was done is therefore final, and a pod that is run again does not act.
    """
    states = _states(ctx, inputs)
    wrong = [f"{instance} is {state}" for instance, state in states.items() if state != "running"]
    if wrong:
        raise PreconditionFailed(f"only running instances can be rebooted: {', '.join(wrong)}.")
    if not ctx.dry_run and (left := ctx.remaining()) < inputs.settle:
        raise PreconditionFailed(
            f"the status checks are to be watched for {inputs.settle} s, and the step has {left:.0f} s left; give it a "
            f"longer timeout, or a smaller settle.",
            reason="TimeTooShort",
        )
    return Change({"count": 0, "instance_ids": []}, {"count": len(states), "instance_ids": list(states)})


@reboot_instances.apply
def apply(ctx: Context, inputs: Reboot, change: Change) -> Rebooted:
    """RebootInstances."""
    instance_ids = change.after["instance_ids"]
    starting = {name for name, (_, checks) in _checks(ctx, inputs).items() if "initializing" in checks}
    what = f"reboot {', '.join(instance_ids)}"
    call(ctx, what, "ec2", inputs.region, "reboot_instances", repeatable=False, InstanceIds=instance_ids)
    _WATCHES[ctx] = _Watch(ctx.remaining(), starting)
    return Rebooted(count=len(instance_ids), instance_ids=instance_ids)


@reboot_instances.verify(within=STEP)
def verify(ctx: Context, inputs: Reboot, change: Change) -> bool | str:
    """Whether they run and no status check fails, by what AWS saw since the reboot."""
    watch = _WATCHES.setdefault(ctx, _Watch(ctx.remaining()))
    found = _checks(ctx, inputs)
    waits = []
    for name in inputs.instance_ids:
        state, checks = found.get(name, ("unknown", frozenset()))
        well = state == "running" and checks <= {"ok", "not-applicable"}
        if not well:
            if name not in watch.starting or "impaired" in checks:
                watch.restarted.add(name)
            waits.append(f"{name} is {state}, its checks {', '.join(sorted(checks)) or 'unknown'}.")
    if waits:
        return " ".join(waits)
    old = [name for name in inputs.instance_ids if name not in watch.restarted]
    passed = watch.began - ctx.remaining()
    if not old or passed >= inputs.settle:
        return True
    return (
        f"the checks of {', '.join(old)} pass, but may be of before the reboot, {passed:.0f} of {inputs.settle} s ago."
    )


@reboot_instances.target
def target(inputs: Reboot) -> str:
    """The instances; their ARNs hold an account that only AWS knows."""
    return f"ec2:{inputs.region}:{','.join(inputs.instance_ids)}"


def _states(ctx: Context, inputs: Reboot) -> dict[str, Any]:
    what = f"describe {', '.join(inputs.instance_ids)} in {inputs.region}"
    found = call(ctx, what, "ec2", inputs.region, "describe_instances", InstanceIds=inputs.instance_ids)
    instances = [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]
    states = {instance["InstanceId"]: instance["State"]["Name"] for instance in instances}
    missing = [instance for instance in inputs.instance_ids if instance not in states]
    if missing:
        raise NotFound(f"there is no instance {', '.join(missing)} in {inputs.region}.")
    return {instance: states[instance] for instance in inputs.instance_ids}


def _checks(ctx: Context, inputs: Reboot) -> dict[str, tuple[str, frozenset[str]]]:
    """Return each instance's state, and what its checks came to."""
    params: dict[str, Any] = {"InstanceIds": inputs.instance_ids, "IncludeAllInstances": True}
    found = call(ctx, "describe the instances' status", "ec2", inputs.region, "describe_instance_status", **params)
    return {
        status["InstanceId"]: (
            status["InstanceState"]["Name"],
            frozenset(status[check]["Status"] for check in _CHECKS if check in status),
        )
        for status in found["InstanceStatuses"]
    }
