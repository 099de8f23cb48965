"""The action aws/scale_nodegroup, for managed node groups of EKS."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import Aws, connect
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["scale_nodegroup"]

EksName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]


class ScaleNodegroupInputs(AwsInputs):
    """The inputs of aws/scale_nodegroup."""

    cluster: Annotated[EksName, Field(description="The EKS cluster.")]
    nodegroup: Annotated[EksName, Field(description="The managed node group.")]
    desired: Annotated[int, Field(ge=0, le=450, description="As many nodes as there shall be.")]
    allow_zero: Annotated[bool, Field(description="Whether 0 is meant, which ends the group's last node.")] = False


class ScaleNodegroupResult(Result):
    """The result of aws/scale_nodegroup."""

    desired: int
    update_id: Annotated[str, Field(max_length=64)]


_MADE: PerExecution[str] = PerExecution()

scale_nodegroup = Action(
    "aws/scale_nodegroup",
    permissions=["eks:DescribeNodegroup", "eks:DescribeUpdate", "eks:UpdateNodegroupConfig"],
    risk="medium",
    examples=[{"region": "eu-central-1", "cluster": "shop", "nodegroup": "workers", "desired": 6}],
)


@scale_nodegroup.plan
def plan(ctx: Context, inputs: ScaleNodegroupInputs) -> Change:
    """Set the number of nodes of an EKS node group, and wait until the update succeeded and the group is ACTIVE.

    Refused: a number outside the group's minimum and maximum; 0 without `allow_zero`; a group that is not ACTIVE. A
    cluster autoscaler may set the number again: then the step ends with code 4. Idempotent: the request's token is the
    record's id; undo sets the number back. EKS has no compare-and-swap for this: the number is read again right before.
    """
    group = _find(connect(ctx, inputs), inputs)
    scaling = group["scalingConfig"]
    if not scaling["minSize"] <= inputs.desired <= scaling["maxSize"]:
        raise PreconditionFailed(
            f"node group {inputs.nodegroup} allows {scaling['minSize']} to {scaling['maxSize']} nodes, not "
            f"{inputs.desired}; widen the group, or ask for another number."
        )
    if inputs.desired == 0 and not inputs.allow_zero:
        raise PreconditionFailed(
            f"desired is 0, which ends the last node of {inputs.nodegroup}; set allow_zero to true if that is meant.",
            reason="Zero",
        )
    change = Change({"desired": scaling["desiredSize"]}, {"desired": inputs.desired})
    if not change.empty and group["status"] != "ACTIVE":
        raise PreconditionFailed(f"node group {inputs.nodegroup} is {group['status']}.", reason="WrongState")
    return change


@scale_nodegroup.apply
def apply(ctx: Context, inputs: ScaleNodegroupInputs, change: Change) -> ScaleNodegroupResult:
    """Call UpdateNodegroupConfig with the number."""
    update = _set(ctx, inputs, change.before, change.after)
    return ScaleNodegroupResult(desired=inputs.desired, update_id=_MADE.set(ctx, update))


@scale_nodegroup.verify
def verify(ctx: Context, inputs: ScaleNodegroupInputs, change: Change) -> bool | str:
    """Return True once the update succeeded and the group is ACTIVE, until then what is missing."""
    aws = connect(ctx, inputs)
    if (made := _MADE.get(ctx)) is not None and (missing := _missing(aws, inputs, made)):
        return missing
    group = _find(aws, inputs)
    now, name = {"desired": group["scalingConfig"]["desiredSize"]}, f"node group {inputs.nodegroup}"
    if missing := pending_write(name, now, change, "is there a cluster autoscaler?"):
        return missing
    if group["status"] == "DEGRADED":
        raise VerifyFailed(f"{name} is DEGRADED{_issues(group)}.", reason="Degraded")
    return bool(group["status"] == "ACTIVE") or f"{name} is {group['status']}{_issues(group)}."


@scale_nodegroup.undo
def undo(ctx: Context, inputs: ScaleNodegroupInputs, change: Change) -> None:
    """Set the number back."""
    _set(ctx, inputs, change.after, change.before)


@scale_nodegroup.target
def target(inputs: ScaleNodegroupInputs) -> str:
    """Return the node group. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"eks:{inputs.region}:{inputs.cluster}/{inputs.nodegroup}"


def _find(aws: Aws, inputs: ScaleNodegroupInputs) -> dict[str, Any]:
    what = f"describe the node group {inputs.nodegroup} of cluster {inputs.cluster}"
    params: dict[str, Any] = {"clusterName": inputs.cluster, "nodegroupName": inputs.nodegroup}
    found: dict[str, Any] = aws.call(what, "eks", "describe_nodegroup", **params)["nodegroup"]
    return found


def _missing(aws: Aws, inputs: ScaleNodegroupInputs, made: str) -> str | None:
    """Return what is missing for the update that was made to succeed, or None.

    Raises:
        VerifyFailed: if it failed.
    """
    params: dict[str, Any] = {"name": inputs.cluster, "nodegroupName": inputs.nodegroup, "updateId": made}
    update = aws.call(f"ask for the update {made}", "eks", "describe_update", **params)["update"]
    if update["status"] in {"Failed", "Cancelled"}:
        errors = "; ".join(f"{item['errorCode']}: {item['errorMessage']}" for item in update.get("errors", ()))
        raise VerifyFailed(
            f"the update {made} of {inputs.nodegroup} is {update['status']}: {errors or 'no reason is told'}.",
            reason="UpdateFailed",
        )
    return None if update["status"] == "Successful" else f"the update {made} is {update['status']}."


def _issues(group: dict[str, Any]) -> str:
    issues = group.get("health", {}).get("issues", ())
    return "".join(f"; {item.get('code')}: {str(item.get('message', '')).rstrip('.')}" for item in issues)


def _set(ctx: Context, inputs: ScaleNodegroupInputs, before: dict[str, int], after: dict[str, int]) -> str:
    aws = connect(ctx, inputs)
    scaling = _find(aws, inputs)["scalingConfig"]
    require_planned(f"node group {inputs.nodegroup}", {"desired": scaling["desiredSize"]}, before)
    answer = aws.call(
        f"set the node group {inputs.nodegroup} to {after['desired']} nodes",
        "eks",
        "update_nodegroup_config",
        clusterName=inputs.cluster,
        nodegroupName=inputs.nodegroup,
        scalingConfig={"desiredSize": after["desired"]},
        clientRequestToken=str(ctx.record_id),
    )
    return str(answer["update"]["id"])
