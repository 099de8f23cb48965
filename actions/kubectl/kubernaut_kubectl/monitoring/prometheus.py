"""The action prometheus/assert_query."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.monitoring.http import ServerUrl, request_json
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, Failed, Inputs, InvalidInputs
from kubernaut_sdk.portable import shorten

__all__ = ["assert_query", "query_shortfall"]

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
Sample = tuple[dict[str, str], float]


class AssertQueryInputs(Inputs):
    """The inputs of prometheus/assert_query."""

    url: ServerUrl
    query: Annotated[str, Field(min_length=1, max_length=8192, description="A PromQL query of an instant.")]
    op: Annotated[Operator, Field(description="How the value compares with the threshold.")]
    threshold: Annotated[float, Field(allow_inf_nan=False, description="The threshold.")]
    hold: Annotated[DurationText, Field(description="For how long it must hold without interruption.")] = "0s"
    series: Annotated[
        Literal["one", "all", "any"],
        Field(description="Which series must hold: the only one, each of several, or at least one."),
    ] = "one"


assert_query = Action(
    "prometheus/assert_query",
    permissions=["the query API: read"],
    risk="low",
    examples=[
        {
            "url": "https://prometheus.example.com",
            "query": 'sum(rate(http_requests_total{job="checkout",code=~"5.."}[5m]))',
            "op": "<",
            "threshold": 0.5,
            "hold": "2m",
        }
    ],
)


@assert_query.plan
def plan(ctx: Context, inputs: AssertQueryInputs) -> Change:
    """Wait until a PromQL query's value compares with a threshold as asked, and has held; change nothing.

    No data is not 0: without a series it is not reached, and the message says so. Neither is NaN. Several series are
    not reached either, unless `series` says `all` or `any`. It is asked every two seconds at most; a longer `hold` is
    better said in the query (`max_over_time`), which sees what happens between two questions. A query that Prometheus
    does not understand ends with code 2. The step's Secret may hold `token`, or `username` and `password`, and
    `ca.crt`. It ends as `unchanged`.
    """
    _ask(ctx, inputs)
    return Change()


@assert_query.apply
def apply(ctx: Context, inputs: AssertQueryInputs, change: Change) -> None:
    """Do nothing: the change is always empty."""


@assert_query.verify
def verify(ctx: Context, inputs: AssertQueryInputs, change: Change) -> bool | str:
    """Return True once the comparison has held."""
    shortfall = query_shortfall(_ask(ctx, inputs), inputs.op, inputs.threshold, inputs.series)
    if shortfall is not None:
        tracker_of(ctx).reset(shortfall)
        return shortfall
    return tracker_of(ctx).check_settled(ctx, seconds_of(inputs.hold))


@assert_query.target
def target(inputs: AssertQueryInputs) -> str:
    """Return the server's address."""
    return inputs.url


def query_shortfall(samples: list[Sample], op: Operator, threshold: float, series: str) -> str | None:
    """Return what is missing, or None if the samples compare as asked."""
    if not samples:
        return "the query has no data, which is not 0."
    if series == "one" and len(samples) > 1:
        names = " and ".join(_name(labels) for labels, _ in samples[:2])
        return f"the query has {len(samples)} series, such as {names}; aggregate them, or set series to all or any."
    wrong = [sample for sample in samples if math.isnan(sample[1]) or not _COMPARE[op](sample[1], threshold)]
    if not wrong or (series == "any" and len(wrong) < len(samples)):
        return None
    labels, value = wrong[0]
    shown = "NaN" if math.isnan(value) else f"{value:g}"
    others = f" ({len(wrong)} of {len(samples)} series)" if len(samples) > 1 else ""
    return f"{_name(labels)} is {shown}, not {op} {threshold:g}{others}."


def _ask(ctx: Context, inputs: AssertQueryInputs) -> list[Sample]:
    """Return the samples of the query.

    Raises:
        InvalidInputs: if Prometheus does not understand it.
        Failed: if its answer is neither a vector nor a scalar.
    """
    address = f"{inputs.url}/api/v1/query"
    _, answer = request_json(ctx, "POST", address, form={"query": inputs.query}, server="Prometheus")
    if not isinstance(answer, dict) or answer.get("status") != "success":
        problem = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(answer, dict) and answer.get("errorType") == "bad_data":
            raise InvalidInputs(f"inputs.query: Prometheus does not understand it: {shorten(str(problem))}")
        raise Failed(f"Prometheus refuses the query: {shorten(str(problem))}", reason="QueryFailed")
    for warning in answer.get("warnings") or ():
        ctx.log.warning("Prometheus warns: %s", warning)
    data = answer["data"]
    match data["resultType"]:
        case "vector":
            return [(item["metric"], float(item["value"][1])) for item in data["result"] if "value" in item]
        case "scalar":
            return [({}, float(data["result"][1]))]
        case kind:
            raise InvalidInputs(f"inputs.query: it gives a {kind}; ask for a vector or a scalar of this instant.")


def _name(labels: dict[str, str]) -> str:
    inner = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return shorten(f"{labels.get('__name__', '')}{{{inner}}}" if labels else "the value", 200)
