"""The owners of an object's fields, which may revert what others change.

Every action checks them before it changes a field. The evidence, the most reliable first: `managedFields`, in which the
API server keeps the writer of each field; the labels and annotations of Argo CD, Flux and Helm; autoscalers whose
target is the object; an `ownerReference` with `controller: true`. Argo CD and Flux own only the fields that they apply:
a field that is not in their sources is free.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from kubernaut_kubectl.cluster.kubectl import MANAGER, list_all
from kubernaut_kubectl.owners.controllers import controller_of, display_name
from kubernaut_sdk import Context, PreconditionFailed, Result

__all__ = [
    "REPLICAS",
    "TEMPLATE",
    "Field",
    "Owner",
    "ResultWithNote",
    "WhenOwned",
    "check_owners",
    "last_writer",
    "manages",
    "owners_of",
    "ownership_note",
]

Field = tuple[str, ...]
"""The path to a field; in a list of named items (containers, ports), the item's name."""
REPLICAS: Field = ("spec", "replicas")
TEMPLATE: Field = ("spec", "template", "spec")
WhenOwned = Literal["refuse", "proceed"]

_ARGO = {"argocd-controller", "argocd-application-controller"}
_FLUX = {"kustomize-controller"}
_HELM = {"helm", "helm-controller"}
_DISPLAY_NAMES = {
    **dict.fromkeys(_ARGO, "Argo CD"),
    **dict.fromkeys(_FLUX, "Flux"),
    **dict.fromkeys(_HELM, "Helm"),
    "keda": "KEDA",
    "keda-operator": "KEDA",
    "vpa-updater": "a VerticalPodAutoscaler",
}
_HORIZONTAL, _VERTICAL = "horizontalpodautoscalers.autoscaling", "verticalpodautoscalers.autoscaling.k8s.io"


@dataclass(frozen=True)
class Owner:
    """An owner of a field.

    Attributes:
        name: Its name in messages, such as `HorizontalPodAutoscaler checkout (2 to 10 replicas)`.
        advice: The thing to do instead of changing the field.
        reverts: True if it restores the field by itself; False if only with its next release.
    """

    name: str
    advice: str
    reverts: bool = True


class ResultWithNote(Result):
    """A result with a note about the owners of the changed field, if there are any."""

    note: str | None = None

    @model_serializer(mode="wrap")
    def _without_empty_note(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "note" or value is not None}


def ownership_note(owners: Sequence[Owner], more: Sequence[str] = ()) -> str | None:
    """Return the note for a result about the owners of the changed field, and more sentences; None without any."""
    notes = [
        f"{owner.name} owns it and may take it back; {owner.advice}."
        if owner.reverts
        else f"{owner.name} sets it again when it is next released; {owner.advice}."
        for owner in owners
    ]
    return " ".join([*notes, *more]) or None


def check_owners(ctx: Context, found: dict[str, Any], field: Field, value: Any, when_owned: WhenOwned) -> list[Owner]:
    """Return the owners of a field that will be changed, or refuse the change.

    Args:
        ctx: The context, to read autoscalers if they can own the field.
        found: The object, as it was read just now.
        field: The path of the field.
        value: The new value; an autoscaler does not revert a value that it would choose itself.
        when_owned: `refuse` or `proceed`, if an owner would revert the change.

    Raises:
        PreconditionFailed: unless `when_owned` is `proceed`, if an owner would revert the field, or if the autoscalers
            may not be read.
    """
    kind = _HORIZONTAL if field == REPLICAS else _VERTICAL if "resources" in field else None
    autoscalers: list[dict[str, Any]] = []
    if kind is not None:
        try:
            autoscalers = list_all(ctx, kind, found["metadata"]["namespace"])
        except PreconditionFailed as error:
            if when_owned == "refuse":
                raise PreconditionFailed(
                    f"it is not known whether an autoscaler owns {'.'.join(field[:2])} of {display_name(found)}: "
                    f"{error.message}; let the ServiceAccount list {kind}, or set when_owned: proceed.",
                    reason=error.reason,
                ) from None
            ctx.log.warning("the %s cannot be read, so it is not known whether one owns the field", kind)
    owners = owners_of(found, field, value, autoscalers)
    reverting = [owner for owner in owners if owner.reverts]
    if reverting and when_owned == "refuse":
        names = dict.fromkeys(owner.name for owner in reverting)
        advice = dict.fromkeys(owner.advice for owner in reverting)
        raise PreconditionFailed(
            f"{'.'.join(field[:2])} of {display_name(found)} belongs to {' and '.join(names)}, which would take the "
            f"change back; {', or '.join(advice)}, or set when_owned: proceed.",
            reason="Owned",
        )
    return owners


