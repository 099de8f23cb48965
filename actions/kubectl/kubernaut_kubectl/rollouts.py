"""The actions kubernetes/restart_deployment and kubernetes/rollback_deployment.

Neither is idempotent: a record acts once, and a new record acts again. The record's id is written into the Deployment,
so that an attempt whose response was lost is not repeated.
"""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._kubectl import can_i, get, list_all, patch
from kubernaut_kubectl._rollout import REVISION, check_rollout, owned_by
from kubernaut_kubectl._tracker import tracker_of
from kubernaut_kubectl.deployments import DeploymentInputs
from kubernaut_kubectl.ownership import TEMPLATE, ResultWithNote, check_owners, ownership_note
from kubernaut_sdk import Action, Change, Context, NotFound, ObjectRef, PreconditionFailed, Transient

__all__ = ["restart", "rollback"]

RESTARTED_BY = "kubernaut.io/restarted-by"
ROLLED_BACK_BY = "kubernaut.io/rolled-back-by"
RESTARTED_FIELD = ("spec", "template", "metadata", "annotations", RESTARTED_BY)


class RestartResult(ResultWithNote):
    """The result of kubernetes/restart_deployment: the record's id, as the pod template has it."""

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
def plan_restart(ctx: Context, inputs: DeploymentInputs) -> Change:
    """Replace all pods of a Deployment by its update strategy, and wait until the new ones are ready.

    Not idempotent: every record restarts again. One record restarts once, however often its pod runs. It waits for as
    long as the step may take, until all pods are ready for 5 s without interruption. An operator's Deployment is not
    restarted unless `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step.
    """
    found = _get_current(ctx, inputs)
    before = _annotations(found["spec"]["template"]).get(RESTARTED_BY)
    if before != str(ctx.record_id):
        tracker_of(ctx).owners = check_owners(ctx, found, RESTARTED_FIELD, str(ctx.record_id), inputs.when_owned)
    return Change({"restarted_by": before}, {"restarted_by": str(ctx.record_id)})


@restart.apply
def apply_restart(ctx: Context, inputs: DeploymentInputs, change: Change) -> RestartResult:
    """Set a new annotation in the pod template, as `kubectl rollout restart` does."""
    found = _get_current(ctx, inputs)
    operations = _annotate("/spec/template/metadata", found["spec"]["template"], RESTARTED_BY, str(ctx.record_id))
    written = patch(ctx, "deployment.apps", inputs.deployment, [_test_generation(found), *operations], inputs.namespace)
    tracker_of(ctx).remember_write(written)
    return RestartResult(restarted_by=str(ctx.record_id), note=ownership_note(tracker_of(ctx).owners))


