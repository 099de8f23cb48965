"""The action aws/failover_db_cluster, for Aurora and Multi-AZ DB clusters."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.rds.instances import Identifier
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result

__all__ = ["failover_db_cluster"]


class FailoverInputs(AwsInputs):
    """The inputs of aws/failover_db_cluster."""

    cluster: Annotated[Identifier, Field(description="The DB cluster's identifier.")]
    instance: Annotated[Identifier, Field(description="The DB instance of the cluster that shall be the writer.")]
    max_lag_seconds: Annotated[
        float | None,
        Field(ge=0, le=86_400, description="Refused if the replica lags more, or nobody knows; null does not ask."),
    ] = 30.0


class FailoverResult(Result):
    """The result of aws/failover_db_cluster."""

    writer: Annotated[str, Field(max_length=63)]
    note: str | None = None


failover_db_cluster = Action(
    "aws/failover_db_cluster",
    permissions=[
        "cloudwatch:GetMetricStatistics",
        "rds:DescribeDBClusters",
        "rds:DescribeDBInstances",
        "rds:FailoverDBCluster",
    ],
    risk="high",
    examples=[{"region": "eu-central-1", "cluster": "orders", "instance": "orders-2"}],
)


@failover_db_cluster.plan
def plan(ctx: Context, inputs: FailoverInputs) -> Change:
    """Make a given instance the writer of an Aurora or Multi-AZ DB cluster, and wait until it is.

    Refused: a cluster or instance that is not `available`; a replica that lags more than `max_lag_seconds` by
    CloudWatch, or of which CloudWatch has no figure of the last ten minutes (no figure is not 0). Idempotent, since the
    new writer is named; undo makes the earlier one the writer again. Clients hold connections to the earlier writer,
    which takes no writes any more: they must connect again. RDS has no compare-and-swap for this: the writer is read
    again right before.
    """
    aws = connect(ctx, inputs)
    cluster = _find(aws, inputs.cluster)
    members = {item["DBInstanceIdentifier"]: item for item in cluster["DBClusterMembers"]}
    if inputs.instance not in members:
        raise NotFound(
            f"{inputs.instance} is not in the cluster {inputs.cluster}; it has {', '.join(sorted(members)) or 'none'}."
        )
    change = Change({"writer": _writer(cluster)}, {"writer": inputs.instance})
    if not change.empty:
        _require_available(inputs.cluster, cluster["Status"])
        what = f"describe {inputs.instance}"
        found = aws.items(what, "rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=inputs.instance)[0]
        _require_available(inputs.instance, found["DBInstanceStatus"])
        if inputs.max_lag_seconds is not None:
            _require_small_lag(aws, inputs.instance, cluster["Engine"], inputs.max_lag_seconds)
    return change


@failover_db_cluster.apply
def apply(ctx: Context, inputs: FailoverInputs, change: Change) -> FailoverResult:
    """Call FailoverDBCluster with the new writer."""
    _fail_over(connect(ctx, inputs), inputs.cluster, change.before, change.after)
    note = f"Clients hold connections to {change.before['writer']}, now a reader; they must connect again."
    return FailoverResult(writer=inputs.instance, note=note)


@failover_db_cluster.verify
def verify(ctx: Context, inputs: FailoverInputs, change: Change) -> bool | str:
    """Return True once the instance is the writer and the cluster is available, until then what is missing."""
    cluster = _find(connect(ctx, inputs), inputs.cluster)
    writer, status = _writer(cluster), cluster["Status"]
    if writer is None:
        return f"the cluster {inputs.cluster} is {status}, and has no writer."
    if missing := pending_write(f"the cluster {inputs.cluster}", {"writer": writer}, change):
        return missing
    return bool(status == "available") or f"the cluster {inputs.cluster} is {status}."


@failover_db_cluster.undo
def undo(ctx: Context, inputs: FailoverInputs, change: Change) -> None:
    """Make the earlier writer the writer again."""
    _fail_over(connect(ctx, inputs), inputs.cluster, change.after, change.before)


@failover_db_cluster.target
def target(inputs: FailoverInputs) -> str:
    """Return the cluster. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"rds:{inputs.region}:cluster:{inputs.cluster}"


def _find(aws: Aws, name: str) -> dict[str, Any]:
    what = f"describe the cluster {name} in {aws.region}"
    return aws.items(what, "rds", "describe_db_clusters", "DBClusters", DBClusterIdentifier=name)[0]


def _writer(cluster: dict[str, Any]) -> str | None:
    members = cluster["DBClusterMembers"]
    return next((item["DBInstanceIdentifier"] for item in members if item.get("IsClusterWriter")), None)


def _require_available(name: str, status: str) -> None:
    if status != "available":
        raise PreconditionFailed(f"{name} is {status}, and must be available.", reason="WrongState")


def _require_small_lag(aws: Aws, instance: str, engine: str, limit: float) -> None:
    """Raise if CloudWatch tells of a greater lag of the replica, or of none in the last ten minutes.

    Aurora measures it in milliseconds, a Multi-AZ DB cluster in seconds.

    Raises:
        PreconditionFailed: with the lag.
    """
    metric, unit = ("AuroraReplicaLag", 0.001) if engine.startswith("aurora") else ("ReplicaLag", 1.0)
    now = datetime.now(UTC)
    answer = aws.call(
        f"ask CloudWatch for the lag of {instance}",
        "cloudwatch",
        "get_metric_statistics",
        Namespace="AWS/RDS",
        MetricName=metric,
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": instance}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    if not (points := sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])):
        raise PreconditionFailed(
            f"CloudWatch has no figure of {metric} of {instance} in the last ten minutes, which is not 0; set "
            f"max_lag_seconds to null not to ask.",
            reason="LagUnknown",
        )
    if (lag := points[-1]["Maximum"] * unit) > limit:
        raise PreconditionFailed(
            f"max_lag_seconds is {limit:g}, and {instance} lags {lag:.3g} s; wait, choose another, or raise the limit.",
            reason="Lag",
        )


def _fail_over(aws: Aws, cluster: str, before: dict[str, str], after: dict[str, str]) -> None:
    require_planned(f"the cluster {cluster}", {"writer": _writer(_find(aws, cluster))}, before)
    params: dict[str, Any] = {"DBClusterIdentifier": cluster, "TargetDBInstanceIdentifier": after["writer"]}
    aws.call(f"make {after['writer']} the writer of {cluster}", "rds", "failover_db_cluster", **params)
