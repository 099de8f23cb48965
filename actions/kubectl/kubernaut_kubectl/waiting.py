"""The action kubernetes/wait_for."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.kubectl import Name, find
from kubernaut_kubectl.cluster.pointers import KindText, PointerText, value_at
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.owners.guarded import require_readable_kind
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, ObjectRef
from kubernaut_sdk.permissions import OWN_RESOURCE
from kubernaut_sdk.portable import dumps, shorten
from kubernaut_sdk.states import same

__all__ = ["wait_for"]


class WaitForInputs(Inputs):
    """The inputs of kubernetes/wait_for."""

    kind: KindText
    name: Name
    namespace: Annotated[Name | None, Field(description="The namespace; none for a kind of the whole cluster.")] = None
    condition: Annotated[
        str | None, Field(pattern=r"^[A-Za-z][-A-Za-z0-9_./]*$", max_length=316, description="A condition's type.")
    ] = None
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="The status of that condition.")] = "True"
    pointer: Annotated[PointerText | None, Field(description="A JSON pointer instead, such as /status/phase.")] = None
    value: Annotated[Any, Field(description="The value that it must lead to, as JSON.")] = None
    absent: Annotated[bool, Field(description="Whether it is waited for until the object is gone instead.")] = False
    hold: Annotated[DurationText, Field(description="For how long it must be so without interruption.")] = "0s"

    @model_validator(mode="after")
    def _one_goal(self) -> "WaitForInputs":
        if [self.condition is not None, self.pointer is not None, self.absent].count(True) != 1:
            raise ValueError("name one goal: condition, pointer with value, or absent")
        if (self.pointer is None) != (self.value is None):
            raise ValueError("pointer and value belong together")
        return self


wait_for = Action(
    "kubernetes/wait_for",
    permissions={f"{OWN_RESOURCE}: get, watch": "the object itself"},
    tools=["kubectl"],
    risk="low",
    examples=[
        {"kind": "deployment.apps", "namespace": "shop", "name": "checkout", "condition": "Available"},
        {
            "kind": "certificate.cert-manager.io",
            "namespace": "shop",
            "name": "checkout-tls",
            "pointer": "/status/conditions/0/status",
            "value": "True",
        },
    ],
)


@wait_for.plan
def plan(ctx: Context, inputs: WaitForInputs) -> Change:
    """Wait for a condition of an object, for a value in it, or until it is gone; change nothing.

    It waits for as long as the step may take, and ends with code 4 if the goal is not reached, with what there is
    instead. A condition counts only once its controller has seen the newest spec. An object that is not there when the
    step starts is refused, unless it is waited for until it is gone. Secrets are not read. It ends as `unchanged`.
    Grant the ServiceAccount `get` and `watch` of that resource alone: `kubernaut render --rbac` cannot know it.
    """
    require_readable_kind(inputs.kind)
    found = find(ctx, inputs.kind, inputs.name, inputs.namespace)
    if found is None and not inputs.absent:
        place = f" in {inputs.namespace}" if inputs.namespace else ""
        raise NotFound(f"there is no {inputs.kind} {inputs.name}{place} to wait for.")
    if found is not None:
        require_readable_kind(found["kind"], found["apiVersion"])
    return Change()


@wait_for.apply
def apply(ctx: Context, inputs: WaitForInputs, change: Change) -> None:
    """Do nothing: the change is always empty."""


@wait_for.verify
def verify(ctx: Context, inputs: WaitForInputs, change: Change) -> bool | str:
    """Return True once the goal is reached and has held."""
    watch(ctx, inputs.kind, inputs.name, inputs.namespace)
    found = find(ctx, inputs.kind, inputs.name, inputs.namespace)
    tracker = tracker_of(ctx)
    shortfall = _shortfall(inputs, found)
    if shortfall is not None:
        tracker.reset(shortfall)
        return shortfall
    return tracker.check_settled(ctx, seconds_of(inputs.hold))


@wait_for.target
def target(inputs: WaitForInputs) -> ObjectRef:
    """Return the object."""
    return ObjectRef(kind=inputs.kind.partition(".")[0], namespace=inputs.namespace, name=inputs.name)


def _shortfall(inputs: WaitForInputs, found: dict[str, Any] | None) -> str | None:
    """Return what is missing, or None if the goal is reached."""
    what = f"{inputs.kind} {inputs.name}"
    if inputs.absent:
        return None if found is None else f"{what} is still there."
    if found is None:
        return f"{what} is gone."
    if inputs.condition is not None:
        return _condition_shortfall(what, inputs.condition, inputs.status, found)
    assert inputs.pointer is not None
    try:
        now = value_at(found, inputs.pointer)
    except KeyError:
        return f"{what} has no {inputs.pointer}."
    if same(now, inputs.value):
        return None
    return f"{inputs.pointer} of {what} is {shorten(dumps(now))}, not {shorten(dumps(inputs.value))}."


def _condition_shortfall(what: str, kind: str, wanted: str, found: dict[str, Any]) -> str | None:
    status = found.get("status") or {}
    seen = status.get("observedGeneration")
    if isinstance(seen, int) and seen < found["metadata"].get("generation", 0):
        return f"the controller of {what} has not seen its newest spec yet."
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    condition = conditions.get(kind)
    if condition is None:
        known = ", ".join(sorted(str(name) for name in conditions)) or "none"
        return f"{what} has no condition {kind}; it has {known}."
    if condition.get("status") == wanted:
        return None
    why = ": ".join(str(condition[part]) for part in ("reason", "message") if condition.get(part))
    return f"{what} has {kind} {condition.get('status')}, not {wanted}: {why}".rstrip(": ")
