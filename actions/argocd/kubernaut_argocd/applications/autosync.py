"""The actions argocd/pause_autosync and argocd/resume_autosync.

Through Kubernetes: a JSON patch tests what was read, while Argo CD's own PATCH overwrites whatever is there. Argo CD
3.1 and newer know `automated.enabled`; where the cluster drops that field, `automated` is removed, and kept in an
annotation for the way back.
"""

import json
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_argocd.applications.cluster import ApplicationCluster, open_cluster
from kubernaut_argocd.applications.owning import owner_of
from kubernaut_argocd.applications.server import ApplicationName
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, PreconditionFailed, Result, VerifyFailed

__all__ = ["pause_autosync", "resume_autosync"]

KEPT = "kubernaut.io/paused-autosync"
"""The annotation with the policy as it was, and the record that paused it."""
_POLICY = "/spec/syncPolicy/automated"
_ANNOTATION = f"/metadata/annotations/{KEPT.replace('/', '~1')}"


class AutosyncInputs(Inputs):
    """The inputs of argocd/pause_autosync and argocd/resume_autosync."""

    application: Annotated[ApplicationName, Field(description="The Application's name.")]
    namespace: Annotated[ApplicationName, Field(description="The Application's namespace.")] = "argocd"
    when_owned: Annotated[
        Literal["refuse", "proceed"],
        Field(description="If an ApplicationSet or another Application would take the change back."),
    ] = "refuse"


class AutosyncResult(Result):
    """The automatic sync as it is now."""

    application: Annotated[str, Field(max_length=253)]
    autosync: bool
    self_heal: bool
    prune: bool


pause_autosync = Action(
    "argocd/pause_autosync",
    permissions=["argoproj.io/applications: get, patch"],
    risk="medium",
    restored_by="argocd/resume_autosync",
    examples=[{"application": "checkout"}],
)
resume_autosync = Action(
    "argocd/resume_autosync",
    permissions=["argoproj.io/applications: get, patch"],
    risk="low",
    examples=[{"application": "checkout"}],
)


@pause_autosync.plan
def plan_pause(ctx: Context, inputs: AutosyncInputs) -> Change:
    """Pause the automatic sync of an Application, so that Argo CD neither deploys nor heals by itself.

    Nobody else resumes it: `kubernaut validate` and the controller refuse a workflow without a `finally` step with
    `argocd/resume_autosync` on the same Application. Whether it prunes and heals is kept for that. If an
    ApplicationSet, or another Application, owns this one, it would take the change back: refused, unless `when_owned`
    is `proceed`; then it is watched for 20 s, and a revert fails the step. Undo resumes.
    """
    cluster = open_cluster(ctx)
    found = cluster.read(inputs.namespace, inputs.application)
    before = _state(found)
    after = {**before, "autosync": False}
    if before != after and ctx.undoing is None:
        _require_free(cluster, found, inputs)
    return Change(before, after)


@pause_autosync.apply
def apply_pause(ctx: Context, inputs: AutosyncInputs, change: Change) -> AutosyncResult:
    """Switch it off, only while the policy is as it was read."""
    return _pause(ctx, inputs)


@pause_autosync.verify(within=timedelta(seconds=60), settle=timedelta(seconds=20))
def verify_pause(ctx: Context, inputs: AutosyncInputs, change: Change) -> bool | str:
    """Return True if it is still off."""
    return _verify(ctx, inputs, wanted=False)


@pause_autosync.undo
def undo_pause(ctx: Context, inputs: AutosyncInputs, change: Change) -> None:
    """Switch it on again, as it was."""
    _resume(ctx, inputs)


@pause_autosync.target
def target_pause(inputs: AutosyncInputs) -> ObjectRef:
    """Return the Application."""
    return ObjectRef(kind="Application", namespace=inputs.namespace, name=inputs.application)


@resume_autosync.plan
def plan_resume(ctx: Context, inputs: AutosyncInputs) -> Change:
    """Resume the automatic sync of an Application, with pruning and self-heal as they were before it was paused.

    An Application that never had an automatic sync is refused, since nobody said what it should do by itself. Argo CD
    deploys what git says within seconds. An owner is looked for as in `argocd/pause_autosync`, and the policy watched
    for 20 s, too. Undo pauses again.
    """
    cluster = open_cluster(ctx)
    found = cluster.read(inputs.namespace, inputs.application)
    before = _state(found)
    after = {**before, "autosync": True}
    if before != after and _policy(found) is None and _kept(found) is None:
        raise PreconditionFailed(
            f"Application {inputs.application} has no automatic sync that was paused; set its spec.syncPolicy in git.",
            reason="NothingPaused",
        )
    if before != after and ctx.undoing is None:
        _require_free(cluster, found, inputs)
    return Change(before, after)


@resume_autosync.apply
def apply_resume(ctx: Context, inputs: AutosyncInputs, change: Change) -> AutosyncResult:
    """Switch it on, only while the policy is as it was read."""
    return _resume(ctx, inputs)


@resume_autosync.verify(within=timedelta(seconds=60), settle=timedelta(seconds=20))
def verify_resume(ctx: Context, inputs: AutosyncInputs, change: Change) -> bool | str:
    """Return True if it is on."""
    return _verify(ctx, inputs, wanted=True)


