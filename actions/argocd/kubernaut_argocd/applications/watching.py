"""The actions argocd/refresh_application and argocd/wait_application."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from kubernaut_argocd.applications.application import AppView
from kubernaut_argocd.applications.goals import AcceptSuspended, state_goal
from kubernaut_argocd.applications.server import ApplicationInputs, ArgoServer, Revision, application_target
from kubernaut_sdk import Action, Change, Context, ObjectRef, Result

__all__ = ["refresh_application", "wait_application"]


class RefreshInputs(ApplicationInputs):
    """The inputs of argocd/refresh_application."""

    hard: Annotated[bool, Field(description="Also make the manifests anew, past Argo CD's cache.")] = True


class RefreshResult(Result):
    """The Application after the comparison."""

    sync: Annotated[str, Field(max_length=32)]
    health: Annotated[str, Field(max_length=32)]
    revision: str | None = None


refresh_application = Action(
    "argocd/refresh_application",
    permissions=["Argo CD: applications get"],
    idempotent=False,  # each comparison is a new one: git may have changed since the last
    risk="low",
    examples=[{"server": "https://argocd.example.com", "application": "checkout"}],
)


@refresh_application.plan
def plan_refresh(ctx: Context, inputs: RefreshInputs) -> Change:
    """Let Argo CD compare an Application with git now, not at its next poll (every three minutes).

    Nothing is deployed by it, unless automatic sync is on and git has something new. It ends when the comparison has.
    """
    app = AppView(ArgoServer(ctx, inputs).read())
    return Change({"reconciled_at": app.reconciled_at}, {"reconciled_at": f"after {app.reconciled_at or 'now'}"})


@refresh_application.apply
def apply_refresh(ctx: Context, inputs: RefreshInputs, change: Change) -> RefreshResult:
    """Ask for the comparison; the server answers when it is done."""
    app = AppView(ArgoServer(ctx, inputs).read("hard" if inputs.hard else "normal"))
    return RefreshResult(sync=app.sync, health=app.health, revision=next(iter(app.revisions), None))


@refresh_application.verify(within=timedelta(minutes=2))
def verify_refresh(ctx: Context, inputs: RefreshInputs, change: Change) -> bool | str:
    """Return True if no comparison is outstanding."""
    app = AppView(ArgoServer(ctx, inputs).read())
    return not app.being_refreshed or f"Application {app.name} is still being compared"


@refresh_application.target
def target_refresh(inputs: RefreshInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)


class WaitInputs(ApplicationInputs):
    """The inputs of argocd/wait_application."""

    synced: Annotated[bool, Field(description="Wait for Synced, not only for Healthy.")] = True
    revision: Annotated[
        Revision | None, Field(description="The commit that must be deployed, of the first source; 7 characters do.")
    ] = None
    accept_suspended: AcceptSuspended = False


wait_application = Action(
    "argocd/wait_application",
    permissions=["Argo CD: applications get"],
    risk="low",
    examples=[{"server": "https://argocd.example.com", "application": "checkout"}],
)


@wait_application.plan
def plan_wait(ctx: Context, inputs: WaitInputs) -> Change:
    """Wait until an Application is Synced and Healthy, and holds for 5 s; change nothing.

    With `revision` it must be Synced at that commit, such as the one that `git/merge_pull_request` made. Argo CD looks
    at git every three minutes: `argocd/refresh_application` before this saves the time. It waits for as long as the
    step may take, and then fails with what is missing.
    """
    state = {"application": AppView(ArgoServer(ctx, inputs).read()).name}
    return Change(state, state)


@wait_application.apply
def apply_wait(ctx: Context, inputs: WaitInputs, change: Change) -> None:
    """Do nothing: the plan never has a change."""


@wait_application.verify(settle=timedelta(seconds=5))
def verify_wait(ctx: Context, inputs: WaitInputs, change: Change) -> bool | str:
    """Return True if it is Synced, at the revision, and Healthy."""
    app = AppView(ArgoServer(ctx, inputs).read())
    operation = app.operation()
    if operation is not None and operation.running:
        return f"an operation of {operation.by} is in progress: {operation.message}"
    revisions = [inputs.revision] if inputs.revision else []
    return state_goal(app, synced=inputs.synced, revisions=revisions, accept_suspended=inputs.accept_suspended)


@wait_application.target
def target_wait(inputs: WaitInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)
