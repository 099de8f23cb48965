"""The action argocd/sync_application."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd.applications.application import RECORD, AppView, require_idle, require_lasting, shown_source
from kubernaut_argocd.applications.differences import changed_by
from kubernaut_argocd.applications.goals import AcceptSuspended, operation_goal, same_revision, state_goal
from kubernaut_argocd.applications.server import (
    ApplicationInputs,
    ApplicationName,
    ArgoServer,
    Revision,
    application_target,
    require_window,
)
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, ObjectRef, PreconditionFailed, Result

__all__ = ["sync_application"]


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
    accept_suspended: AcceptSuspended = False


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


@sync_application.plan
def plan_sync(ctx: Context, inputs: SyncInputs) -> Change:
    """Sync an Application: apply what its git revision says, and wait until it is Synced and Healthy.

    What is out of sync is known from Argo CD's last comparison with git, which may be three minutes old: after a commit
    of a moment ago, `argocd/refresh_application` before this one lets it look again. The change lists the resources
    that are out of sync, and the source with its Helm parameters and Kustomize images; with another `revision`, also
    the resources whose manifests differ there. The operation carries the record's id, so that it succeeds when *that*
    operation has, and a step that runs again finds it. If another operation runs, it is tried again (`retries`).
    Refused are a sync that a sync window forbids, one that would change more than `max_resources`, one of `resources`
    that the Application does not have, and one that cannot be compared. An Application that is Synced already is left
    as it is. What git has no more stays without `prune`, and is listed as `kept`. With another `revision` the
    Application is OutOfSync afterwards, until git says the same. There is no undo: `argocd/rollback_application` and
    `git/revert_commit` take a deployment back.
    """
    server = ArgoServer(ctx, inputs)
    app = AppView(server.read())
    _require_one_each(app, inputs)
    wanted = _wanted(app, inputs)
    before = _sync_state(app, inputs)
    goal = {"sync": "OutOfSync" if wanted else "Synced", "revisions": wanted or list(app.revisions), "resources": []}
    after = {**before, **goal}
    operation = app.operation()
    if operation is not None and operation.record == str(ctx.record_id):
        return Change(after, after)  # an earlier pod of this step started it; verify waits for its end
    require_lasting(app)
    if wanted:
        before["resources"] = changed_by(server, app, wanted, prune=inputs.prune)
    else:
        _require_comparable(app)
        _require_present(app, inputs)
        if before["sync"] == "Synced":
            return Change(before, before)
    require_window(server, app)
    _require_allowed(app, inputs, before["resources"])
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
    elsewhere = change.after["sync"] != "Synced"  # at another revision than the Application's own
    operation = app.operation()
    if operation is not None and operation.record == str(ctx.record_id):
        answer = operation_goal(app, operation)
        if answer is not True:
            return answer
    elif operation is not None and operation.running:
        return f"an operation of {operation.by} is in progress"
    elif elsewhere and app.deployed_revisions != tuple(change.after["revisions"]):
        return f"Application {app.name} has deployed {', '.join(app.deployed_revisions) or 'nothing'}, by another sync"
    if not elsewhere and inputs.resources and (left := _sync_state(app, inputs)["resources"]):
        return f"{', '.join(item['kind'] + ' ' + item['name'] for item in left[:5])} is not in sync yet"
    synced = not inputs.resources and not elsewhere
    return state_goal(app, synced=synced, prune=inputs.prune, accept_suspended=inputs.accept_suspended)


@sync_application.target
def target_sync(inputs: SyncInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)


def _wanted(app: AppView, inputs: SyncInputs) -> list[str]:
    """Return the revisions to sync to, if they are others than the Application's own."""
    wanted, compared = _given(inputs), [*app.revisions, *([""] * len(app.sources))]
    own = all(
        name == target or same_revision(name, there)
        for name, target, there in zip(wanted, app.target_revisions, compared, strict=False)
    )
    return [] if own else wanted


def _given(inputs: SyncInputs) -> list[str]:
    return list(inputs.revisions) or ([inputs.revision] if inputs.revision else [])


def _sync_state(app: AppView, inputs: SyncInputs) -> dict[str, Any]:
    resources = [item for item in app.resources(prune=inputs.prune) if _selected(item, inputs)]
    kept = [] if inputs.prune else [item for item in app.to_be_pruned if _selected(item, inputs)]
    synced = app.is_synced(prune=inputs.prune) or (bool(inputs.resources) and not resources)
    return {
        "sync": "Synced" if synced else app.sync,
        "revisions": list(app.revisions),
        "resources": resources,
        "sources": [shown_source(source) for source in app.sources],
    } | ({"kept": kept} if kept else {})


def _selected(item: dict[str, Any], inputs: SyncInputs) -> bool:
    return not inputs.resources or any(_names(wanted, item) for wanted in inputs.resources)


def _names(wanted: SyncedResource, item: dict[str, Any]) -> bool:
    return (
        (wanted.group, wanted.kind, wanted.name) == (item.get("group") or "", item["kind"], item["name"])
    ) and wanted.namespace in {None, item.get("namespace")}


def _require_comparable(app: AppView) -> None:
    if problems := app.comparison_problems:
        raise PreconditionFailed(
            f"Argo CD cannot compare Application {app.name} with git, so it cannot be synced: {problems}.",
            reason="ComparisonFailed",
        )


def _require_present(app: AppView, inputs: SyncInputs) -> None:
    for wanted in inputs.resources:
        if not any(_names(wanted, item) for item in app.all_resources):
            alike = [item for item in app.all_resources if item["name"] == wanted.name] or app.all_resources
            there = ", ".join(
                f"{item['kind']} {item['name']}" + (f" of group {item['group']}" if item.get("group") else "")
                for item in alike[:10]
            )
            place = f"group {wanted.group or '(core)'}" + (f" in {wanted.namespace}" if wanted.namespace else "")
            raise NotFound(
                f"Application {app.name} has no resource {wanted.kind} {wanted.name} of {place}; it has "
                f"{there or 'none'}.",
                reason="NoSuchResource",
            )


def _require_one_each(app: AppView, inputs: SyncInputs) -> None:
    if len(app.sources) > 1 and inputs.revision:
        raise PreconditionFailed(
            f"Application {app.name} has {len(app.sources)} sources; name a revision for each, as revisions."
        )
    if inputs.revisions and len(inputs.revisions) != len(app.sources):
        raise PreconditionFailed(
            f"Application {app.name} has {len(app.sources)} sources, and revisions names {len(inputs.revisions)}."
        )


def _require_allowed(app: AppView, inputs: SyncInputs, resources: list[dict[str, Any]]) -> None:
    if len(resources) > inputs.max_resources:
        raise PreconditionFailed(
            f"the sync would change {len(resources)} resources, and max_resources is {inputs.max_resources}; look at "
            f"them, and raise it.",
            reason="TooMany",
        )
    given = _given(inputs)
    if given and app.automated is not None and tuple(given) != app.target_revisions:
        raise PreconditionFailed(
            f"automatic sync of Application {app.name} is on, and would deploy {', '.join(app.target_revisions)} "
            f"again; pause it first (argocd/pause_autosync), or change git.",
            reason="AutoSync",
        )