@resume_autosync.undo
def undo_resume(ctx: Context, inputs: AutosyncInputs, change: Change) -> None:
    """Switch it off again."""
    _pause(ctx, inputs)


@resume_autosync.target
def target_resume(inputs: AutosyncInputs) -> ObjectRef:
    """Return the Application."""
    return target_pause(inputs)


def _pause(ctx: Context, inputs: AutosyncInputs) -> AutosyncResult:
    cluster = open_cluster(ctx)
    found = cluster.read(inputs.namespace, inputs.application)
    policy = _policy(found)
    if policy is None or policy.get("enabled") is False:
        return _result(inputs, found)
    kept = json.dumps({"automated": policy, "record": str(ctx.record_id)})
    note = _annotate(found, kept)
    switched = {"op": "add", "path": f"{_POLICY}/enabled", "value": False}
    written = cluster.patch(inputs.namespace, inputs.application, [_test(_POLICY, policy), switched, *note])
    left = _policy(written)
    if left is not None and left.get("enabled") is not False:  # Argo CD before 3.1 does not know the field
        operations = [_test(_POLICY, left), {"op": "remove", "path": _POLICY}]
        written = cluster.patch(inputs.namespace, inputs.application, operations)
    return _result(inputs, written)


def _resume(ctx: Context, inputs: AutosyncInputs) -> AutosyncResult:
    cluster = open_cluster(ctx)
    found = cluster.read(inputs.namespace, inputs.application)
    policy, kept = _policy(found), _kept(found)
    note = (found["metadata"].get("annotations") or {}).get(KEPT)
    clean = [_test(_ANNOTATION, note), {"op": "remove", "path": _ANNOTATION}] if note is not None else []
    if policy is not None:
        switch: list[dict[str, Any]] = [{"op": "remove", "path": f"{_POLICY}/enabled"}] if "enabled" in policy else []
        if (kept or {}).get("enabled") is True:  # it was said, though it is the default
            switch = [{"op": "add", "path": f"{_POLICY}/enabled", "value": True}]
        operations = [_test(_POLICY, policy), *switch, *clean]
    else:
        automated = {key: value for key, value in (kept or {}).items() if key != "enabled"}
        if "syncPolicy" in found["spec"]:
            absent = [_test(_POLICY, None)]
        else:
            parent = {"op": "add", "path": "/spec/syncPolicy", "value": {}}
            absent = [_test("/spec/syncPolicy", None), parent]
        operations = [*absent, {"op": "add", "path": _POLICY, "value": automated}, *clean]
    return _result(inputs, cluster.patch(inputs.namespace, inputs.application, operations))


def _verify(ctx: Context, inputs: AutosyncInputs, *, wanted: bool) -> bool | str:
    cluster = open_cluster(ctx)
    found = cluster.read(inputs.namespace, inputs.application)
    if _state(found)["autosync"] is wanted:
        return True
    if owner := owner_of(cluster, found):
        raise VerifyFailed(
            f"automatic sync of Application {inputs.application} was set back, most likely by {owner}, which owns it.",
            reason="Reverted",
        )
    return f"automatic sync is {'off' if wanted else 'on'}"


def _result(inputs: AutosyncInputs, found: dict[str, Any]) -> AutosyncResult:
    return AutosyncResult(application=inputs.application, **_state(found))


def _policy(found: dict[str, Any]) -> dict[str, Any] | None:
    policy = (found["spec"].get("syncPolicy") or {}).get("automated")
    return dict(policy) if isinstance(policy, dict) else None


def _kept(found: dict[str, Any]) -> dict[str, Any] | None:
    """Return the policy that was kept in the annotation, or None."""
    try:
        kept = json.loads((found["metadata"].get("annotations") or {})[KEPT])["automated"]
    except (KeyError, TypeError, ValueError):
        return None
    return dict(kept) if isinstance(kept, dict) else None


def _state(found: dict[str, Any]) -> dict[str, bool]:
    """Return what the automatic sync does; where it is paused, what it would do."""
    policy = _policy(found)
    known = policy or _kept(found) or {}
    return {
        "autosync": policy is not None and policy.get("enabled") is not False,
        "self_heal": bool(known.get("selfHeal")),
        "prune": bool(known.get("prune")),
    }


def _annotate(found: dict[str, Any], text: str) -> list[dict[str, Any]]:
    annotations = found["metadata"].get("annotations")
    if annotations:
        return [_test(_ANNOTATION, annotations.get(KEPT)), {"op": "add", "path": _ANNOTATION, "value": text}]
    whole = {"op": "add", "path": "/metadata/annotations", "value": {KEPT: text}}
    return [_test("/metadata/annotations", None), whole]


def _test(path: str, value: Any) -> dict[str, Any]:
    """Return the operation that lets the patch fail unless this value, or with None nothing, stands at the path."""
    return {"op": "test", "path": path, "value": value}


def _require_free(cluster: ApplicationCluster, found: dict[str, Any], inputs: AutosyncInputs) -> None:
    if inputs.when_owned == "refuse" and (owner := owner_of(cluster, found)):
        raise PreconditionFailed(
            f"Application {inputs.application} belongs to {owner}, which would take the change back; change the "
            f"policy there, or set when_owned: proceed.",
            reason="Owned",
        )