def owners_of(
    found: dict[str, Any], field: Field, value: Any = None, autoscalers: Sequence[dict[str, Any]] = ()
) -> list[Owner]:
    """Return the owners of a field, from the object itself and from the autoscalers of its namespace."""
    metadata = found["metadata"]
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    owners = [owner for item in autoscalers if (owner := _autoscaler(found, item, field, value)) is not None]
    if (reference := controller_of(found)) is not None:
        owners.append(_operator(reference))
    tracked = "argocd.argoproj.io/tracking-id" in marks
    if manages(found, field, _ARGO) or (tracked and (_applies(found, field, _ARGO) or _last_applied(found, field))):
        tracking = marks.get("argocd.argoproj.io/tracking-id", marks.get("app.kubernetes.io/instance", ""))
        application = tracking.partition(":")[0]
        named = f"Argo CD's Application {application}" if application else "Argo CD"
        owners.append(Owner(named, "change it in its git repository (git/update_file)"))
    if _flux_reconciles(marks) and _applies(found, field, _FLUX):
        named = "/".join(marks[f"kustomize.toolkit.fluxcd.io/{part}"] for part in ("namespace", "name"))
        owners.append(Owner(f"Flux's Kustomization {named}", "change it in its git repository (git/update_file)"))
    if (release := marks.get("meta.helm.sh/release-name")) and _applies(found, field, _HELM):
        owners.append(Owner(f"Helm's release {release}", "change the release's values", reverts=False))
    return owners


def last_writer(found: dict[str, Any], field: Field) -> str | None:
    """Return the last writer of a field other than us, from `managedFields`; None if there is none."""
    notes = [note for note in _notes(found, field) if note["manager"] != MANAGER]
    if not notes:
        return None
    note = max(notes, key=lambda note: str(note.get("time", "")))
    if note["manager"] == "kube-controller-manager" and note.get("subresource") == "scale":
        return "a HorizontalPodAutoscaler"
    return _DISPLAY_NAMES.get(note["manager"], f"the field manager {note['manager']}")


def _operator(reference: dict[str, Any]) -> Owner:
    name = f"{reference['kind']} {reference['name']}"
    if reference["kind"] == "ScaledObject":
        return Owner(f"KEDA's {name}", "change its minReplicaCount and maxReplicaCount")
    return Owner(f"the operator of {name}", f"change the spec of {name}")


def _autoscaler(found: dict[str, Any], item: dict[str, Any], field: Field, value: Any) -> Owner | None:
    spec, name = item["spec"], item["metadata"]["name"]
    target = spec.get("scaleTargetRef") or spec.get("targetRef") or {}
    if (target.get("kind"), target.get("name")) != (found["kind"], found["metadata"]["name"]):
        return None
    if item["kind"] == "VerticalPodAutoscaler":
        acts = "resources" in field and spec.get("updatePolicy", {}).get("updateMode") != "Off" and _sizes(spec, field)
        return Owner(f"VerticalPodAutoscaler {name}", "change its resourcePolicy") if acts else None
    return _horizontal(item, value) if field == REPLICAS else None


