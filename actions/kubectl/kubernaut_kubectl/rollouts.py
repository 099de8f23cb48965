"""Restarting Deployments and rolling them back. Neither is idempotent: a record does it once, a new one does it again.

What was done carries the record's id, so that an attempt that got through without hearing so is not repeated.
"""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._kubectl import can_i, get, list_all, patch
from kubernaut_kubectl._progress import REVISION, owned_by, rolled_out
from kubernaut_kubectl._watch import watch_of
from kubernaut_kubectl.deployments import STEP, InNamespace
from kubernaut_kubectl.ownership import TEMPLATE, Noted, look, note_of
from kubernaut_sdk import Action, Change, Context, NotFound, ObjectRef, PreconditionFailed, Transient

__all__ = ["restart", "rollback"]

RESTARTED = "kubernaut.io/restarted-by"
ROLLED_BACK = "kubernaut.io/rolled-back-by"
RESTARTED_FIELD = ("spec", "template", "metadata", "annotations", RESTARTED)


class Restarted(Noted):
    """The record whose id the pod template carries now."""

    restarted_by: Annotated[str, Field(max_length=36)]


restart = Action(
    "kubernetes/restart_deployment",
    permissions=["apps/deployments: get, patch", "apps/replicasets: list", "pods: list"],
    tools=["kubectl"],
    idempotent=False,
    risk="medium",
    examples=[{"namespace": "shop", "deployment": "checkout"}],
)


@restart.plan
def plan_restart(ctx: Context, inputs: InNamespace) -> Change:
    """Replaces all pods of a Deployment, a few at a time, as its strategy says, and waits until the new ones are ready.

    Not idempotent: every record restarts anew. One record restarts once, however often its pod is run. It waits for as
    long as the step may take, and until all are ready for 5 s on end. An operator's Deployment is not restarted unless
    `when_owned` is `proceed`; then it is watched for a minute whether the operator takes that back.
    """
    found = _settled(ctx, inputs)
    before = _annotations(found["spec"]["template"]).get(RESTARTED)
    if before != str(ctx.record_id):
        watch_of(ctx).owners = look(ctx, found, RESTARTED_FIELD, str(ctx.record_id), inputs.when_owned)
    return Change({"restarted_by": before}, {"restarted_by": str(ctx.record_id)})


@restart.apply
def apply_restart(ctx: Context, inputs: InNamespace, change: Change) -> Restarted:
    """A new annotation in the pod template, as `kubectl rollout restart` does."""
    found = _settled(ctx, inputs)
    operations = _annotate("/spec/template/metadata", found["spec"]["template"], RESTARTED, str(ctx.record_id))
    written = patch(ctx, "deployment.apps", inputs.deployment, [_still(found), *operations], inputs.namespace)
    watch_of(ctx).wrote(written)
    return Restarted(restarted_by=str(ctx.record_id), note=note_of(watch_of(ctx).owners))


@restart.verify(within=STEP)
def verify_restart(ctx: Context, inputs: InNamespace, change: Change) -> bool | str:
    """Whether all pods are of the template that this record marked."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    now, ours = _annotations(found["spec"]["template"]).get(RESTARTED), str(ctx.record_id)
    before = change.before["restarted_by"]
    lacks = watch_of(ctx).still(
        found, RESTARTED_FIELD, now, before=before, wanted=ours, what=f"the annotation {RESTARTED}"
    )
    return lacks or rolled_out(ctx, found)


@restart.target
def target_restart(inputs: InNamespace) -> ObjectRef:
    """The Deployment."""
    return ObjectRef(kind="Deployment", namespace=inputs.namespace, name=inputs.deployment)


@restart.check
def check_restart(ctx: Context, inputs: InNamespace) -> dict[str, str | None]:
    """The permissions."""
    return can_i(ctx, restart.permissions, inputs.namespace)


class Rollback(InNamespace):
    """Where to."""

    revision: Annotated[int, Field(ge=0, description="The revision to go back to; 0 for the one before this.")] = 0


class RolledBack(Noted):
    """Which revision was taken."""

    revision: int
    images: list[str] | None = None


rollback = Action(
    "kubernetes/rollback_deployment",
    permissions=["apps/deployments: get, patch", "apps/replicasets: list", "pods: list"],
    tools=["kubectl"],
    idempotent=False,
    risk="high",
    examples=[{"namespace": "shop", "deployment": "checkout"}],
)


@rollback.plan
def plan_rollback(ctx: Context, inputs: Rollback) -> Change:
    """Gives a Deployment the pod template of an earlier revision, as `kubectl rollout undo` does, and waits for it.

    Not idempotent: the revision that is gone back to gets a new number, so a second record would go back from there.
    One record rolls back once, however often its pod is run. It waits for as long as the step may take, and until all
    pods are ready for 5 s on end. A template that Argo CD, Flux or an operator would take back is refused, unless
    `when_owned` is `proceed`; then it is watched for a minute, and a revert is told.
    """
    found = _settled(ctx, inputs)
    current = int(_annotations(found).get(REVISION, 0))
    before = {"revision": current, "images": _images(found["spec"]["template"])}
    if _annotations(found).get(ROLLED_BACK) == str(ctx.record_id):
        return Change(before, before)
    revision, template = _earlier(ctx, inputs, found, current)
    if revision == current:
        return Change(before, before)
    watch_of(ctx).owners = look(ctx, found, TEMPLATE, template["spec"], inputs.when_owned)
    return Change(before, {"revision": revision, "images": _images(template)})


@rollback.apply
def apply_rollback(ctx: Context, inputs: Rollback, change: Change) -> RolledBack:
    """One patch that holds only if the Deployment is still of the revision that was planned from."""
    found = _settled(ctx, inputs)
    template = _revisions(ctx, inputs, found).get(change.after["revision"])
    if template is None:
        raise Transient(f"revision {change.after['revision']} went since it was planned; it is planned anew.")
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    revision = f"/metadata/annotations/{REVISION.replace('/', '~1')}"
    operations: list[dict[str, Any]] = [
        _still(found),
        {"op": "test", "path": revision, "value": str(change.before["revision"])},
        {"op": "replace", "path": "/spec/template", "value": template},
        *_annotate("/metadata", found, ROLLED_BACK, str(ctx.record_id)),
    ]
    watch_of(ctx).wrote(patch(ctx, "deployment.apps", inputs.deployment, operations, inputs.namespace))
    note = note_of(watch_of(ctx).owners)
    return RolledBack(revision=change.after["revision"], images=change.after["images"], note=note)


@rollback.verify(within=STEP)
def verify_rollback(ctx: Context, inputs: Rollback, change: Change) -> bool | str:
    """Whether all pods are of the template that was taken."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    watch = watch_of(ctx)
    if watch.written is not None:
        now, wanted = found["spec"]["template"], watch.written["spec"]["template"]
        if now != wanted:
            said = {"now": _images(now), "before": change.before["images"], "wanted": _images(wanted)}
            if said["now"] == said["wanted"]:  # not in its images, so they would not tell it
                said |= {"now": ["another template"]}
            if lacks := watch.still(found, TEMPLATE, **said, what="the template (by its images)"):
                return lacks
    return rolled_out(ctx, found)


