"""The action aws/reboot_instances, for EC2 instances."""

from dataclasses import dataclass, field
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from pydantic import Field

from kubernaut_aws._aws import call_aws
from kubernaut_aws._regions import Region
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result

__all__ = ["reboot_instances"]

InstanceId = Annotated[str, Field(pattern=r"^i-[0-9a-f]{8,17}$")]


class RebootInputs(Inputs):
    """The inputs of aws/reboot_instances."""

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


class RebootResult(Result):
    """The result of aws/reboot_instances."""

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
class _RebootTracker:
    """The observations of one reboot.

    AWS does not report a reboot: the launch time stays, and status checks run once a minute, so an `ok` right after the
    reboot may be older than it. A check that failed or began anew since the reboot proves it; otherwise only waiting
    helps, by this machine's own monotonic clock.
    """

    began: float
    starting: set[str] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)


_CHECKS = ("InstanceStatus", "SystemStatus", "AttachedEbsStatus")
_TRACKERS: WeakKeyDictionary[Context, _RebootTracker] = WeakKeyDictionary()


@reboot_instances.plan
def plan(ctx: Context, inputs: RebootInputs) -> Change:
    """Reboot running EC2 instances, and wait until their status checks pass after the reboot.

    AWS makes its checks once a minute, and reports the older result until then. So an instance counts as healthy once
    its checks failed or began anew and then passed, or have passed for `settle` seconds since the reboot. An instance
    that takes longer than that to fail is not noticed. Not idempotent: RebootInstances takes no client token, so AWS
    cannot tell a repeated request from a new one. Hence an error that leaves open whether it was done is final, and a
    pod that runs again does not act.
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
def apply(ctx: Context, inputs: RebootInputs, change: Change) -> RebootResult:
    """Call RebootInstances."""
    instance_ids = change.after["instance_ids"]
    starting = {name for name, (_, checks) in _checks(ctx, inputs).items() if "initializing" in checks}
    what = f"reboot {', '.join(instance_ids)}"
    call_aws(ctx, what, "ec2", inputs.region, "reboot_instances", repeatable=False, InstanceIds=instance_ids)
    _TRACKERS[ctx] = _RebootTracker(ctx.remaining(), starting)
    return RebootResult(count=len(instance_ids), instance_ids=instance_ids)


@reboot_instances.verify
def verify(ctx: Context, inputs: RebootInputs, change: Change) -> bool | str:
    """Return True once all instances run and pass their checks after the reboot, until then what is missing."""
    tracker = _TRACKERS.setdefault(ctx, _RebootTracker(ctx.remaining()))
    found = _checks(ctx, inputs)
    waits = []
    for name in inputs.instance_ids:
        state, checks = found.get(name, ("unknown", frozenset()))
        well = state == "running" and checks <= {"ok", "not-applicable"}
        if not well:
            if name not in tracker.starting or "impaired" in checks:
                tracker.restarted.add(name)
            waits.append(f"{name} is {state}, its checks {', '.join(sorted(checks)) or 'unknown'}.")
    if waits:
        return " ".join(waits)
    old = [name for name in inputs.instance_ids if name not in tracker.restarted]
    passed = tracker.began - ctx.remaining()
    if not old or passed >= inputs.settle:
        return True
    return (
        f"the checks of {', '.join(old)} pass, but may be of before the reboot, {passed:.0f} of {inputs.settle} s ago."
    )


@reboot_instances.target
def target(inputs: RebootInputs) -> str:
    """Return the instances. Their ARNs are not used, since they hold the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{','.join(inputs.instance_ids)}"


def _states(ctx: Context, inputs: RebootInputs) -> dict[str, Any]:
    what = f"describe {', '.join(inputs.instance_ids)} in {inputs.region}"
    found = call_aws(ctx, what, "ec2", inputs.region, "describe_instances", InstanceIds=inputs.instance_ids)
    instances = [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]
    states = {instance["InstanceId"]: instance["State"]["Name"] for instance in instances}
    missing = [instance for instance in inputs.instance_ids if instance not in states]
    if missing:
        raise NotFound(f"there is no instance {', '.join(missing)} in {inputs.region}.")
    return {instance: states[instance] for instance in inputs.instance_ids}


def _checks(ctx: Context, inputs: RebootInputs) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the state of each instance, and the results of its status checks."""
    params: dict[str, Any] = {"InstanceIds": inputs.instance_ids, "IncludeAllInstances": True}
    found = call_aws(ctx, "describe the instances' status", "ec2", inputs.region, "describe_instance_status", **params)
    return {
        status["InstanceId"]: (
            status["InstanceState"]["Name"],
            frozenset(status[check]["Status"] for check in _CHECKS if check in status),
        )
        for status in found["InstanceStatuses"]
    }