def _sizes(spec: dict[str, Any], field: Field) -> bool:
    """Return True if a VerticalPodAutoscaler sizes the container of a field, by its policy or that for all others."""
    policies = {
        one.get("containerName"): one for one in (spec.get("resourcePolicy") or {}).get("containerPolicies", ())
    }
    names = [part for part in field if part in policies] or ["*"]
    return all((policies.get(name) or {}).get("mode") != "Off" for name in names)


def _horizontal(item: dict[str, Any], value: Any) -> Owner | None:
    low, high = item["spec"].get("minReplicas", 1), item["spec"]["maxReplicas"]
    for reference in item["metadata"].get("ownerReferences", ()):
        if reference["kind"] == "ScaledObject":
            return _operator(reference)
    # a target of no replicas is left alone: kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale
    if value == 0 or low == value == high:
        return None
    return Owner(
        f"HorizontalPodAutoscaler {item['metadata']['name']} ({low} to {high} replicas)",
        "change its minReplicas and maxReplicas (kubernetes/update_hpa)",
    )


def _flux_reconciles(marks: dict[str, str]) -> bool:
    prefix = "kustomize.toolkit.fluxcd.io"
    named = all(f"{prefix}/{part}" in marks for part in ("namespace", "name"))
    left_alone = marks.get(f"{prefix}/ssa", "").lower() in {"ignore", "ifnotpresent"}
    return named and marks.get(f"{prefix}/reconcile") != "disabled" and not left_alone


def _applies(found: dict[str, Any], field: Field, managers: set[str]) -> bool:
    """Return True if one of the managers wrote the field, or if the object has no `managedFields`."""
    return not found["metadata"].get("managedFields") or manages(found, field, managers)


def manages(found: dict[str, Any], field: Field, managers: set[str]) -> bool:
    """Return True if one of the managers wrote the field last, by `managedFields`."""
    return any(note["manager"] in managers for note in _notes(found, field))


def _notes(found: dict[str, Any], field: Field) -> list[dict[str, Any]]:
    """Return those notes of `managedFields` whose manager wrote the field, or the atomic list or map that it is in."""
    notes = [note for note in found["metadata"].get("managedFields", ()) if note.get("manager")]
    depths = {id(note): _depth(note.get("fieldsV1") or {}, field) for note in notes}
    deepest = max((depth for depth, _ in depths.values()), default=0)
    own = [note for note in notes if depths[id(note)][0] == len(field)]
    if own or not deepest:
        return own
    # where nobody has noted a part of a list or map that is not empty, it is written as a whole
    if not _value_at(found, field[:deepest]):
        return []
    atomic = all(is_leaf for depth, is_leaf in depths.values() if depth == deepest)
    return [note for note in notes if depths[id(note)] == (deepest, True)] if atomic else []


def _last_applied(found: dict[str, Any], field: Field) -> bool:
    """Return True if the field is in the annotation that client-side `kubectl apply` leaves."""
    text = (found["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/last-applied-configuration", "{}")
    try:
        return _value_at(json.loads(text), field, missing=_MISSING) is not _MISSING
    except ValueError:
        return False


_MISSING = object()


def _value_at(found: Any, field: Field, missing: Any = None) -> Any:
    """Return the value of a field; a list's item by its name, or by its index if it has none."""
    at = found
    for part in field:
        if isinstance(at, list):
            at = {str(item.get("name", n)) if isinstance(item, dict) else str(n): item for n, item in enumerate(at)}
        if not isinstance(at, dict) or part not in at:
            return missing
        at = at[part]
    return at


def _depth(fields: dict[str, Any], field: Field) -> tuple[int, bool]:
    """Return how many parts of a path are in a `fieldsV1`, and True if nothing is noted below the last of them.

    A list's item is `k:{"name":"app"}` there.
    """
    at: Any = fields
    for depth, part in enumerate(field):
        key = next((key for key in (f"f:{part}", f'k:{{"name":"{part}"}}') if key in at), None)
        if key is None:
            return depth, not at
        at = at[key]
    return len(field), not at
