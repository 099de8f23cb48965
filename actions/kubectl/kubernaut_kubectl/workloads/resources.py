"""The action kubernetes/set_resources."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kubernaut_kubectl.cluster.limits import require_factor
from kubernaut_kubectl.cluster.patches import Operation, add, swap, unchanged
from kubernaut_kubectl.cluster.quantities import QuantityText, parse_quantity, same_quantity
from kubernaut_kubectl.cluster.reasons import in_order
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.diagnosis import newest_pods
from kubernaut_kubectl.rollouts.goal import check_rollout, require_rollout
from kubernaut_kubectl.rollouts.obstacles import sidecars_of
from kubernaut_kubectl.rollouts.progress import rollout_shortfall
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.capacity import require_room
from kubernaut_kubectl.workloads.containers import (
    Container,
    ContainerInputs,
    container_of,
    read_container,
    register_container_target,
)
from kubernaut_kubectl.workloads.daemons import note_unready_nodes
from kubernaut_kubectl.workloads.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Transient, VerifyFailed

__all__ = ["set_resources"]

WATCH = 120.0
"""Seconds for which no container may crash or be killed for its memory: a leak needs a while to show."""

Named = Literal["cpu", "memory", "ephemeral-storage"]
Amounts = dict[Named, QuantityText]


class SetResourcesInputs(ContainerInputs):
    """The inputs of kubernetes/set_resources."""

    requests: Annotated[Amounts, Field(description="The requests to set; those not named stay.")] = Field(
        default_factory=dict
    )
    limits: Annotated[Amounts, Field(description="The limits to set; those not named stay.")] = Field(
        default_factory=dict
    )
    max_factor: Annotated[
        float, Field(ge=1, le=100, description="By what factor a value may grow or shrink at most.")
    ] = 2.0

    @model_validator(mode="after")
    def _something(self) -> "SetResourcesInputs":
        if not self.requests and not self.limits:
            raise ValueError("name at least one request or limit")
        return self


class SetResourcesResult(ResultWithNote):
    """The result of kubernetes/set_resources: requests and limits as they are set."""

    resources: dict[str, dict[str, str | None]] | None = None


set_resources = Action(
    "kubernetes/set_resources",
    permissions=in_order(
        DEPLOYMENT.write,
        STATEFUL_SET.write,
        DAEMON_SET.write,
        DEPLOYMENT.pods,
        DAEMON_SET.pods,
        {
            "autoscaling.k8s.io/verticalpodautoscalers: list": "to see whether a VerticalPodAutoscaler owns them",
            "limitranges: list": "to refuse what the namespace does not allow",
            "resourcequotas: list": "to refuse what the namespace has no room for",
        },
    ),
    tools=["kubectl"],
    risk="medium",
    examples=[{"namespace": "shop", "name": "checkout", "container": "app", "limits": {"memory": "512Mi"}}],
)


@set_resources.plan
def plan(ctx: Context, inputs: SetResourcesInputs) -> Change:
    """Set requests and limits of one container of a workload, wait for the rollout, and watch it for 2 minutes.

    Quantities are compared by value: "1Gi" is "1024Mi". Only what is named changes, by at most `max_factor`. Refused is
    what could not run: a request above its limit, against a LimitRange, above what a ResourceQuota leaves, or, together
    with the pod's other containers, more than any node has that its nodeSelector allows. So is what a
    VerticalPodAutoscaler, Argo CD, Flux or an operator would revert, unless `when_owned` is `proceed`. It is reached
    once all pods were ready for 2 minutes and no container, sidecars included, crashed or was killed for its memory
    meanwhile; the step's timeout must allow for that.
    """
    found, container = read_container(ctx, inputs)
    before, after = _state(container, inputs), _wanted(inputs)
    if before != after and ctx.undoing is None:
        require_rollout(found)
        note_unready_nodes(ctx, found)
        _require_factor(inputs, before, after)
        resources = _merged(container, after)
        _require_order(inputs, resources)
        require_room(ctx, found, container, resources)
        tracker_of(ctx).owners = check_owners(ctx, found, container.field("resources"), after, inputs.when_owned)
    return Change(before, after)


@set_resources.apply
def apply(ctx: Context, inputs: SetResourcesInputs, change: Change) -> SetResourcesResult:
    """Set the resources with a patch that fails if the workload was changed since it was read."""
    tracker = tracker_of(ctx)
    tracker.remember_write(_set(ctx, inputs, change.before, change.after))
    return SetResourcesResult(resources=change.after, note=ownership_note(tracker.owners, tracker.notes))


@set_resources.verify
def verify(ctx: Context, inputs: SetResourcesInputs, change: Change) -> bool | str:
    """Return True once all pods have these resources, and none has crashed for 2 minutes."""
    found, container = read_container(ctx, inputs)
    shortfall = tracker_of(ctx).require_own_value(
        found,
        container.field("resources"),
        _state(container, inputs),
        before=change.before,
        wanted=change.after,
        what=f"resources of {inputs.container}",
    )
    if shortfall is not None:
        return shortfall
    if rollout_shortfall(found) is None:
        _require_no_crash(ctx, found, inputs.container)
    return check_rollout(ctx, found, hold=WATCH)


@set_resources.undo
def undo(ctx: Context, inputs: SetResourcesInputs, change: Change) -> None:
    """Set the resources before."""
    _set(ctx, inputs, change.after, change.before)


register_container_target(set_resources)

State = dict[str, dict[str, str | None]]


def _wanted(inputs: SetResourcesInputs) -> State:
    return {part: dict(values) for part in ("requests", "limits") if (values := getattr(inputs, part))}


def _state(container: Container, inputs: SetResourcesInputs) -> State:
    """Return the values now of the requests and limits that the inputs name; None where there is none.

    A value that equals the input has the input's spelling: the API server stores "1024Mi" as "1Gi".
    """
    resources = container.spec.get("resources") or {}
    return {
        part: {
            name: wanted if same_quantity(known := (resources.get(part) or {}).get(name), wanted) else known
            for name, wanted in values.items()
        }
        for part, values in _wanted(inputs).items()
    }


def _merged(container: Container, after: State) -> dict[str, dict[str, str]]:
    """Return the container's resources as they will be."""
    resources = container.spec.get("resources") or {}
    merged = {
        part: {**(resources.get(part) or {}), **{name: value for name, value in after.get(part, {}).items() if value}}
        for part in ("requests", "limits")
    }
    for name, limit in merged["limits"].items():
        merged["requests"].setdefault(name, limit)  # as the API server does
    return merged


