"""The action argocd/rollback_application."""

import json
from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd.applications.application import (
    AppView,
    require_idle,
    require_lasting,
    shown_source,
    shows_all,
    sources_of,
)
from kubernaut_argocd.applications.goals import AcceptSuspended, operation_goal, state_goal
from kubernaut_argocd.applications.server import ApplicationInputs, ArgoServer, application_target, require_window
from kubernaut_sdk import Action, Change, Context, NotFound, ObjectRef, PreconditionFailed, Result

__all__ = ["rollback_application"]


class RollbackInputs(ApplicationInputs):
    """The inputs of argocd/rollback_application."""

    history_id: Annotated[int, Field(ge=0, description="The id of a deployment in the Application's history.")]
    prune: Annotated[bool, Field(description="Delete what that deployment did not have.")] = False
    accept_suspended: AcceptSuspended = False


class RollbackApplicationResult(Result):
    """The deployment that was rolled back to."""

    application: Annotated[str, Field(max_length=253)]
    history_id: int
    revision: str | None = None


rollback_application = Action(
    "argocd/rollback_application",
    permissions=["Argo CD: applications get, sync"],
    risk="medium",
    examples=[{"server": "https://argocd.example.com", "application": "checkout", "history_id": 7}],
)


@rollback_application.plan
def plan_rollback(ctx: Context, inputs: RollbackInputs) -> Change:
    """Roll an Application back to an earlier deployment of its history, and wait until it is Healthy.

    It is refused while automatic sync is on, since that would deploy the newer revision again: `argocd/pause_autosync`
    first; and while a sync window forbids it, since Argo CD would then leave the operation waiting. The Application is
    OutOfSync afterwards, until git says the same. If what was deployed last is what is asked for, nothing is done; a
    `digest` tells deployments apart that differ in what is not shown, such as inline values. Undo rolls back to what
    was deployed before.
    """
    server = ArgoServer(ctx, inputs)
    app = AppView(server.read())
    entry = next((item for item in app.history if item.get("id") == inputs.history_id), None)
    if entry is None:
        ids = ", ".join(str(item.get("id")) for item in app.history[-20:]) or "none"
        raise NotFound(f"the history of Application {app.name} has no deployment {inputs.history_id}; it has {ids}.")
    before, after = _deployed(app.history[-1]), _deployed(entry)
    if before == after:
        return Change(before, after)
    require_lasting(app)
    if app.automated is not None:
        raise PreconditionFailed(
            f"automatic sync of Application {app.name} is on, and would deploy the newer revision again; pause it "
            f"first (argocd/pause_autosync).",
            reason="AutoSync",
        )
    require_window(server, app)
    require_idle(app, "")
    return Change(before, after)


@rollback_application.apply
def apply_rollback(ctx: Context, inputs: RollbackInputs, change: Change) -> RollbackApplicationResult:
    """Start the rollback."""
    ArgoServer(ctx, inputs).roll_back(inputs.history_id, prune=inputs.prune)
    revision = next(iter(change.after["revisions"]), None)
    return RollbackApplicationResult(application=inputs.application, history_id=inputs.history_id, revision=revision)


@rollback_application.verify
def verify_rollback(ctx: Context, inputs: RollbackInputs, change: Change) -> bool | str:
    """Return True if the last deployment is the one that was asked for, and the Application is Healthy."""
    app = AppView(ArgoServer(ctx, inputs).read())
    operation = app.operation()
    if operation is not None and (operation.running or _deployed(operation.sync) == change.after):
        answer = operation_goal(app, operation)
        if answer is not True:
            return answer
    if not app.history or _deployed(app.history[-1]) != change.after:
        return f"Application {app.name} has not deployed it yet"
    return state_goal(app, synced=False, accept_suspended=inputs.accept_suspended)


@rollback_application.undo
def undo_rollback(ctx: Context, inputs: RollbackInputs, change: Change) -> None:
    """Roll back to what was deployed before."""
    server = ArgoServer(ctx, inputs)
    history = AppView(server.read()).history
    earlier = next((item for item in reversed(history) if _deployed(item) == change.before), None)
    if earlier is None:
        raise NotFound(f"the history of Application {inputs.application} has no such deployment any more.")
    server.roll_back(int(earlier["id"]), prune=inputs.prune)


@rollback_application.target
def target_rollback(inputs: RollbackInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)


def _deployed(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment of the history, or of an operation, without what differs when it is deployed again."""
    revisions = entry.get("revisions") or ([entry["revision"]] if entry.get("revision") else [])
    sources = sources_of(entry)
    shown: dict[str, Any] = {"revisions": list(revisions), "sources": [shown_source(source) for source in sources]}
    if not all(map(shows_all, sources)):  # two deployments may differ in nothing but their values
        shown["digest"] = sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()[:16]
    return shown
