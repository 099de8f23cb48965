"""The action kubernetes/update_hpa."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.kubectl import Name, get
from kubernaut_kubectl.cluster.limits import require_factor
from kubernaut_kubectl.cluster.patches import Operation, expect, pointer, swap
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.owners.fields import Owner, ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import OwnedInputs
from kubernaut_sdk import Action, Change, Context, PreconditionFailed

__all__ = ["update_hpa"]

RESOURCE = "horizontalpodautoscalers.autoscaling"
FIELDS = {"min_replicas": "minReplicas", "max_replicas": "maxReplicas"}


class UpdateHpaInputs(OwnedInputs):
    """The inputs of kubernetes/update_hpa."""

    namespace: Name
    hpa: Name
    min_replicas: Annotated[int | None, Field(ge=1, le=10_000, description="The new minimum; it stays without.")] = None
    max_replicas: Annotated[int | None, Field(ge=1, le=10_000, description="The new maximum; it stays without.")] = None
    max_factor: Annotated[
        float, Field(ge=1, le=100, description="By what factor minimum and maximum may grow or shrink at most.")
    ] = 2.0
    settle: Annotated[DurationText, Field(description="For how long the bounds must stand.")] = "60s"

    @model_validator(mode="after")
    def _something(self) -> "UpdateHpaInputs":
        if self.min_replicas is None and self.max_replicas is None:
            raise ValueError("name min_replicas, max_replicas or both")
        return self


class UpdateHpaResult(ResultWithNote):
    """The result of kubernetes/update_hpa: the bounds as they are set."""

    min_replicas: int
    max_replicas: int


update_hpa = Action(
    "kubernetes/update_hpa",
    permissions={"autoscaling/horizontalpodautoscalers: get, patch, watch": "the autoscaler itself"},
    tools=["kubectl"],
    risk="medium",
    examples=[{"namespace": "shop", "hpa": "checkout", "max_replicas": 12}],
)


@update_hpa.plan
def plan(ctx: Context, inputs: UpdateHpaInputs) -> Change:
    """Set the minimum and maximum of a HorizontalPodAutoscaler, and watch that they stand for `settle`.

    It is reached if they are still ours after 60 s (`settle`), and the autoscaler is not held back by the new maximum
    any more (its condition ScalingLimited). Each of them changes by at most `max_factor`: a higher minimum starts pods
    at once, a lower one takes them away. An autoscaler that KEDA made, or that Argo CD, Flux or an operator owns, is
    refused, unless `when_owned` is `proceed`.
    """
    found = get(ctx, RESOURCE, inputs.hpa, inputs.namespace)
    before = _bounds(found)
    after = {
        "min_replicas": before["min_replicas"] if inputs.min_replicas is None else inputs.min_replicas,
        "max_replicas": before["max_replicas"] if inputs.max_replicas is None else inputs.max_replicas,
    }
    if before != after and ctx.undoing is None:
        if after["min_replicas"] > after["max_replicas"]:
            raise PreconditionFailed(
                f"the minimum of {inputs.hpa} would be {after['min_replicas']}, above its maximum "
                f"{after['max_replicas']}; set both.",
                reason="MinimumAboveMaximum",
            )
        owners: dict[str, Owner] = {}
        for name, field in FIELDS.items():
            what = f"{field} of {inputs.hpa} from {before[name]} to {after[name]}"
            require_factor(before[name], after[name], inputs.max_factor, what)
            if before[name] != after[name]:
                found_owners = check_owners(ctx, found, ("spec", field), after[name], inputs.when_owned)
                owners |= {owner.name: owner for owner in found_owners}
        tracker_of(ctx).owners = list(owners.values())
    return Change(before, after)


@update_hpa.apply
def apply(ctx: Context, inputs: UpdateHpaInputs, change: Change) -> UpdateHpaResult:
    """Set the bounds with a patch that fails if somebody else has set them since they were read."""
    tracker = tracker_of(ctx)
    tracker.remember_write(_set(ctx, inputs, change.before, change.after))
    active = _condition(tracker.written or {}, "ScalingActive")
    more = [f"it does not scale by its metrics now: {active['message']}"] if active.get("status") == "False" else []
    note = ownership_note(tracker.owners, more)
    return UpdateHpaResult(
        min_replicas=change.after["min_replicas"], max_replicas=change.after["max_replicas"], note=note
    )


@update_hpa.verify
def verify(ctx: Context, inputs: UpdateHpaInputs, change: Change) -> bool | str:
    """Return True once the bounds have stood for a minute, and the autoscaler is within them."""
    watch(ctx, RESOURCE, inputs.hpa, inputs.namespace)
    found = get(ctx, RESOURCE, inputs.hpa, inputs.namespace)
    tracker = tracker_of(ctx)
    now = _bounds(found)
    for name, field in FIELDS.items():
        shortfall = tracker.require_own_value(
            found, ("spec", field), now[name], before=change.before[name], wanted=change.after[name], what=field
        )
        if shortfall is not None:
            return shortfall
    limited = _condition(found, "ScalingLimited")
    if limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas":
        shortfall = f"{inputs.hpa} wants more than its maximum {now['max_replicas']}: {limited.get('message', '')}."
        tracker.reset(shortfall)
        return shortfall
    replicas = found.get("status", {}).get("currentReplicas", 0)
    if replicas and not now["min_replicas"] <= replicas <= now["max_replicas"]:
        shortfall = (
            f"its target has {replicas} replicas, not yet {now['min_replicas']} to {now['max_replicas']} of them."
        )
        tracker.reset(shortfall)
        return shortfall
    return tracker.check_settled(ctx, 0.0 if change.empty else seconds_of(inputs.settle))


@update_hpa.undo
def undo(ctx: Context, inputs: UpdateHpaInputs, change: Change) -> None:
    """Set the bounds before."""
    _set(ctx, inputs, change.after, change.before)


register_object(update_hpa, "HorizontalPodAutoscaler", "hpa")


def _bounds(found: dict[str, Any]) -> dict[str, int]:
    return {"min_replicas": found["spec"].get("minReplicas", 1), "max_replicas": found["spec"]["maxReplicas"]}


def _set(ctx: Context, inputs: UpdateHpaInputs, before: dict[str, int], after: dict[str, int]) -> dict[str, Any]:
    def operations(found: dict[str, Any]) -> list[Operation]:
        stored = {field: before[name] if field in found["spec"] else None for name, field in FIELDS.items()}
        bounds = [swap(pointer("spec", field), stored[field], after[name]) for name, field in FIELDS.items()]
        return [expect("/metadata/uid", found["metadata"]["uid"]), *bounds[0], *bounds[1]]

    return compare_and_swap(ctx, RESOURCE, inputs.hpa, inputs.namespace, operations)


def _condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions = found.get("status", {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == kind), {})
