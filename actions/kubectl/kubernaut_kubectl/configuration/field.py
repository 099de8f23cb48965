"""The action kubernetes/set_field."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.kubectl import Name, get, try_patch
from kubernaut_kubectl.cluster.patches import Operation, swap, unchanged
from kubernaut_kubectl.cluster.pointers import KindText, PointerText, field_path, value_at
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.owners.controllers import display_name
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.owners.guarded import require_free_field, require_free_kind
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import OwnedInputs
from kubernaut_sdk import Action, Change, Context, InvalidInputs, NotFound, ObjectRef, PreconditionFailed
from kubernaut_sdk.permissions import OWN_RESOURCE
from kubernaut_sdk.portable import dumps, shorten

__all__ = ["set_field"]

LARGEST = 4096


class SetFieldInputs(OwnedInputs):
    """The inputs of kubernetes/set_field."""

    kind: KindText
    name: Name
    namespace: Annotated[Name | None, Field(description="The namespace; none for a kind of the whole cluster.")] = None
    pointer: PointerText
    value: Annotated[Any, Field(description="The new value, as JSON, at most 4 KiB.")]
    settle: Annotated[DurationText, Field(description="For how long the value must stand.")] = "60s"


class SetFieldResult(ResultWithNote):
    """The result of kubernetes/set_field: the value before, if there was one."""

    value_before: Any = None


set_field = Action(
    "kubernetes/set_field",
    permissions={f"{OWN_RESOURCE}: get, patch, watch": "the object itself"},
    tools=["kubectl"],
    risk="high",
    examples=[
        {
            "kind": "certificate.cert-manager.io",
            "namespace": "shop",
            "name": "checkout-tls",
            "pointer": "/spec/renewBefore",
            "value": "720h",
        }
    ],
)


@set_field.plan
def plan(ctx: Context, inputs: SetFieldInputs) -> Change:
    """Set one field of any object, by a JSON pointer, and watch that the value stands for `settle`.

    It is meant for custom resources, such as a mesh's policy or a cert-manager Certificate; where an action of its own
    exists, that is better: it knows what its field does. Refused are Secrets, RBAC, admission webhooks and policies,
    CustomResourceDefinitions and API services; a status; all metadata but labels and annotations; a pointer that leads
    through a field that is missing; and what the API server refuses, or drops, in a dry run. So is a field that an
    autoscaler, Argo CD, Flux or an operator owns, unless `when_owned` is `proceed`. Grant the ServiceAccount `get`,
    `patch` and `watch` of that resource alone: `kubernaut render --rbac` cannot know it.
    """
    if inputs.value is None:
        raise InvalidInputs("inputs.value is null, which the API server takes for a missing field; give a value.")
    if len(dumps(inputs.value)) > LARGEST:
        raise InvalidInputs(f"inputs.value has more than {LARGEST} bytes as JSON; set_field sets one small field.")
    require_free_kind(inputs.kind)
    require_free_field(inputs.pointer)
    found = get(ctx, inputs.kind, inputs.name, inputs.namespace)
    require_free_kind(found["kind"], found["apiVersion"])
    before = _state(found, inputs.pointer)
    after = {"value": inputs.value}
    if before != after and ctx.undoing is None:
        written = try_patch(ctx, inputs.kind, inputs.name, _operations(found, inputs, before, after), inputs.namespace)
        if _state(written, inputs.pointer) == before:
            raise PreconditionFailed(
                f"the API server does not keep {inputs.pointer} of {display_name(found)}: no such field.",
                reason="NoSuchField",
            )
        field = field_path(found, inputs.pointer)
        tracker_of(ctx).owners = check_owners(ctx, found, field, inputs.value, inputs.when_owned)
    return Change(before, after)


@set_field.apply
def apply(ctx: Context, inputs: SetFieldInputs, change: Change) -> SetFieldResult:
    """Set the field with a patch that fails if it, or the object's spec, was changed since it was read."""
    tracker = tracker_of(ctx)
    tracker.remember_write(_set(ctx, inputs, change.before, change.after))
    return SetFieldResult(value_before=change.before.get("value"), note=ownership_note(tracker.owners))


@set_field.verify
def verify(ctx: Context, inputs: SetFieldInputs, change: Change) -> bool | str:
    """Return True once the value has stood for `settle`."""
    watch(ctx, inputs.kind, inputs.name, inputs.namespace)
    found = get(ctx, inputs.kind, inputs.name, inputs.namespace)
    tracker = tracker_of(ctx)
    shortfall = tracker.require_own_value(
        found,
        field_path(found, inputs.pointer),
        shorten(dumps(_state(found, inputs.pointer))),
        before=shorten(dumps(change.before)),
        wanted=shorten(dumps(change.after)),
        what=inputs.pointer,
    )
    return shortfall or tracker.check_settled(ctx, 0.0 if change.empty else seconds_of(inputs.settle))


@set_field.undo
def undo(ctx: Context, inputs: SetFieldInputs, change: Change) -> None:
    """Set the value before, or remove the field if there was none."""
    _set(ctx, inputs, change.after, change.before)


@set_field.target
def target(inputs: SetFieldInputs) -> ObjectRef:
    """Return the object."""
    return ObjectRef(kind=inputs.kind.partition(".")[0], namespace=inputs.namespace, name=inputs.name)


def _state(found: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the value now as a change has it; empty if the field is missing."""
    try:
        return {"value": value_at(found, text)}
    except KeyError:
        return {}


def _operations(
    found: dict[str, Any], inputs: SetFieldInputs, before: dict[str, Any], after: dict[str, Any]
) -> list[Operation]:
    parent, _, last = inputs.pointer.rpartition("/")
    try:
        holder: Any = value_at(found, parent) if parent else found
    except KeyError:
        raise NotFound(f"{display_name(found)} has no {parent}; the field's parent must exist.") from None
    if isinstance(holder, list) and not before:
        raise NotFound(f"{parent} of {display_name(found)} has no item {last}; set_field sets one that exists.")
    if not isinstance(holder, dict | list):
        raise NotFound(f"{parent} of {display_name(found)} is {shorten(dumps(holder))}, which has no fields.")
    return [*unchanged(found), *swap(inputs.pointer, before.get("value"), after.get("value"))]


def _set(ctx: Context, inputs: SetFieldInputs, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    def operations(found: dict[str, Any]) -> list[Operation]:
        require_free_kind(found["kind"], found["apiVersion"])
        return _operations(found, inputs, before, after)

    return compare_and_swap(ctx, inputs.kind, inputs.name, inputs.namespace, operations)
