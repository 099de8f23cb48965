"""The action argocd/run_resource_action: a restart, or the next step of a Rollout, as Argo CD's own action."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_argocd.applications.application import AppView
from kubernaut_argocd.applications.server import ApplicationInputs, ApplicationName, ArgoServer, application_target
from kubernaut_sdk import Action, Change, Context, NotFound, ObjectRef, PreconditionFailed, Result, VerifyFailed

__all__ = ["run_resource_action"]


class ResourceActionInputs(ApplicationInputs):
    """The inputs of argocd/run_resource_action."""

    action: Annotated[
        Literal["restart", "resume", "promote-full"],
        Field(description="restart of a workload; resume and promote-full of a Rollout."),
    ]
    group: Annotated[str, Field(max_length=253, description="The resource's API group.")] = "apps"
    version: Annotated[
        str, Field(pattern=r"^v[0-9][a-z0-9]*$", max_length=63, description="The version of that group.")
    ] = "v1"
    kind: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=63, description="The resource's kind.")] = (
        "Deployment"
    )
    namespace: Annotated[ApplicationName, Field(description="The resource's namespace.")]
    name: Annotated[
        str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253, description="The resource's name.")
    ]


class ResourceActionResult(Result):
    """The action that was run."""

    action: Annotated[str, Field(max_length=32)]
    kind: Annotated[str, Field(max_length=63)]
    name: Annotated[str, Field(max_length=253)]


run_resource_action = Action(
    "argocd/run_resource_action",
    permissions=["Argo CD: applications get, action/…"],
    idempotent=False,
    risk="medium",
    examples=[
        {
            "server": "https://argocd.example.com",
            "application": "checkout",
            "action": "restart",
            "namespace": "shop",
            "name": "checkout",
        }
    ],
)


@run_resource_action.plan
def plan(ctx: Context, inputs: ResourceActionInputs) -> Change:
    """Run one of Argo CD's actions on a resource of an Application, and wait until the resource is Healthy.

    Allowed are restart (Deployment, StatefulSet, DaemonSet), and resume and promote-full of an Argo Rollout. An action
    that the resource does not offer now is refused. Not idempotent: each record runs it once.
    """
    server = ArgoServer(ctx, inputs)
    offered = {str(item.get("name")): bool(item.get("disabled")) for item in server.resource_actions(_place(inputs))}
    if inputs.action not in offered:
        raise NotFound(
            f"{inputs.kind} {inputs.namespace}/{inputs.name} offers no action {inputs.action}; it has "
            f"{', '.join(sorted(offered)) or 'none'}."
        )
    if offered[inputs.action]:
        raise PreconditionFailed(
            f"{inputs.kind} {inputs.namespace}/{inputs.name} does not allow {inputs.action} in its present state.",
            reason="ActionDisabled",
        )
    generation = _generation(_manifest(server, inputs))
    return Change(
        {"generation": generation, "done_by": None}, {"generation": generation, "done_by": str(ctx.record_id)}
    )


@run_resource_action.apply
def apply(ctx: Context, inputs: ResourceActionInputs, change: Change) -> ResourceActionResult:
    """Run the action."""
    ArgoServer(ctx, inputs).run_resource_action(_place(inputs), inputs.action)
    return ResourceActionResult(action=inputs.action, kind=inputs.kind, name=inputs.name)


@run_resource_action.verify
def verify(ctx: Context, inputs: ResourceActionInputs, change: Change) -> bool | str:
    """Return True if the resource is Healthy after it."""
    server = ArgoServer(ctx, inputs)
    manifest = _manifest(server, inputs)
    if inputs.action == "restart":
        if _generation(manifest) <= change.before["generation"]:
            return f"{inputs.kind} {inputs.name} has not the new generation yet"
        if (left := _outstanding(manifest)) is not None:
            return f"{inputs.kind} {inputs.name}: {left}"
    health = _health(AppView(server.read()), inputs)
    if health == "Missing":
        raise VerifyFailed(f"{inputs.kind} {inputs.namespace}/{inputs.name} is gone.", reason="Missing")
    return health == "Healthy" or f"{inputs.kind} {inputs.name} is {health}"


@run_resource_action.target
def target(inputs: ResourceActionInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)


def _place(inputs: ResourceActionInputs) -> dict[str, str]:
    return {
        "namespace": inputs.namespace,
        "resourceName": inputs.name,
        "version": inputs.version,
        "group": inputs.group,
        "kind": inputs.kind,
    }


def _manifest(server: ArgoServer, inputs: ResourceActionInputs) -> dict[str, Any]:
    """Return the live resource: Argo CD's own health is as old as its last comparison."""
    return dict(json.loads(server.resource(_place(inputs)).get("manifest") or "{}"))


def _generation(manifest: dict[str, Any]) -> int:
    return int((manifest.get("metadata") or {}).get("generation") or 0)


def _outstanding(manifest: dict[str, Any]) -> str | None:
    """Return what the rollout of a workload still lacks, or None."""
    status = manifest.get("status") or {}
    if int(status.get("observedGeneration") or 0) < _generation(manifest):
        return "its controller has not seen the restart yet"
    if "desiredNumberScheduled" in status:
        wanted, names = status["desiredNumberScheduled"], ["updatedNumberScheduled", "numberAvailable"]
    else:
        wanted = (manifest.get("spec") or {}).get("replicas", 1)
        names = ["updatedReplicas", "readyReplicas", "replicas"]
    there = {name: int(status.get(name) or 0) for name in names}
    missing = [f"{name} is {count} of {wanted}" for name, count in there.items() if count != wanted]
    return ", ".join(missing) or None


def _health(app: AppView, inputs: ResourceActionInputs) -> str:
    wanted = (inputs.kind, inputs.namespace, inputs.name)
    for item in (app.document.get("status") or {}).get("resources") or ():
        if (item.get("kind"), item.get("namespace"), item.get("name")) == wanted:
            return str((item.get("health") or {}).get("status") or app.health)
    return "Missing"
