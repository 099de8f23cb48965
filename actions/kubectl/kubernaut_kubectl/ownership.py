"""The owners of an object's fields, who take back what others change in them.

Every action looks here before it changes a field. Evidence, in the order of its worth: `managedFields`, in which the
API server itself keeps who wrote each field; the marks that Argo CD, Flux and Helm leave on what is theirs; the
autoscalers that name the object as their target; an `ownerReference` with `controller: true`. Argo CD and Flux own only
the fields that they apply: what their sources leave out is anybody's.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from kubernaut_kubectl._kubectl import MANAGER, list_all
from kubernaut_sdk import Context, PreconditionFailed, Result

__all__ = [
    "REPLICAS",
    "TEMPLATE",
    "Field",
    "Noted",
    "Owner",
    "WhenOwned",
    "last_writer",
    "look",
    "note_of",
    "owners_of",
]

Field = tuple[str, ...]
"""The path to a field; within a list of named items (containers, ports) the item's name."""
REPLICAS: Field = ("spec", "replicas")
TEMPLATE: Field = ("spec", "template", "spec")
WhenOwned = Literal["refuse", "proceed"]

_ARGO = {"argocd-controller", "argocd-application-controller"}
_FLUX = {"kustomize-controller"}
_HELM = {"helm", "helm-controller"}
_SPOKEN = {
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
    """Somebody to whom a field belongs.

    Attributes:
        name: As a person would call it, such as `HorizontalPodAutoscaler checkout (2 to 10 replicas)`.
        remedy: What to do in place of changing the field.
        takes_back: Whether it restores the field by itself; otherwise only with its next release.
    """

    name: str
    remedy: str
    takes_back: bool = True


class Noted(Result):
    """A result with a note on the owners of what was changed, where there are any."""

    note: str | None = None

    @model_serializer(mode="wrap")
    def _without_silence(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "note" or value is not None}


def note_of(owners: Sequence[Owner]) -> str | None:
    """Return what a result says of the owners of the field that was changed."""
    notes = [
        f"{owner.name} owns it and may take it back; {owner.remedy}."
        if owner.takes_back
        else f"{owner.name} sets it again when it is next released; {owner.remedy}."
        for owner in owners
    ]
    return " ".join(notes) or None


def look(ctx: Context, found: dict[str, Any], field: Field, value: Any, when_owned: WhenOwned) -> list[Owner]:
    """Return the owners of a field that is about to be changed.

    Args:
        ctx: Reads the autoscalers, where the field is one of theirs.
        found: The object, as it was read just now.
        field: What is to be changed.
        value: What to; an autoscaler leaves alone what it would choose itself.
        when_owned: Whether to go on where an owner will take it back.

    Raises:
        PreconditionFailed: if an owner would take the field back, or the autoscalers may not be read, unless told to
            proceed.
    """
    kind = _HORIZONTAL if field == REPLICAS else _VERTICAL if "resources" in field else None
    autoscalers: list[dict[str, Any]] = []
    if kind is not None:
        try:
            autoscalers = list_all(ctx, kind, found["metadata"]["namespace"])
        except PreconditionFailed:
            if when_owned == "refuse":
                raise
            ctx.log.warning("the %s cannot be read, so it is not known whether one owns the field", kind)
    owners = owners_of(found, field, value, autoscalers)
    takers = [owner for owner in owners if owner.takes_back]
    if takers and when_owned == "refuse":
        names, remedies = (dict.fromkeys(getattr(owner, name) for owner in takers) for name in ("name", "remedy"))
        raise PreconditionFailed(
            f"{'.'.join(field[:2])} of {_called(found)} belongs to {' and '.join(names)}, which would take the change "
            f"back; {', or '.join(remedies)}, or set when_owned: proceed.",
            reason="Owned",
        )
    return owners


def owners_of(
    found: dict[str, Any], field: Field, value: Any = None, autoscalers: Sequence[dict[str, Any]] = ()
) -> list[Owner]:
    """Return the owners of a field, by what the object says of itself and by the autoscalers of its namespace."""
    metadata = found["metadata"]
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    owners = [owner for item in autoscalers if (owner := _autoscaler(found, item, field, value)) is not None]
    for reference in metadata.get("ownerReferences", ()):
        if reference.get("controller"):
            name = f"{reference['kind']} {reference['name']}"
            owners.append(Owner(f"the operator of {name}", f"change the spec of {name}"))
    tracked = "argocd.argoproj.io/tracking-id" in marks
    if _manages(found, field, _ARGO) or (tracked and (_applies(found, field, _ARGO) or _last_applied(found, field))):
        tracking = marks.get("argocd.argoproj.io/tracking-id", marks.get("app.kubernetes.io/instance", ""))
        application = tracking.partition(":")[0]
        named = f"Argo CD's Application {application}" if application else "Argo CD"
        owners.append(Owner(named, "change it in its git repository (git/update_file)"))
    if _flux_reconciles(marks) and _applies(found, field, _FLUX):
        named = "/".join(marks[f"kustomize.toolkit.fluxcd.io/{part}"] for part in ("namespace", "name"))
        owners.append(Owner(f"Flux's Kustomization {named}", "change it in its git repository (git/update_file)"))
    if (release := marks.get("meta.helm.sh/release-name")) and _applies(found, field, _HELM):
        owners.append(Owner(f"Helm's release {release}", "change the release's values", takes_back=False))
    return owners


def last_writer(found: dict[str, Any], field: Field) -> str | None:
    """Return who wrote a field last, except us, by the API server's own note; None where it keeps none."""
    notes = [
        note
        for note in found["metadata"].get("managedFields", ())
        if note.get("manager") != MANAGER and _within(note.get("fieldsV1", {}), field)
    ]
    if not notes:
        return None
    note = max(notes, key=lambda note: str(note.get("time", "")))
    if note["manager"] == "kube-controller-manager" and note.get("subresource") == "scale":
        return "a HorizontalPodAutoscaler"
    return _SPOKEN.get(note["manager"], f"the field manager {note['manager']}")


def _autoscaler(found: dict[str, Any], item: dict[str, Any], field: Field, value: Any) -> Owner | None:
    spec, name = item["spec"], item["metadata"]["name"]
    target = spec.get("scaleTargetRef") or spec.get("targetRef") or {}
    if (target.get("kind"), target.get("name")) != (found["kind"], found["metadata"]["name"]):
        return None
    if item["kind"] == "VerticalPodAutoscaler":
        acts = "resources" in field and spec.get("updatePolicy", {}).get("updateMode") != "Off"
        return Owner(f"VerticalPodAutoscaler {name}", "change its resourcePolicy") if acts else None
    return _horizontal(item, value) if field == REPLICAS else None


def _horizontal(item: dict[str, Any], value: Any) -> Owner | None:
    low, high = item["spec"].get("minReplicas", 1), item["spec"]["maxReplicas"]
    for reference in item["metadata"].get("ownerReferences", ()):
        if reference["kind"] == "ScaledObject":
            return Owner(f"KEDA's ScaledObject {reference['name']}", "change its minReplicaCount and maxReplicaCount")
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
    """Whether they wrote the field; taken for granted of a marked object where no managers are kept."""
    return not found["metadata"].get("managedFields") or _manages(found, field, managers)


def _manages(found: dict[str, Any], field: Field, managers: set[str]) -> bool:
    return any(
        note.get("manager") in managers and _within(note.get("fieldsV1", {}), field)
        for note in found["metadata"].get("managedFields", ())
    )


def _last_applied(found: dict[str, Any], field: Field) -> bool:
    """Whether the field is in the manifest that was applied from the client's side, as `kubectl apply` leaves it."""
    text = (found["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/last-applied-configuration", "{}")
    try:
        at = json.loads(text)
    except ValueError:
        return False
    for part in field:
        if isinstance(at, list):
            at = {item.get("name"): item for item in at if isinstance(item, dict)}
        if not isinstance(at, dict) or part not in at:
            return False
        at = at[part]
    return True


def _within(fields: dict[str, Any], field: Field) -> bool:
    """Whether a path is in a `fieldsV1`; an item of a list is there as `k:{"name":"app"}`."""
    at: Any = fields
    for part in field:
        key = next((key for key in (f"f:{part}", f'k:{{"name":"{part}"}}') if key in at), None)
        if key is None:
            return False
        at = at[key]
    return True


def _called(found: dict[str, Any]) -> str:
    return f"{found['kind']} {found['metadata']['namespace']}/{found['metadata']['name']}"
