"""The action aws/create_snapshot, for EBS volumes."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.dryrun import dry_run
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.ebs.volumes import VolumeId, find_volume
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["create_snapshot"]

TAG = "kubernaut.io/record"
"""The tag of a snapshot that holds the id of its record."""


class SnapshotInputs(AwsInputs):
    """The inputs of aws/create_snapshot."""

    volume_id: VolumeId
    description: Annotated[
        str, Field(max_length=200, pattern=r"^[ -~]*$", description="The snapshot's description.")
    ] = "made by Kubernaut"


class SnapshotResult(Result):
    """The result of aws/create_snapshot."""

    snapshot_id: Annotated[str, Field(max_length=32)]
    size_gib: int


_MADE: PerExecution[str] = PerExecution()

create_snapshot = Action(
    "aws/create_snapshot",
    permissions=["ec2:CreateSnapshot", "ec2:CreateTags", "ec2:DescribeSnapshots", "ec2:DescribeVolumes"],
    idempotent=False,
    risk="low",
    examples=[{"region": "eu-central-1", "volume_id": "vol-0123456789abcdef0"}],
)


@create_snapshot.plan
def plan(ctx: Context, inputs: SnapshotInputs) -> Change:
    """Take a snapshot of an EBS volume, and wait until it is completed.

    A snapshot holds what was written to the volume at its start; what applications keep in memory is not in it.
    Not idempotent: every record takes one. EC2 has no client token for it, so the snapshot carries its record's id in
    the tag `kubernaut.io/record`, and one record takes one snapshot, however often its pod runs. Refused while another
    snapshot of the volume is pending. Grow-only: it takes nothing away, and nobody deletes it.
    """
    aws = connect(ctx, inputs)
    find_volume(aws, inputs.volume_id)
    after = {"snapshot_of_record": str(ctx.record_id)}
    found = _snapshots(aws, inputs.volume_id)
    if any(_record_of(item) == str(ctx.record_id) for item in found):
        return Change(after, after)
    if pending := [item["SnapshotId"] for item in found if item["State"] == "pending"]:
        raise PreconditionFailed(
            f"the snapshot {pending[0]} of {inputs.volume_id} is pending; wait for its end.", reason="SnapshotPending"
        )
    return Change({"snapshot_of_record": None}, after)


@create_snapshot.apply
def apply(ctx: Context, inputs: SnapshotInputs, change: Change) -> SnapshotResult:
    """Call CreateSnapshot."""
    aws = connect(ctx, inputs)
    made = aws.call(
        f"take a snapshot of {inputs.volume_id}",
        "ec2",
        "create_snapshot",
        repeatable=False,
        VolumeId=inputs.volume_id,
        Description=inputs.description,
        TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": TAG, "Value": change.after["snapshot_of_record"]}]}
        ],
    )
    return SnapshotResult(snapshot_id=_MADE.set(ctx, made["SnapshotId"]), size_gib=made["VolumeSize"])


@create_snapshot.verify
def verify(ctx: Context, inputs: SnapshotInputs, change: Change) -> bool | str:
    """Return True once the record's snapshot is completed, until then how far it is."""
    made, record = _MADE.get(ctx), change.after["snapshot_of_record"]
    found = [
        item
        for item in _snapshots(connect(ctx, inputs), inputs.volume_id)
        if item["SnapshotId"] == made or _record_of(item) == record
    ]
    if not found:
        return f"EC2 does not list the snapshot of {inputs.volume_id} yet."
    snapshot = found[0]
    if snapshot["State"] in {"error", "recoverable", "recovering"}:
        why = snapshot.get("StateMessage") or "no reason is told"
        raise VerifyFailed(f"{snapshot['SnapshotId']} is {snapshot['State']}: {why}.", reason="SnapshotFailed")
    return snapshot["State"] == "completed" or f"{snapshot['SnapshotId']} is at {snapshot.get('Progress') or '0%'}."


@create_snapshot.check
def check(ctx: Context, inputs: SnapshotInputs) -> dict[str, str | None]:
    """Ask EC2 by its dry run if it would take it."""
    params: dict[str, Any] = {"VolumeId": inputs.volume_id}
    return {"ec2:CreateSnapshot": dry_run(connect(ctx, inputs), "take the snapshot", "create_snapshot", **params)}


@create_snapshot.target
def target(inputs: SnapshotInputs) -> str:
    """Return the volume. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{inputs.volume_id}"


def _snapshots(aws: Aws, volume: str) -> list[dict[str, Any]]:
    only = [{"Name": "volume-id", "Values": [volume]}]
    what = f"describe the snapshots of {volume}"
    return aws.items(what, "ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=only)


def _record_of(snapshot: dict[str, Any]) -> str | None:
    return next((tag["Value"] for tag in snapshot.get("Tags", ()) if tag["Key"] == TAG), None)
