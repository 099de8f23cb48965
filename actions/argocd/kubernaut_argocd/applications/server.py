"""Argo CD's API server (2.14 and newer, 3.x): the calls that the actions on Applications make.

Its REST API is generated from gRPC, so that errors come as `{"error", "code", "message"}`, and an Application that does
not exist is answered with 403 unless its project is named.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field

from kubernaut_argocd._address import well_formed
from kubernaut_argocd._credentials import read_authority
from kubernaut_argocd._http import HttpApi, complaint
from kubernaut_argocd.applications.application import AppView
from kubernaut_sdk import Context, Failed, Inputs, ObjectRef, PreconditionFailed, Transient

__all__ = ["ApplicationInputs", "ApplicationName", "ArgoServer", "Revision", "application_target", "require_window"]

_IN_PROGRESS = "another operation is already in progress"
_FAILED_PRECONDITION, _INVALID = 9, 3
_PATIENCE, _COMPARISON = 20.0, 120.0
"""The most seconds of silence from the server, as a rule and while it compares with git, for which it may have to make
large charts anew."""
_RIGHTS = (
    "the rights applications get and sync, for this Application and project (Argo CD answers so, too, if there is no "
    "such Application)"
)

Revision = Annotated[str, Field(pattern=r"^[^-\s]\S*$", max_length=200)]
ApplicationName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class ApplicationInputs(Inputs):
    """The inputs that name an Application of an Argo CD."""

    server: Annotated[
        str,
        Field(
            pattern=r"^https?://[^\s@?#]+$",
            max_length=2048,
            description="The address of Argo CD's API server, such as https://argocd.example.com.",
        ),
        AfterValidator(well_formed),
    ]
    application: Annotated[ApplicationName, Field(description="The Application's name.")]
    application_namespace: Annotated[
        ApplicationName | None, Field(description="If it is not in Argo CD's own namespace.")
    ] = None
    project: Annotated[ApplicationName | None, Field(description="If the Application must be of this project.")] = None


def application_target(inputs: ApplicationInputs) -> ObjectRef:
    """Return the reference to the Application."""
    return ObjectRef(kind="Application", namespace=inputs.application_namespace, name=inputs.application)


class ArgoServer:
    """An Application, as its API server tells of it.

    Args:
        ctx: The context; its Secret holds the token, as `token`, and perhaps the certificate authority, as `ca.crt`.
        inputs: The server and the Application.
    """

    def __init__(self, ctx: Context, inputs: ApplicationInputs) -> None:
        self._inputs = inputs
        self.api = HttpApi(
            ctx,
            f"Argo CD at {inputs.server.partition('://')[2].rstrip('/')}",
            f"{inputs.server.rstrip('/')}/api/v1",
            {"authorization": f"Bearer {ctx.secret('token')}"},
            _RIGHTS,
            read_authority(ctx),
        )
        self._path = f"/applications/{quote(inputs.application)}"
        self._where = {"appNamespace": inputs.application_namespace, "project": inputs.project}
        self._named = {"name": inputs.application} | {key: value for key, value in self._where.items() if value}

    def read(self, refresh: str | None = None) -> dict[str, Any]:
        """Return the Application; with `refresh`, `normal` or `hard`, after Argo CD has compared it anew."""
        return self._call("GET", "", query={"refresh": refresh}, patience=_PATIENCE if refresh is None else _COMPARISON)

    def sync_windows(self) -> dict[str, Any]:
        """Return the sync windows that concern the Application now, and if it may be synced."""
        return self._call("GET", "/syncwindows")

    def manifests(self, revisions: Sequence[str]) -> list[dict[str, Any]]:
        """Return the objects that git says at revisions, one for each source; the values of Secrets are hidden."""
        if len(revisions) == 1:
            query: dict[str, Any] = {"revision": revisions[0]}
        else:
            query = {"revisions": list(revisions), "sourcePositions": list(range(1, len(revisions) + 1))}
        found = self._call("GET", "/manifests", query=query).get("manifests") or ()
        return [document for document in map(json.loads, found) if isinstance(document, dict)]

    def sync(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a sync and return the Application with the operation."""
        return self._call("POST", "/sync", {**self._named, **request})

    def roll_back(self, history_id: int, *, prune: bool) -> dict[str, Any]:
        """Start a rollback to an entry of the history."""
        return self._call("POST", "/rollback", {**self._named, "id": history_id, "prune": prune})

    def terminate(self) -> None:
        """Ask the controller to end the running operation; it ends later."""
        self._call("DELETE", "/operation")

    def resource(self, place: dict[str, str]) -> dict[str, Any]:
        """Return a live resource of the Application: `manifest` is its JSON, as text."""
        return self._call("GET", "/resource", query=place)

    def resource_actions(self, place: dict[str, str]) -> list[dict[str, Any]]:
        """Return the actions that a resource offers now."""
        return self._call("GET", "/resource/actions", query=place).get("actions") or []

    def run_resource_action(self, place: dict[str, str], action: str) -> None:
        """Run an action of a resource."""
        reply = self.api.call(
            "POST", f"{self._path}/resource/actions/v2", {**self._named, **place, "action": action}, expected=(404,)
        )
        if reply.status == 404:  # before 3.1; the action's name is the body
            query = {**self._where, **place}
            self.api.call("POST", f"{self._path}/resource/actions", action, query=query)

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        patience: float = _PATIENCE,
    ) -> dict[str, Any]:
        query = None if body is not None else {**self._where, **(query or {})}
        path = f"{self._path}{path}"
        reply = self.api.call(method, path, body, query=query, expected=(400, 409, 412), patience=patience)
        if reply.status < 300:
            return dict(reply.document or {})
        said = complaint(reply.document)
        if _IN_PROGRESS in said:
            raise Transient(
                f"another operation of Application {self._inputs.application} is in progress; it is tried again.",
                reason="OperationInProgress",
            )
        code = reply.document.get("code") if isinstance(reply.document, dict) else None
        kind = PreconditionFailed if code in {_FAILED_PRECONDITION, _INVALID} else Failed
        raise kind(f"{self.api.name} refuses it: {said}.", reason="Refused")


def require_window(server: ArgoServer, app: AppView) -> None:
    """Raise PreconditionFailed if a sync window forbids to sync an Application now."""
    windows = server.sync_windows()
    if not windows.get("canSync"):
        found = windows.get("activeWindows") or windows.get("assignedWindows") or ()
        named = "; ".join(f"{item.get('kind')} {item.get('schedule')} for {item.get('duration')}" for item in found)
        raise PreconditionFailed(
            f"a sync window forbids to sync Application {app.name} now ({named}); wait until it is over, or let its "
            f"owner change it.",
            reason="SyncWindow",
        )
