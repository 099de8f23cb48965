"""The action argocd/run_resource_action: a restart, or the next step of a Rollout, as Argo CD's own action."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_argocd.applications.application import AppView
from kubernaut_argocd.applications.progress import generation_of, progress_of, step_of
from kubernaut_argocd.applications.server import ApplicationInputs, ApplicationName, ArgoServer, application_target
from kubernaut_sdk import Action, Change, Context, NotFound, ObjectRef, PreconditionFailed, Result, VerifyFailed

__all__ = ["run_resource_action"]


class ResourceActionInputs(ApplicationInputs):
    """The inputs of argocd/run_resource_action."""

    action: Annotated[
        Literal["restart", "resume", "promote-full"],
        Field(description="restart of a workload or Rollout; resume and promote-full of a Rollout."),
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
    """Run one of Argo CD's actions on a resource of an Application, and wait until it has reached its end.

    Allowed are restart (Deployment, StatefulSet, DaemonSet, Rollout), and resume and promote-full of an Argo Rollout.
    An action that the resource does not offer now is refused. A restart has ended when every pod is a new one, and
    ready; promote-full when the new version is the only one, and Healthy; resume then, too, or as soon as the Rollout
    is paused again at a later step. A rollout that is aborted or given up fails at once. Not idempotent: each record
    runs it once.
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
    manifest = _manifest(server, inputs)
    step = step_of(manifest)
    here = {"generation": generation_of(manifest)} | ({} if step is None else {"step": step})
    return Change({**here, "done_by": None}, {**here, "done_by": str(ctx.record_id)})


@run_resource_action.apply
def apply(ctx: Context, inputs: ResourceActionInputs, change: Change) -> ResourceActionResult:
    """Run the action."""
    ArgoServer(ctx, inputs).run_resource_action(_place(inputs), inputs.action)
    return ResourceActionResult(action=inputs.action, kind=inputs.kind, name=inputs.name)


@run_resource_action.verify
def verify(ctx: Context, inputs: ResourceActionInputs, change: Change) -> bool | str:
    """Return True if the action has reached its end, and Argo CD finds the resource as healthy as that end is."""
    server, name = ArgoServer(ctx, inputs), f"{inputs.kind} {inputs.namespace}/{inputs.name}"
    try:
        manifest = _manifest(server, inputs)
    except (NotFound, PreconditionFailed) as error:
        if error.reason not in {"NotFound", "Refused"}:
            raise
        raise VerifyFailed(f"{name} is gone: {error.message}", reason="Missing") from None
    progress = progress_of(manifest, inputs.action, change.before)
    if progress is not True:
        return f"{name}: {progress}"
    if inputs.kind == "Rollout":
        return True  # its own controller says how it is; Argo CD says the same, later
    health = _health(AppView(server.read()), inputs)
    return health in {"Healthy", None} or f"{name} is {health}"


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


def _health(app: AppView, inputs: ResourceActionInputs) -> str | None:
    """Return the resource's health as Argo CD last saw it; None if it is not one of those that git names."""
    wanted = (inputs.kind, inputs.namespace, inputs.name)
    for item in app.all_resources:
        if (item.get("kind"), item.get("namespace"), item.get("name")) == wanted:
            return str((item.get("health") or {}).get("status") or app.health)
    return None
