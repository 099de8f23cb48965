"""The goals of actions on an Application: an operation that ended well, an Application that is Synced and Healthy."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from kubernaut_argocd.applications.application import AppView, Operation
from kubernaut_sdk import VerifyFailed

__all__ = ["AcceptSuspended", "operation_goal", "same_revision", "state_goal"]

AcceptSuspended = Annotated[
    bool,
    Field(
        description="Take Suspended for Healthy, too: a Rollout that waits for its promotion, a paused Deployment, a "
        "suspended CronJob."
    ),
]


def operation_goal(app: AppView, operation: Operation) -> bool | str:
    """Return True if an operation succeeded, otherwise what it does.

    Raises:
        VerifyFailed: if it failed for good.
    """
    if operation.waits:
        return f"the operation waits to be tried again: {operation.message}"
    if operation.running:
        return f"the operation is {operation.phase}: {operation.message or 'Argo CD says no more'}"
    if operation.phase == "Succeeded":
        return True
    details = "; ".join(operation.failed)
    raise VerifyFailed(
        f"the operation of Application {app.name} ended as {operation.phase}: {operation.message}"
        f"{f' ({details})' if details else ''}",
        reason="OperationFailed",
    )


def state_goal(
    app: AppView,
    *,
    synced: bool = True,
    prune: bool = True,
    revisions: Sequence[str] = (),
    accept_suspended: bool = False,
) -> bool | str:
    """Return True if an Application is Healthy and, if asked for, Synced at revisions; otherwise what is missing.

    Args:
        app: The Application.
        synced: True if it must be Synced.
        prune: False if what git has no more may be left.
        revisions: The revisions that it must be at, the first of them for the first source.
        accept_suspended: True if Suspended is Healthy enough.
    """
    if synced and not app.is_synced(prune=prune):
        left = [f"{item['kind']} {item['name']}" for item in app.resources(prune=prune)][:5]
        tail = f": {', '.join(left)}" if left else ""
        return f"Application {app.name} is {app.sync}{tail}{f'; {app.problems}' if app.problems else ''}"
    if revisions and not all(map(same_revision, revisions, app.revisions)):
        return f"Application {app.name} is at {', '.join(app.revisions) or 'no revision'}, not {', '.join(revisions)}"
    if app.health not in ({"Healthy", "Suspended"} if accept_suspended else {"Healthy"}):
        details = app.unhealthy() or app.problems
        return f"Application {app.name} is {app.health}{f': {details}' if details else ''}"
    return True


def same_revision(wanted: str, there: str) -> bool:
    """Return True if a revision is the wanted one; a commit may be shortened to 7 characters and more."""
    return wanted == there or (len(wanted) >= 7 and there.startswith(wanted))
