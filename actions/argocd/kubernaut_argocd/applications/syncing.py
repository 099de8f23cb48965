"""The actions argocd/sync_application and argocd/rollback_application."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd.applications.application import RECORD, AppView, require_idle, shown_source, sources_of
from kubernaut_argocd.applications.goals import operation_goal, state_goal
from kubernaut_argocd.applications.server import ApplicationInputs, ApplicationName, ArgoServer
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, ObjectRef, PreconditionFailed, Result

__all__ = ["application_target", "rollback_application", "sync_application"]

Revision = Annotated[str, Field(pattern=r"^[^-\s]\S*$", max_length=200)]


class SyncedResource(Inputs):
    """A resource of an Application."""

    group: Annotated[str, Field(max_length=253)] = ""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    namespace: ApplicationName | None = None
    name: Annotated[str, Field(min_length=1, max_length=253)]


class SyncInputs(ApplicationInputs):
    """The inputs of argocd/sync_application."""

    revision: Annotated[Revision | None, Field(description="Another one than the Application's own.")] = None
    revisions: Annotated[
        list[Revision],
        Field(default_factory=list, max_length=50, description="For several sources, one for each, in their order."),
    ]
    resources: Annotated[
        list[SyncedResource], Field(default_factory=list, max_length=50, description="Only these; by default all.")
    ]
    prune: Annotated[bool, Field(description="Delete what git has no more.")] = False
    max_resources: Annotated[int, Field(ge=1, le=1000, description="At most so many may be out of sync.")] = 50
    retry_limit: Annotated[int, Field(ge=0, le=10, description="How often Argo CD tries a failed sync again.")] = 3


class SyncResult(Result):
    """The operation that was started, and has succeeded."""

    application: Annotated[str, Field(max_length=253)]
    revision: Annotated[str | None, Field(description="Of the first source.")] = None
    resources: Annotated[int, Field(description="How many were out of sync.")]


sync_application = Action(
    "argocd/sync_application",
    permissions=["Argo CD: applications get, sync"],
    risk="medium",
    examples=[{"server": "https://argocd.example.com", "application": "checkout"}],
)


def application_target(inputs: ApplicationInputs) -> ObjectRef:
    """Return the reference to the Application."""
    return ObjectRef(kind="Application", namespace=inputs.application_namespace, name=inputs.application)


@sync_application.plan
def plan_sync(ctx: Context, inputs: SyncInputs) -> Change:
    """Sync an Application: apply what its git revision says, and wait until it is Synced and Healthy.

    The change lists the resources that are out of sync, and the source with its Helm parameters and Kustomize images.
    The operation carries the record's id, so that it succeeds when *that* operation has, and a step that runs again
    finds it. If another operation runs, it is tried again (`retries`). A sync that a sync window forbids, or that would
    change more than `max_resources`, is refused. An Application that is Synced already is left as it is. There is no
    undo: `argocd/rollback_application` and `git/revert_commit` take a deployment back.
    """
    server = ArgoServer(ctx, inputs)
    app = AppView(server.read())
    before = _sync_state(app, inputs, ctx)
    after = {**before, "sync": "Synced", "resources": [], "revisions": _wanted(app, inputs) or list(app.revisions)}
    operation = app.operation()
    if operation is not None and operation.record == str(ctx.record_id):
        return Change(after, after)  # an earlier pod of this step started it; verify waits for its end
    if before["sync"] == "Synced" and before["revisions"] == after["revisions"]:
        return Change(before, before)
    _require_allowed(server, app, inputs, before["resources"])
    require_idle(app, str(ctx.record_id))
    return Change(before, after)


@sync_application.apply
def apply_sync(ctx: Context, inputs: SyncInputs, change: Change) -> SyncResult:
    """Start the sync, with the record's id in its infos."""
    retry = {"limit": inputs.retry_limit, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}}
    request: dict[str, Any] = {
        "prune": inputs.prune,
        "infos": [{"name": RECORD, "value": str(ctx.record_id)}],
        "retryStrategy": retry,
    }
    if inputs.revision:
        request["revision"] = inputs.revision
    if inputs.revisions:
        request |= {"revisions": inputs.revisions, "sourcePositions": list(range(1, len(inputs.revisions) + 1))}
    if inputs.resources:
        request["resources"] = [item.model_dump(exclude_none=True) for item in inputs.resources]
    app = AppView(ArgoServer(ctx, inputs).sync(request))
    operation = app.operation()
    revisions = operation.revisions if operation is not None else ()
    return SyncResult(
        application=app.name, revision=next(iter(revisions), None), resources=len(change.before["resources"])
    )