def _require_factor(inputs: SetResourcesInputs, before: State, after: State) -> None:
    for part, values in after.items():
        for name, value in values.items():
            known = before[part][name]
            if known is not None and value is not None:
                require_factor(
                    parse_quantity(known),
                    parse_quantity(value),
                    inputs.max_factor,
                    f"{part}.{name} of {inputs.container} from {known} to {value}",
                )


def _require_order(inputs: SetResourcesInputs, resources: dict[str, dict[str, str]]) -> None:
    for name, request in resources["requests"].items():
        limit = resources["limits"].get(name)
        if limit is not None and parse_quantity(request) > parse_quantity(limit):
            raise PreconditionFailed(
                f"the request of {inputs.container} for {name}, {request}, would be above its limit {limit}; set both.",
                reason="RequestAboveLimit",
            )


def _set(ctx: Context, inputs: SetResourcesInputs, before: State, after: State) -> dict[str, Any]:
    def operations(found: dict[str, Any]) -> list[Operation]:
        container = container_of(found, inputs.container)
        return [*unchanged(found), container.same_name(), *_swaps(inputs, container, before, after)]

    return compare_and_swap(ctx, inputs.resource, inputs.name, inputs.namespace, operations)


def _swaps(inputs: SetResourcesInputs, container: Container, before: State, after: State) -> list[Operation]:
    """Return the operations that set each value.

    Raises:
        Transient: if one is not what it was before.
    """
    operations: list[Operation] = []
    resources = container.spec.get("resources")
    if resources is None:
        operations.append(add(container.path("resources"), {}))
    for part, values in after.items():
        known: dict[str, str] = (resources or {}).get(part) or {}
        if not known:
            operations.append(add(container.path("resources", part), {}))
        for name, value in values.items():
            if not same_quantity(known.get(name), before[part][name]):
                raise Transient(
                    f"{part}.{name} of {inputs.container} changed since it was read; it is planned anew.",
                    reason="Conflict",
                )
            operations += swap(container.path("resources", part, name), known.get(name), value)
    return operations


def _require_no_crash(ctx: Context, found: dict[str, Any], named: str) -> None:
    """Raise VerifyFailed if a container of a new pod was started again since its pods were first seen ready.

    Sidecars count, and a kill for memory of the container itself counts at any time. That a container gave up once
    while it waited for another part to start is none of its resources' doing.

    Raises:
        VerifyFailed: with the container's end.
    """
    known = tracker_of(ctx).restarts
    for pod in newest_pods(ctx, found):
        status, sidecars = pod.get("status", {}), sidecars_of(pod)
        beside = [one for one in status.get("initContainerStatuses", ()) if one["name"] in sidecars | {named}]
        for container in (*status.get("containerStatuses", ()), *beside):
            name, count = container["name"], container.get("restartCount", 0)
            ended = (container.get("lastState") or {}).get("terminated") or {}
            was_killed = name == named and ended.get("reason") == "OOMKilled"
            if was_killed or count > known.setdefault((pod["metadata"]["uid"], name), count):
                raise VerifyFailed(
                    f"container {name} of pod {pod['metadata']['name']} was started again: it ended with "
                    f"exit code {ended.get('exitCode')} ({ended.get('reason', '')}).",
                    reason=ended.get("reason") or "Crashed",
                )