@rollback.target
def target_rollback(inputs: Rollback) -> ObjectRef:
    """The Deployment."""
    return ObjectRef(kind="Deployment", namespace=inputs.namespace, name=inputs.deployment)


@rollback.check
def check_rollback(ctx: Context, inputs: Rollback) -> dict[str, str | None]:
    """The permissions."""
    return can_i(ctx, rollback.permissions, inputs.namespace)


def _earlier(ctx: Context, inputs: Rollback, found: dict[str, Any], current: int) -> tuple[int, dict[str, Any]]:
    """The revision that is asked for, and its template.

    Raises:
        NotFound: if it is not kept any more.
        PreconditionFailed: if there is none before the current one.
    """
    kept = _revisions(ctx, inputs, found)
    if inputs.revision:
        if inputs.revision not in kept:
            known = ", ".join(str(revision) for revision in sorted(kept)) or "none"
            raise NotFound(f"{inputs.deployment} has no revision {inputs.revision}; kept are {known}.")
        return inputs.revision, kept[inputs.revision]
    before = [revision for revision in kept if revision < current]
    if not before:
        raise PreconditionFailed(f"{inputs.deployment} has no revision before {current} to go back to.")
    return max(before), kept[max(before)]


def _revisions(ctx: Context, inputs: InNamespace, found: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Revision → pod template, of the ReplicaSets that the Deployment owns."""
    kept = {}
    for item in owned_by(found, list_all(ctx, "replicaset.apps", inputs.namespace)):
        if REVISION in _annotations(item):
            kept[int(_annotations(item)[REVISION])] = item["spec"]["template"]
    return kept


def _settled(ctx: Context, inputs: InNamespace) -> dict[str, Any]:
    """The Deployment, where its revisions tell of its newest spec.

    Raises:
        PreconditionFailed: if it is paused: nothing would roll out.
        Transient: if its controller has not seen the newest spec yet.
    """
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    if found["spec"].get("paused", False):
        raise PreconditionFailed(f"{inputs.deployment} is paused; resume it with `kubectl rollout resume` first.")
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
        raise Transient(f"the Deployment controller has not seen the newest spec of {inputs.deployment} yet.")
    return found


def _still(found: dict[str, Any]) -> dict[str, Any]:
    """The operation that holds only while nobody changed the spec since it was read."""
    return {"op": "test", "path": "/metadata/generation", "value": found["metadata"]["generation"]}


def _annotations(item: dict[str, Any]) -> dict[str, str]:
    annotations: dict[str, str] = item.get("metadata", {}).get("annotations") or {}
    return annotations


def _annotate(path: str, item: dict[str, Any], key: str, value: str) -> list[dict[str, Any]]:
    """The operations that add an annotation, and the annotations themselves where there are none."""
    if not _annotations(item):
        return [{"op": "add", "path": f"{path}/annotations", "value": {key: value}}]
    return [{"op": "add", "path": f"{path}/annotations/{key.replace('/', '~1')}", "value": value}]


def _images(template: dict[str, Any]) -> list[str]:
    return [container["image"] for container in template["spec"]["containers"]]
