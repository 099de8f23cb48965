"""The action aws/set_dns_weight, for weighted records of Route 53."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.regions import Region
from kubernaut_aws.common.session import Aws, connect
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result

__all__ = ["set_dns_weight"]


class WeightInputs(AwsInputs):
    """The inputs of aws/set_dns_weight."""

    region: Annotated[Region, Field(description="Route 53 is in none; this is for the partition and STS.")] = (
        "us-east-1"
    )
    hosted_zone_id: Annotated[
        str, Field(pattern=r"^[A-Z0-9]{1,32}$", max_length=32, description="The id of the hosted zone.")
    ]
    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9_*]([a-z0-9_.-]*[a-z0-9])?$",
            max_length=253,
            description="The record's name, without a dot at its end.",
        ),
    ]
    type: Annotated[
        Literal["A", "AAAA", "CNAME", "HTTPS", "SRV", "SVCB", "TXT"], Field(description="The record's type.")
    ]
    set_identifier: Annotated[
        str, Field(min_length=1, max_length=128, description="Which of the records of that name and type.")
    ]
    weight: Annotated[int, Field(ge=0, le=255, description="Its part is this by the sum of all; 0 takes it out.")]


class WeightResult(Result):
    """The result of aws/set_dns_weight."""

    weight: int
    change_id: Annotated[str, Field(max_length=64)]
    note: str | None = None


_CHANGE: PerExecution[str] = PerExecution()
_RECORD: PerExecution[dict[str, Any]] = PerExecution()

set_dns_weight = Action(
    "aws/set_dns_weight",
    permissions=[
        "route53:ChangeResourceRecordSets",
        "route53:GetChange",
        "route53:GetHealthCheckStatus",
        "route53:ListResourceRecordSets",
    ],
    risk="high",
    examples=[
        {
            "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
            "name": "api.example.com",
            "type": "A",
            "set_identifier": "blue",
            "weight": 0,
        }
    ],
)


@set_dns_weight.plan
def plan(ctx: Context, inputs: WeightInputs) -> Change:
    """Set the weight of a weighted DNS record, and wait until Route 53's servers answer by it.

    Everything else of the record, an alias or its addresses, stays as it was read. Compare-and-swap: the record as it
    was read is deleted and made with its new weight in one change, which Route 53 carries out as a whole or, if the
    record is another by now, not at all; it is then planned anew. Refused: weights whose sum would be 0, which Route 53
    answers as if all were equal; a weight that would leave requests only to records whose health checks fail.
    Resolvers go on for the record's TTL. Idempotent; undo sets the weight back.
    """
    aws = connect(ctx, inputs)
    records = _find(aws, inputs)
    record = _of_set(records, inputs)
    _RECORD.set(ctx, record)
    if record["Weight"] != inputs.weight:
        _require_healthy_weight(aws, records, inputs)
    return Change({"weight": record["Weight"]}, {"weight": inputs.weight})


@set_dns_weight.apply
def apply(ctx: Context, inputs: WeightInputs, change: Change) -> WeightResult:
    """Call ChangeResourceRecordSets."""
    aws, record = connect(ctx, inputs), _RECORD.get(ctx)
    assert record is not None  # plan has read it
    change_id = _CHANGE.set(ctx, _swap(aws, inputs, record, change.after["weight"]))
    ttl = record.get("TTL")
    lasting = f"{ttl} s" if ttl is not None else "their target's TTL"
    return WeightResult(
        weight=inputs.weight, change_id=change_id, note=f"Resolvers may answer as before for another {lasting}."
    )


@set_dns_weight.verify
def verify(ctx: Context, inputs: WeightInputs, change: Change) -> bool | str:
    """Return True once the change is in sync and the weight is read as written, until then what is missing."""
    aws = connect(ctx, inputs)
    if (made := _CHANGE.get(ctx)) is not None:
        status = aws.call(f"ask for the change {made}", "route53", "get_change", Id=made)["ChangeInfo"]["Status"]
        if status != "INSYNC":
            return f"the change {made} is {status}."
    now = {"weight": _of_set(_find(aws, inputs), inputs)["Weight"]}
    return pending_write(f"the record {inputs.name} {inputs.set_identifier}", now, change) or True


@set_dns_weight.undo
def undo(ctx: Context, inputs: WeightInputs, change: Change) -> None:
    """Set the weight back."""
    aws = connect(ctx, inputs)
    record = _of_set(_find(aws, inputs), inputs)
    require_planned(f"the record {inputs.name} {inputs.set_identifier}", {"weight": record["Weight"]}, change.after)
    _swap(aws, inputs, record, change.before["weight"])


@set_dns_weight.target
def target(inputs: WeightInputs) -> str:
    """Return the record."""
    return f"route53:{inputs.hosted_zone_id}:{inputs.name}:{inputs.type}:{inputs.set_identifier}"


def _find(aws: Aws, inputs: WeightInputs) -> list[dict[str, Any]]:
    """Return all records of the name and type. The list begins at them; its later pages are others."""
    found = aws.items(
        f"list the records {inputs.name} {inputs.type}",
        "route53",
        "list_resource_record_sets",
        "ResourceRecordSets",
        HostedZoneId=inputs.hosted_zone_id,
        StartRecordName=inputs.name,
        StartRecordType=inputs.type,
    )
    wanted = f"{inputs.name}.".replace("*", "\\052")
    return [item for item in found if item["Name"] in {wanted, f"{inputs.name}."} and item["Type"] == inputs.type]


def _of_set(records: list[dict[str, Any]], inputs: WeightInputs) -> dict[str, Any]:
    record = next((item for item in records if item.get("SetIdentifier") == inputs.set_identifier), None)
    if record is None:
        sets = ", ".join(sorted(str(item["SetIdentifier"]) for item in records if "SetIdentifier" in item))
        raise NotFound(
            f"there is no record {inputs.name} {inputs.type} with the set identifier {inputs.set_identifier}; there is "
            f"{sets or ('one without a set identifier' if records else 'no such record')}."
        )
    if "Weight" not in record:
        raise PreconditionFailed(
            f"the record {inputs.name} {inputs.set_identifier} is not weighted; it goes by another policy.",
            reason="NotWeighted",
        )
    return record


def _require_healthy_weight(aws: Aws, records: list[dict[str, Any]], inputs: WeightInputs) -> None:
    """Raise unless a record that is not known as unhealthy would have a weight.

    Raises:
        PreconditionFailed: if the sum would be 0, or all the others fail.
    """
    weights = {item["SetIdentifier"]: item["Weight"] for item in records if "Weight" in item}
    weights[inputs.set_identifier] = inputs.weight
    serving = [item for item in records if weights.get(item.get("SetIdentifier", ""), 0) > 0]
    if not serving:
        raise PreconditionFailed(
            f"the sum of all weights of {inputs.name} {inputs.type} would be 0, which Route 53 answers as if all were "
            f"equal; give another record a weight first.",
            reason="SumOfZero",
        )
    if not any(_is_healthy(aws, item) for item in serving):
        names = ", ".join(item["SetIdentifier"] for item in serving)
        raise PreconditionFailed(
            f"the health checks of all records that would have a weight fail ({names}); requests would go nowhere.",
            reason="Unhealthy",
        )


def _is_healthy(aws: Aws, record: dict[str, Any]) -> bool:
    """Return False if the record has a health check and more than 82 % of Route 53's checkers find it failing."""
    if (check := record.get("HealthCheckId")) is None:
        return True
    what = f"ask for the health check {check}"
    found = aws.call(what, "route53", "get_health_check_status", HealthCheckId=check)["HealthCheckObservations"]
    well = [item for item in found if item["StatusReport"]["Status"].startswith("Success")]
    return len(well) > 0.18 * len(found)


def _swap(aws: Aws, inputs: WeightInputs, record: dict[str, Any], weight: int) -> str:
    """Replace the record as it was read by one with another weight, in one change, and return the change's id."""
    answer = aws.call(
        f"set the weight of {inputs.name} {inputs.set_identifier} to {weight}",
        "route53",
        "change_resource_record_sets",
        HostedZoneId=inputs.hosted_zone_id,
        ChangeBatch={
            "Comment": "by Kubernaut",
            "Changes": [
                {"Action": "DELETE", "ResourceRecordSet": record},
                {"Action": "UPSERT", "ResourceRecordSet": {**record, "Weight": weight}},
            ],
        },
    )
    return str(answer["ChangeInfo"]["Id"]).removeprefix("/change/")