@restart.verify
def verify_restart(ctx: Context, inputs: DeploymentInputs, change: Change) -> bool | str:
    """Return True once all pods have the template with this record's annotation."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    now, ours = _annotations(found["spec"]["template"]).get(RESTARTED_BY), str(ctx.record_id)
    before = change.before["restarted_by"]
    shortfall = tracker_of(ctx).require_own_value(
        found, RESTARTED_FIELD, now, before=before, wanted=ours, what=f"the annotation {RESTARTED_BY}"
    )
    return shortfall or check_rollout(ctx, found)


@restart.target
def target_restart(inputs: DeploymentInputs) -> ObjectRef:
    """Return the Deployment."""
    return ObjectRef(kind="Deployment", namespace=inputs.namespace, name=inputs.deployment)


@restart.check
def check_restart(ctx: Context, inputs: DeploymentInputs) -> dict[str, str | None]:
    """Check the permissions."""
    return can_i(ctx, restart.permissions, inputs.namespace)


class RollbackInputs(DeploymentInputs):
    """The inputs of kubernetes/rollback_deployment."""

    revision: Annotated[int, Field(ge=0, description="The revision to go back to; 0 for the one before this.")] = 0


class RollbackResult(ResultWithNote):
    """The result of kubernetes/rollback_deployment: the revision that was restored."""

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
def plan_rollback(ctx: Context, inputs: RollbackInputs) -> Change:
    """Restore the pod template of an earlier revision, as `kubectl rollout undo` does, and wait for the rollout.

    Not idempotent: the restored revision gets a new number, so a second record would go back from there. One record
    rolls back once, however often its pod runs. It waits for as long as the step may take, until all pods are ready for
    5 s without interruption. If Argo CD, Flux or an operator would revert the template, the step is refused, unless
    `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step.
    """
    found = _get_current(ctx, inputs)
    current = int(_annotations(found).get(REVISION, 0))
    before = {"revision": current, "images": _images(found["spec"]["template"])}
    if _annotations(found).get(ROLLED_BACK_BY) == str(ctx.record_id):
        return Change(before, before)
    revision, template = _earlier(ctx, inputs, found, current)
    if revision == current:
        return Change(before, before)
    tracker_of(ctx).owners = check_owners(ctx, found, TEMPLATE, template["spec"], inputs.when_owned)
    return Change(before, {"revision": revision, "images": _images(template)})


@rollback.apply
def apply_rollback(ctx: Context, inputs: RollbackInputs, change: Change) -> RollbackResult:
    """Restore the template with a patch that fails if the Deployment's revision is not the planned one any more."""
    found = _get_current(ctx, inputs)
    template = _revisions(ctx, inputs, found).get(change.after["revision"])
    if template is None:
        raise Transient(f"revision {change.after['revision']} went since it was planned; it is planned anew.")
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    revision = f"/metadata/annotations/{REVISION.replace('/', '~1')}"
    operations: list[dict[str, Any]] = [
        _test_generation(found),
        {"op": "test", "path": revision, "value": str(change.before["revision"])},
        {"op": "replace", "path": "/spec/template", "value": template},
        *_annotate("/metadata", found, ROLLED_BACK_BY, str(ctx.record_id)),
    ]
    tracker_of(ctx).remember_write(patch(ctx, "deployment.apps", inputs.deployment, operations, inputs.namespace))
    note = ownership_note(tracker_of(ctx).owners)
    return RollbackResult(revision=change.after["revision"], images=change.after["images"], note=note)


@rollback.verify
def verify_rollback(ctx: Context, inputs: RollbackInputs, change: Change) -> bool | str:
    """Return True once all pods have the restored template."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    tracker = tracker_of(ctx)
    if tracker.written is not None:
        now, wanted = found["spec"]["template"], tracker.written["spec"]["template"]
        if now != wanted:
            shown = {"now": _images(now), "before": change.before["images"], "wanted": _images(wanted)}
            if shown["now"] == shown["wanted"]:  # the difference is not in the images, so they would not show it
                shown |= {"now": ["another template"]}
            if shortfall := tracker.require_own_value(found, TEMPLATE, **shown, what="the template (by its images)"):
                return shortfall
    return check_rollout(ctx, found)


@rollback.target
def target_rollback(inputs: RollbackInputs) -> ObjectRef:
    """Return the Deployment."""
    return ObjectRef(kind="Deployment", namespace=inputs.namespace, name=inputs.deployment)


@rollback.check
def check_rollback(ctx: Context, inputs: RollbackInputs) -> dict[str, str | None]:
    """Check the permissions."""
    return can_i(ctx, rollback.permissions, inputs.namespace)


def _earlier(ctx: Context, inputs: RollbackInputs, found: dict[str, Any], current: int) -> tuple[int, dict[str, Any]]:
    """Return the requested revision and its template.

    Raises:
        NotFound: if the revision does not exist any more.
        PreconditionFailed: if there is no revision before the current one.
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


def _revisions(ctx: Context, inputs: DeploymentInputs, found: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the pod template of each revision, from the ReplicaSets that the Deployment owns."""
    kept = {}
    for item in owned_by(found, list_all(ctx, "replicaset.apps", inputs.namespace)):
        if REVISION in _annotations(item):
            kept[int(_annotations(item)[REVISION])] = item["spec"]["template"]
    return kept


def _get_current(ctx: Context, inputs: DeploymentInputs) -> dict[str, Any]:
    """Return the Deployment, if its controller has seen the newest spec.

    Raises:
        PreconditionFailed: if it is paused, since nothing would roll out.
        Transient: if its controller has not seen the newest spec yet.
    """
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    if found["spec"].get("paused", False):
        raise PreconditionFailed(f"{inputs.deployment} is paused; resume it with `kubectl rollout resume` first.")
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
        raise Transient(f"the Deployment controller has not seen the newest spec of {inputs.deployment} yet.")
    return found


def _test_generation(found: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON patch operation that fails if the spec was changed since it was read."""
    return {"op": "test", "path": "/metadata/generation", "value": found["metadata"]["generation"]}


def _annotations(item: dict[str, Any]) -> dict[str, str]:
    annotations: dict[str, str] = item.get("metadata", {}).get("annotations") or {}
    return annotations


def _annotate(path: str, item: dict[str, Any], key: str, value: str) -> list[dict[str, Any]]:
    """Return the JSON patch operations that add an annotation, and the `annotations` object if it is missing."""
    if not _annotations(item):
        return [{"op": "add", "path": f"{path}/annotations", "value": {key: value}}]
    return [{"op": "add", "path": f"{path}/annotations/{key.replace('/', '~1')}", "value": value}]


def _images(template: dict[str, Any]) -> list[str]:
    return [container["image"] for container in template["spec"]["containers"]]
