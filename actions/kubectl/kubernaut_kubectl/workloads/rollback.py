"""The actions kubernetes/rollback_deployment, rollback_statefulset and rollback_daemonset.

None is idempotent: a record acts once, and a new record acts again. The record's id is written into the workload, so
that an attempt whose response was lost is not repeated.
"""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import existing
from kubernaut_kubectl.cluster.patches import Operation, annotate, replace, unchanged
from kubernaut_kubectl.cluster.reasons import in_order
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.owners.fields import TEMPLATE, ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.goal import check_rollout, require_rollout
from kubernaut_kubectl.rollouts.revisions import Revisions, images_of, named_by, read_revisions
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.daemons import note_unready_nodes
from kubernaut_kubectl.workloads.kinds import (
    DaemonSetInputs,
    DeploymentInputs,
    StatefulSetInputs,
    WorkloadInputs,
    read,
)
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Transient

__all__ = ["rollback_daemonset", "rollback_deployment", "rollback_statefulset"]

ROLLED_BACK_BY = "kubernaut.io/rolled-back-by"


class WantedRevision(Inputs):
    """The input of all three besides the workload."""

    revision: Annotated[int, Field(ge=0, description="The revision to go back to; 0 for the one before this.")] = 0


class RollbackDeploymentInputs(WantedRevision, DeploymentInputs):
    """The inputs of kubernetes/rollback_deployment."""


class RollbackStatefulSetInputs(WantedRevision, StatefulSetInputs):
    """The inputs of kubernetes/rollback_statefulset."""


class RollbackDaemonSetInputs(WantedRevision, DaemonSetInputs):
    """The inputs of kubernetes/rollback_daemonset."""


RollbackInputs = RollbackDeploymentInputs | RollbackStatefulSetInputs | RollbackDaemonSetInputs


class RollbackResult(ResultWithNote):
    """The result of all three: the revision that was restored."""

    revision: int
    images: list[str] | None = None


def _action(inputs_model: type[WorkloadInputs], summary: str) -> Action:
    workload = inputs_model.workload
    action = Action(
        f"kubernetes/rollback_{workload.field}",
        permissions=in_order(
            workload.write,
            workload.pods,
            {
                workload.revisions: "its earlier revisions",
                "configmaps: get": "to see that what the earlier template names is still there",
            },
        ),
        tools=["kubectl"],
        idempotent=False,
        risk="high",
        examples=[{"namespace": "shop", workload.field: workload.example}],
    )

    def plan(ctx: Context, inputs: Any) -> Change:
        found = read(ctx, inputs)
        is_done = (found["metadata"].get("annotations") or {}).get(ROLLED_BACK_BY) == str(ctx.record_id)
        if not is_done:
            require_rollout(found)
        kept = read_revisions(ctx, found)
        before = {"revision": kept.current, "images": images_of(found["spec"]["template"])}
        if is_done:
            return Change(before, before)
        revision = _chosen(inputs, kept)
        if revision == kept.current:
            return Change(before, before)
        template = kept.templates[revision]
        _require_references(ctx, inputs, template)
        note_unready_nodes(ctx, found)
        tracker_of(ctx).revisions = kept
        tracker_of(ctx).owners = check_owners(ctx, found, TEMPLATE, template["spec"], inputs.when_owned)
        return Change(before, {"revision": revision, "images": images_of(template)})

    plan.__doc__ = summary
    plan.__annotations__["inputs"] = inputs_model
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: RollbackInputs, change: Change) -> RollbackResult:
        tracker, name = tracker_of(ctx), inputs.workload_name

        def operations(found: dict[str, Any]) -> list[Operation]:
            require_rollout(found)
            kept, tracker.revisions = tracker.revisions or read_revisions(ctx, found), None
            template = kept.templates.get(change.after["revision"])
            if template is None or kept.current != change.before["revision"]:
                raise Transient(
                    f"the revisions of {name} changed since they were planned; it is planned anew.", reason="Conflict"
                )
            mark = annotate(found, ROLLED_BACK_BY, str(ctx.record_id))
            return [*unchanged(found), replace("/spec/template", template), *mark]

        tracker.remember_write(compare_and_swap(ctx, workload.resource, name, inputs.namespace, operations))
        note = ownership_note(tracker.owners, tracker.notes)
        return RollbackResult(revision=change.after["revision"], images=change.after["images"], note=note)

    @action.verify
    def verify(ctx: Context, inputs: RollbackInputs, change: Change) -> bool | str:
        found = read(ctx, inputs)
        return _template_shortfall(ctx, found, change) or check_rollout(ctx, found)

    register_object(action, workload.kind, workload.field)
    return action


