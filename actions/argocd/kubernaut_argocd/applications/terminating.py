"""The action argocd/terminate_operation."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd.applications.application import AppView, Operation
from kubernaut_argocd.applications.server import ApplicationInputs, ArgoServer, application_target
from kubernaut_sdk import Action, Change, Context, Failed, ObjectRef, PreconditionFailed, Result, Transient
from kubernaut_sdk.times import utcnow

__all__ = ["terminate_operation"]

_REQUESTS = 3
_LOOKS, _PAUSE = 8, 0.5
"""The number of looks at the operation after a request to end it, and the seconds before each."""


class TerminateInputs(ApplicationInputs):
    """The inputs of argocd/terminate_operation."""

    min_age: Annotated[int, Field(ge=0, le=86400, description="Seconds; a younger operation is left alone.")] = 300


class TerminateResult(Result):
    """The operation that was ended."""

    application: Annotated[str, Field(max_length=253)]
    started_at: Annotated[str, Field(max_length=64)]


terminate_operation = Action(
    "argocd/terminate_operation",
    permissions=["Argo CD: applications get, sync"],
    risk="medium",
    examples=[{"server": "https://argocd.example.com", "application": "checkout", "min_age": 600}],
)


@terminate_operation.plan
def plan_terminate(ctx: Context, inputs: TerminateInputs) -> Change:
    """End an operation of an Application that hangs, such as a sync whose hook never ends.

    Only an operation that is older than `min_age` is ended, and only the one that was looked at. Resources that it has
    applied stay as they are. If none runs, nothing is done.
    """
    operation = AppView(ArgoServer(ctx, inputs).read()).operation()
    if operation is None or not operation.running:
        return Change({"operation": None}, {"operation": None})
    age = operation.age(utcnow())
    if age < inputs.min_age:
        raise PreconditionFailed(
            f"the operation of Application {inputs.application}, started by {operation.by}, is {age:.0f} s old, and "
            f"min_age is {inputs.min_age} s; let it run.",
            reason="TooYoung",
        )
    shown: dict[str, Any] = {"started_at": operation.started_at, "by": operation.by, "message": operation.message}
    return Change({"operation": shown}, {"operation": None})


@terminate_operation.apply
def apply_terminate(ctx: Context, inputs: TerminateInputs, change: Change) -> TerminateResult:
    """End the operation, if it is still the one that was looked at; Argo CD has no call that compares.

    A try that fails in that very moment overwrites the request, and the operation waits for its next try (Argo CD 2.14
    and 3.5: `processRequestedAppOperation`). So it is looked at for some seconds, and asked again.
    """
    server = ArgoServer(ctx, inputs)
    started = change.before["operation"]["started_at"]
    if _read(server, started) is None:
        raise Transient("the operation ended, or another one began; it is planned anew.", reason="Conflict")
    for request in range(_REQUESTS):
        if request:
            ctx.log.warning("Argo CD went on with the operation all the same; it is asked again")
        try:
            server.terminate()
        except (Failed, PreconditionFailed):
            if _read(server, started) is not None:
                raise
            break  # it has ended by itself just now
        if not _goes_on(ctx, server, started):
            break
    return TerminateResult(application=inputs.application, started_at=started)


@terminate_operation.verify(within=timedelta(minutes=2))
def verify_terminate(ctx: Context, inputs: TerminateInputs, change: Change) -> bool | str:
    """Return True if that operation has ended."""
    if change.empty:
        return True
    ended = _read(ArgoServer(ctx, inputs), change.before["operation"]["started_at"]) is None
    return ended or "the operation has not ended yet"


@terminate_operation.target
def target_terminate(inputs: TerminateInputs) -> ObjectRef:
    """Return the Application."""
    return application_target(inputs)


def _read(server: ArgoServer, started: str) -> Operation | None:
    """Return the operation that began at that time, if it has not ended."""
    operation = AppView(server.read()).operation()
    return operation if operation is not None and operation.running and operation.started_at == started else None


def _goes_on(ctx: Context, server: ArgoServer, started: str) -> bool:
    """Return True as soon as the operation is seen to run on after the request to end it."""
    for _ in range(_LOOKS):
        ctx.sleep(_PAUSE)
        operation = _read(server, started)
        if operation is None or operation.phase != "Terminating":
            return operation is not None
    return False
