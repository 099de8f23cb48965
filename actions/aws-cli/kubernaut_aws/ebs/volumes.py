"""The action aws/extend_volume, for EBS volumes."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import require_planned
from kubernaut_aws.common.dryrun import dry_run
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.session import Aws, connect
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["VolumeId", "extend_volume", "find_volume"]

VolumeId = Annotated[str, Field(pattern=r"^vol-[0-9a-f]{8,17}$", description="The id of an EBS volume.")]


class ExtendInputs(AwsInputs):
    """The inputs of aws/extend_volume."""

    volume_id: VolumeId
    size_gib: Annotated[int, Field(ge=1, le=65_536, description="The size that it shall have.")]
    max_factor: Annotated[
        float, Field(ge=1, le=16, description="Refused if it would be more times as large as it is.")
    ] = 2.0


class ExtendResult(Result):
    """The result of aws/extend_volume."""

    size_gib: int
    note: str | None = None


_PAUSE = timedelta(hours=6)
_UNDER_WAY = {"modifying", "optimizing"}

extend_volume = Action(
    "aws/extend_volume",
    permissions=["ec2:DescribeVolumes", "ec2:DescribeVolumesModifications", "ec2:ModifyVolume"],
    risk="medium",
    grow_only=True,
    examples=[{"region": "eu-central-1", "volume_id": "vol-0123456789abcdef0", "size_gib": 200}],
)


@extend_volume.plan
def plan(ctx: Context, inputs: ExtendInputs) -> Change:
    """Make an EBS volume larger, and wait until the new size can be used.

    That is so once EC2 is `optimizing`; it may go on for hours. The file system on the volume is not grown: that is for
    its machine (`growpart`, `resize2fs`, `xfs_growfs`), or for its CSI driver. Refused: a smaller size; more than
    `max_factor` times the present one; within six hours of an earlier modification, as EC2 does. Idempotent.
    Grow-only: EBS makes no volume smaller. EC2 has no compare-and-swap for this: the size is read again right before.
    """
    aws = connect(ctx, inputs)
    size = find_volume(aws, inputs.volume_id)["Size"]
    if inputs.size_gib < size:
        raise PreconditionFailed(
            f"{inputs.volume_id} has {size} GiB, and EBS makes no volume smaller; ask for more than that.",
            reason="Smaller",
        )
    if inputs.size_gib > size * inputs.max_factor:
        raise PreconditionFailed(
            f"max_factor is {inputs.max_factor:g}, and {inputs.size_gib} GiB are {inputs.size_gib / size:.3g} times "
            f"the {size} GiB of {inputs.volume_id}; ask for less, or raise the limit.",
            reason="TooMany",
        )
    if inputs.size_gib != size:
        _require_modifiable(aws, inputs.volume_id)
    return Change({"size_gib": size}, {"size_gib": inputs.size_gib})


@extend_volume.apply
def apply(ctx: Context, inputs: ExtendInputs, change: Change) -> ExtendResult:
    """Call ModifyVolume."""
    aws = connect(ctx, inputs)
    now = find_volume(aws, inputs.volume_id)["Size"]
    require_planned(inputs.volume_id, {"size_gib": now}, change.before)
    what = f"extend {inputs.volume_id} to {inputs.size_gib} GiB"
    aws.call(what, "ec2", "modify_volume", VolumeId=inputs.volume_id, Size=inputs.size_gib)
    return ExtendResult(
        size_gib=inputs.size_gib,
        note="The file system is not grown; run growpart and resize2fs or xfs_growfs on the instance.",
    )


@extend_volume.verify
def verify(ctx: Context, inputs: ExtendInputs, change: Change) -> bool | str:
    """Return True once the volume has the size for use, until then how far it is."""
    aws = connect(ctx, inputs)
    size, last = find_volume(aws, inputs.volume_id)["Size"], _last_modification(aws, inputs.volume_id)
    if last is not None and last.get("TargetSize") == inputs.size_gib and last["ModificationState"] == "failed":
        raise VerifyFailed(
            f"EC2 could not extend {inputs.volume_id}: {last.get('StatusMessage') or 'no reason is told'}.",
            reason="ModificationFailed",
        )
    if last is not None and last["ModificationState"] == "modifying":
        return f"{inputs.volume_id} is modifying, at {last.get('Progress', 0)} %."
    if size > inputs.size_gib:
        raise VerifyFailed(
            f"{inputs.volume_id} was extended to {inputs.size_gib} GiB, and by somebody else to {size}.",
            reason="Overwritten",
        )
    return size == inputs.size_gib or f"{inputs.volume_id} still has {size} GiB, not {inputs.size_gib}."


@extend_volume.check
def check(ctx: Context, inputs: ExtendInputs) -> dict[str, str | None]:
    """Ask EC2 by its dry run if it would extend it."""
    params: dict[str, Any] = {"VolumeId": inputs.volume_id, "Size": inputs.size_gib}
    return {"ec2:ModifyVolume": dry_run(connect(ctx, inputs), "extend the volume", "modify_volume", **params)}


@extend_volume.target
def target(inputs: ExtendInputs) -> str:
    """Return the volume. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{inputs.volume_id}"


def find_volume(aws: Aws, volume: str) -> dict[str, Any]:
    """Return a volume that exists and can be used.

    Raises:
        NotFound: if there is none.
        PreconditionFailed: if it is being made or deleted, or is broken.
    """
    found = aws.items(f"describe {volume}", "ec2", "describe_volumes", "Volumes", VolumeIds=[volume])[0]
    if found["State"] not in {"available", "in-use"}:
        raise PreconditionFailed(f"{volume} is {found['State']}.", reason="WrongState")
    return found


def _last_modification(aws: Aws, volume: str) -> dict[str, Any] | None:
    only = [{"Name": "volume-id", "Values": [volume]}]  # by its id, a volume that was never modified is an error
    what = f"describe the modifications of {volume}"
    found = aws.items(what, "ec2", "describe_volumes_modifications", "VolumesModifications", Filters=only)
    return max(found, key=lambda item: item["StartTime"], default=None)


def _require_modifiable(aws: Aws, volume: str) -> None:
    if (last := _last_modification(aws, volume)) is None:
        return
    if last["ModificationState"] in _UNDER_WAY:
        raise PreconditionFailed(
            f"{volume} is {last['ModificationState']} since an earlier modification ({last.get('Progress', 0)} %); "
            f"wait for its end.",
            reason="ModifiedLately",
        )
    free = last["StartTime"] + _PAUSE
    if last["ModificationState"] == "completed" and datetime.now(UTC) < free:
        raise PreconditionFailed(
            f"{volume} was modified at {last['StartTime']:%H:%M} UTC, and EC2 modifies a volume once in six hours; "
            f"it can be extended from {free:%Y-%m-%d %H:%M} UTC on.",
            reason="ModifiedLately",
        )