def _template_shortfall(ctx: Context, found: dict[str, Any], change: Change) -> str | None:
    """Return None if the workload has the restored template; raises as `ChangeTracker.require_own_value`."""
    tracker = tracker_of(ctx)
    if tracker.written is None:
        return None
    now, wanted = found["spec"]["template"], tracker.written["spec"]["template"]
    if now == wanted:
        return None
    shown = {"now": images_of(now), "before": change.before["images"], "wanted": images_of(wanted)}
    if shown["now"] == shown["wanted"]:  # the difference is not in the images, so they would not show it
        shown |= {"now": ["another template"]}
    return tracker.require_own_value(found, TEMPLATE, **shown, what="the template (by its images)")


def _chosen(inputs: RollbackInputs, kept: Revisions) -> int:
    """Return the requested revision.

    Raises:
        NotFound: if it does not exist any more.
        PreconditionFailed: if there is no revision before the current one.
    """
    name = inputs.workload_name
    if inputs.revision:
        if inputs.revision not in kept.templates:
            known = ", ".join(str(revision) for revision in sorted(kept.templates)) or "none"
            raise NotFound(f"{name} has no revision {inputs.revision}; kept are {known}.")
        return inputs.revision
    before = kept.before_current()
    if before is None:
        raise PreconditionFailed(f"{name} has no revision before {kept.current} to go back to.")
    return before


def _require_references(ctx: Context, inputs: RollbackInputs, template: dict[str, Any]) -> None:
    """Raise PreconditionFailed if a ConfigMap or Secret that the earlier template names is gone.

    A Secret cannot be read without its values, so the permission for it is not among those that the action declares;
    without it, a missing Secret shows only when the pods start.

    Raises:
        PreconditionFailed: with the names.
    """
    missing = []
    references = named_by(template)
    for kind in sorted({reference.kind for reference in references}):
        names = {reference.name for reference in references if reference.kind == kind}
        try:
            there = existing(ctx, kind.lower(), names, inputs.namespace)
        except PreconditionFailed as error:
            ctx.log.warning("%s %s is not checked: %s", kind, " and ".join(sorted(names)), error.message)
            continue
        missing += [f"{kind} {name}" for name in sorted(names - there)]
    if missing:
        raise PreconditionFailed(
            f"the earlier template of {inputs.workload_name} needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} gone; restore {'it' if len(missing) == 1 else 'them'} first.",
            reason="ReferenceMissing",
        )


_REST = """

    Not idempotent: the restored revision gets a new number, so a second record would go back from there. One record
    rolls back once, however often its pod runs. The ConfigMaps that the earlier template names must exist; Secrets too,
    where the ServiceAccount may get them. It waits for as long as the step may take, until all pods are ready for
    5 s without interruption. If Argo CD, Flux or an operator would revert the template, the step is refused, unless
    `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step.
    """
rollback_deployment = _action(
    RollbackDeploymentInputs,
    "Restore the pod template of an earlier revision, as `kubectl rollout undo` does, and wait for the rollout."
    + _REST,
)
rollback_statefulset = _action(
    RollbackStatefulSetInputs,
    """Restore the pod template of an earlier revision of a StatefulSet, and wait for the rollout.

    A pod of the broken revision that is not ready blocks the rollout of the restored one; after 30 s the step fails and
    names the pod to delete (`kubernetes/delete_pod`). Refused are the updateStrategy OnDelete and a partition."""
    + _REST,
)
rollback_daemonset = _action(
    RollbackDaemonSetInputs,
    """Restore the pod template of an earlier revision of a DaemonSet, and wait for the rollout.

    Pods on nodes that are not ready are not counted, and the result names these nodes. Refused is the updateStrategy
    OnDelete."""
    + _REST,
)
