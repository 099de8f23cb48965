"""The action aws/reboot_instances, for EC2 instances."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.dryrun import dry_run
from kubernaut_aws.common.inputs import AwsInputs, InstanceId, Limit
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import connect
from kubernaut_aws.ec2.instances import find_instances, read_checks, require_few, state_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result

__all__ = ["reboot_instances"]


class RebootInputs(AwsInputs):
    """The inputs of aws/reboot_instances."""

    instance_ids: Annotated[
        list[InstanceId], Field(min_length=1, max_length=50, description="The ids of the EC2 instances.")
    ]
    max_instances: Limit = 50
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


_TRACKERS: PerExecution[_RebootTracker] = PerExecution()


@reboot_instances.plan
def plan(ctx: Context, inputs: RebootInputs) -> Change:
    """Reboot running EC2 instances, and wait until their status checks pass after the reboot.

    AWS makes its checks once a minute, and reports the older result until then. So an instance counts as healthy once
    its checks failed or began anew and then passed, or have passed for `settle` seconds since the reboot. An instance
    that takes longer than that to fail is not noticed. Not idempotent: RebootInstances takes no client token, so AWS
    cannot tell a repeated request from a new one. Hence an error that leaves open whether it was done is final, and a
    pod that runs again does not act.
    """
    require_few(inputs.instance_ids, inputs.max_instances)
    found = find_instances(connect(ctx, inputs), inputs.instance_ids)
    states = {name: state_of(instance) for name, instance in found.items()}
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
    aws = connect(ctx, inputs)
    starting = {name for name, (_, checks) in read_checks(aws, instance_ids).items() if "initializing" in checks}
    what = f"reboot {', '.join(instance_ids)}"
    aws.call(what, "ec2", "reboot_instances", repeatable=False, InstanceIds=instance_ids)
    _TRACKERS.set(ctx, _RebootTracker(ctx.remaining(), starting))
    return RebootResult(count=len(instance_ids), instance_ids=instance_ids)


@reboot_instances.verify
def verify(ctx: Context, inputs: RebootInputs, change: Change) -> bool | str:
    """Return True once all instances run and pass their checks after the reboot, until then what is missing."""
    tracker = _TRACKERS.get(ctx) or _TRACKERS.set(ctx, _RebootTracker(ctx.remaining()))
    found = read_checks(connect(ctx, inputs), inputs.instance_ids)
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


@reboot_instances.check
def check(ctx: Context, inputs: RebootInputs) -> dict[str, str | None]:
    """Ask EC2 by its dry run if it would reboot them."""
    params: dict[str, Any] = {"InstanceIds": inputs.instance_ids}
    return {"ec2:RebootInstances": dry_run(connect(ctx, inputs), "reboot the instances", "reboot_instances", **params)}


@reboot_instances.target
def target(inputs: RebootInputs) -> str:
    """Return the instances. Their ARNs are not used, since they hold the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{','.join(inputs.instance_ids)}"
