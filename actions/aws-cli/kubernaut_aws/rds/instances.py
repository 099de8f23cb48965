"""The action aws/reboot_db_instance, for RDS and Aurora instances."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.moments import answered_at, in_utc
from kubernaut_aws.common.session import Aws, connect
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["Identifier", "reboot_db_instance"]

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$", max_length=63)]


class RebootDbInputs(AwsInputs):
    """The inputs of aws/reboot_db_instance."""

    db_instance: Annotated[Identifier, Field(description="The DB instance's identifier.")]
    failover: Annotated[bool, Field(description="Whether the standby of a Multi-AZ instance takes over.")] = False


class RebootDbResult(Result):
    """The result of aws/reboot_db_instance."""

    db_instance: Annotated[str, Field(max_length=63)]
    note: str | None = None


_REBOOTED: PerExecution[datetime] = PerExecution()
_BROKEN = {"failed", "inaccessible-encryption-credentials", "restore-error", "storage-full"}
_CLOCKS = timedelta(seconds=2)
"""RDS tells its times to the second."""

reboot_db_instance = Action(
    "aws/reboot_db_instance",
    permissions=["rds:DescribeDBInstances", "rds:DescribeEvents", "rds:RebootDBInstance"],
    idempotent=False,
    risk="high",
    examples=[{"region": "eu-central-1", "db_instance": "orders"}],
)


@reboot_db_instance.plan
def plan(ctx: Context, inputs: RebootDbInputs) -> Change:
    """Reboot an RDS or Aurora instance, and wait for RDS's event of it and the status `available`.

    With `failover` the standby of a Multi-AZ instance takes over, and the event must be of a failover. The status
    alone proves nothing: it may be of before. Clients hold connections to what was before, and must connect again.
    Not idempotent: RDS takes no token for it, so an error that leaves open whether it was done is final, and a pod that
    runs again does not act. Refused: a status other than `available`; a failover without Multi-AZ.
    """
    instance = _find(connect(ctx, inputs), inputs.db_instance)
    status = instance["DBInstanceStatus"]
    if status != "available":
        raise PreconditionFailed(f"{inputs.db_instance} is {status}, and must be available.", reason="WrongState")
    if inputs.failover and not instance.get("MultiAZ"):
        hint = "use aws/failover_db_cluster" if instance.get("DBClusterIdentifier") else "reboot it without failover"
        raise PreconditionFailed(
            f"{inputs.db_instance} is not Multi-AZ, so there is no standby to fail over to; {hint}.",
            reason="NotMultiAZ",
        )
    return Change({"rebooted": False}, {"rebooted": True})


@reboot_db_instance.apply
def apply(ctx: Context, inputs: RebootDbInputs, change: Change) -> RebootDbResult:
    """Call RebootDBInstance."""
    params: dict[str, Any] = {"DBInstanceIdentifier": inputs.db_instance}
    if inputs.failover:
        params["ForceFailover"] = True
    aws = connect(ctx, inputs)
    answer = aws.call(f"reboot {inputs.db_instance}", "rds", "reboot_db_instance", repeatable=False, **params)
    if (moment := answered_at(answer)) is not None:  # RDS's own clock, to compare its events with
        _REBOOTED.set(ctx, moment)
    return RebootDbResult(
        db_instance=inputs.db_instance, note="Clients hold connections of before, and must connect again."
    )


@reboot_db_instance.verify
def verify(ctx: Context, inputs: RebootDbInputs, change: Change) -> bool | str:
    """Return True once RDS tells of the reboot and the instance is available, until then what is missing."""
    aws = connect(ctx, inputs)
    status = _find(aws, inputs.db_instance)["DBInstanceStatus"]
    if status in _BROKEN or status.startswith("incompatible"):
        raise VerifyFailed(f"{inputs.db_instance} was rebooted, and is {status}.", reason="Broken")
    told = _events(aws, inputs.db_instance, _REBOOTED.get(ctx))
    sought = "failover completed" if inputs.failover else "restarted"
    if not any(sought in message for message in told):
        return f"{inputs.db_instance} is {status}, and RDS has not told that it is {sought}; {_last(told)}."
    return bool(status == "available") or f"{inputs.db_instance} is {status}."


@reboot_db_instance.target
def target(inputs: RebootDbInputs) -> str:
    """Return the instance. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"rds:{inputs.region}:db:{inputs.db_instance}"


def _find(aws: Aws, name: str) -> dict[str, Any]:
    what = f"describe {name} in {aws.region}"
    return aws.items(what, "rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=name)[0]


def _events(aws: Aws, name: str, since: datetime | None) -> list[str]:
    """Return what RDS tells of an instance since its reboot, in lower case."""
    about: dict[str, Any] = {"SourceIdentifier": name, "SourceType": "db-instance", "Duration": 180}
    found = aws.items(f"read the events of {name}", "rds", "describe_events", "Events", **about)
    return [item["Message"].lower() for item in found if since is None or in_utc(item["Date"]) >= since - _CLOCKS]


def _last(told: list[str]) -> str:
    return f"its last word is: {told[-1].rstrip('.')}" if told else "there is no event since"