@sync_application.verify
def verify_sync(ctx: Context, inputs: SyncInputs, change: Change) -> bool | str:
    """Return True if our operation succeeded, and the Application is Synced and Healthy."""
    app = AppView(ArgoServer(ctx, inputs).read())
    operation = app.operation()
    if operation is not None and operation.record == str(ctx.record_id):
        answer = operation_goal(app, operation)
        if answer is not True:
            return answer
    elif operation is not None and operation.running:
        return f"an operation of {operation.by} is in progress"
    return state_goal(app, synced=not inputs.resources)


@sync_application.target
def target_sync(inputs: SyncInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)


class RollbackInputs(ApplicationInputs):
    """The inputs of argocd/rollback_application."""

    history_id: Annotated[int, Field(ge=0, description="The id of a deployment in the Application's history.")]
    prune: Annotated[bool, Field(description="Delete what that deployment did not have.")] = False


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
    first. The Application is OutOfSync afterwards, until git says the same. If what was deployed last is what is asked
    for, nothing is done. Undo rolls back to what was deployed before.
    """
    app = AppView(ArgoServer(ctx, inputs).read())
    entry = next((item for item in app.history if item.get("id") == inputs.history_id), None)
    if entry is None:
        ids = ", ".join(str(item.get("id")) for item in app.history[-20:]) or "none"
        raise NotFound(f"the history of Application {app.name} has no deployment {inputs.history_id}; it has {ids}.")
    before, after = _deployed(app.history[-1]), _deployed(entry)
    if before != after and app.automated is not None:
        raise PreconditionFailed(
            f"automatic sync of Application {app.name} is on, and would deploy the newer revision again; pause it "
            f"first (argocd/pause_autosync).",
            reason="AutoSync",
        )
    if before != after:
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
    if operation is not None and (operation.running or not change.empty):
        answer = operation_goal(app, operation)
        if answer is not True:
            return answer
    if not app.history or _deployed(app.history[-1]) != change.after:
        return f"Application {app.name} has not deployed it yet"
    return state_goal(app, synced=False)


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
    """Return a deployment of the history, without what differs when it is deployed again."""
    revisions = entry.get("revisions") or ([entry["revision"]] if entry.get("revision") else [])
    return {"revisions": list(revisions), "sources": [shown_source(source) for source in sources_of(entry)]}


def _wanted(app: AppView, inputs: SyncInputs) -> list[str]:
    return list(inputs.revisions) or ([inputs.revision] if inputs.revision else [])


def _sync_state(app: AppView, inputs: SyncInputs, ctx: Context) -> dict[str, Any]:
    resources = app.resources(prune=inputs.prune)
    if inputs.resources:
        wanted = {(item.group, item.kind, item.namespace, item.name) for item in inputs.resources}
        resources = [
            item
            for item in resources
            if {(item.get("group", ""), item["kind"], where, item["name"]) for where in (item.get("namespace"), None)}
            & wanted
        ]
    synced = app.sync == "Synced" or (bool(inputs.resources) and not resources)
    return {
        "sync": "Synced" if synced else app.sync,
        "revisions": list(app.revisions),
        "resources": resources,
        "sources": [shown_source(source) for source in app.sources],
    }


def _require_allowed(server: ArgoServer, app: AppView, inputs: SyncInputs, resources: list[dict[str, Any]]) -> None:
    windows = server.sync_windows()
    if not windows.get("canSync"):
        found = windows.get("activeWindows") or windows.get("assignedWindows") or ()
        named = "; ".join(f"{item.get('kind')} {item.get('schedule')} for {item.get('duration')}" for item in found)
        raise PreconditionFailed(
            f"a sync window forbids to sync Application {app.name} now ({named}); wait until it is over, or let its "
            f"owner change it.",
            reason="SyncWindow",
        )
    if len(resources) > inputs.max_resources:
        raise PreconditionFailed(
            f"the sync would change {len(resources)} resources, and max_resources is {inputs.max_resources}; look at "
            f"them, and raise it.",
            reason="TooMany",
        )
    if len(app.sources) > 1 and inputs.revision:
        raise PreconditionFailed(
            f"Application {app.name} has {len(app.sources)} sources; name a revision for each, as revisions."
        )
    if inputs.revisions and len(inputs.revisions) != len(app.sources):
        raise PreconditionFailed(
            f"Application {app.name} has {len(app.sources)} sources, and revisions names {len(inputs.revisions)}."
        )
    wanted = _wanted(app, inputs)
    if wanted and app.automated is not None and tuple(wanted) != app.target_revisions:
        raise PreconditionFailed(
            f"automatic sync of Application {app.name} is on, and would deploy {', '.join(app.target_revisions)} "
            f"again; pause it first (argocd/pause_autosync), or change git.",
            reason="AutoSync",
        )
