"""Views of an Application: its sync and health, its operation, its automatic sync. It decides, and reads nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernaut_sdk import PreconditionFailed, Transient

__all__ = [
    "RECORD",
    "AppView",
    "Operation",
    "require_idle",
    "require_lasting",
    "shown_source",
    "shows_all",
    "sources_of",
]

RECORD = "kubernaut.io/record"
"""The name of the operation's info that holds the id of the step's record."""
_MOST_SHOWN = 30
_PLACE = ("repoURL", "path", "chart", "targetRevision", "ref")
"""The fields that say where a source is."""


@dataclass(frozen=True)
class Operation:
    """An operation that is queued, runs, or was the last one.

    Attributes:
        phase: `Pending` until the controller takes it; then Argo CD's: Running, Terminating, Succeeded, Failed, Error.
        message: What Argo CD says.
        started_at: The time of its start; empty while it is queued.
        record: The record's id in its infos; empty if it is not of a step.
        by: Who started it.
        revisions: The revisions that it syncs, or synced.
        waits: True while it waits to be tried again.
        failed: The resources that could not be synced, each with the reason.
        sync: The request, as the API gives it: revisions and sources.
    """

    phase: str
    message: str
    started_at: str
    record: str
    by: str
    revisions: tuple[str, ...]
    waits: bool
    failed: tuple[str, ...]
    sync: dict[str, Any]

    @property
    def running(self) -> bool:
        """True if it has not ended."""
        return self.phase in {"Pending", "Running", "Terminating"}

    def age(self, now: datetime) -> float:
        """Return the seconds since its start; 0 while it is queued."""
        return (now - datetime.fromisoformat(self.started_at)).total_seconds() if self.started_at else 0.0


@dataclass(frozen=True)
class AppView:
    """An Application as the API gives it."""

    document: dict[str, Any]

    @property
    def name(self) -> str:
        """The Application's name."""
        return str(self.document["metadata"]["name"])

    @property
    def _status(self) -> dict[str, Any]:
        return self.document.get("status") or {}

    @property
    def _sync(self) -> dict[str, Any]:
        return self._status.get("sync") or {}

    @property
    def sync(self) -> str:
        """Synced, OutOfSync or Unknown."""
        return str(self._sync.get("status") or "Unknown")

    @property
    def health(self) -> str:
        """Healthy, Progressing, Degraded, Suspended, Missing or Unknown."""
        return str((self._status.get("health") or {}).get("status") or "Unknown")

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions that the live state was compared with, one a source."""
        return _revisions(self._sync)

    @property
    def reconciled_at(self) -> str:
        """The time of the last comparison; empty if there was none."""
        return str(self._status.get("reconciledAt") or "")

    @property
    def history(self) -> list[dict[str, Any]]:
        """The deployments, the oldest first."""
        return list(self._status.get("history") or ())

    @property
    def sources(self) -> list[dict[str, Any]]:
        """The sources, one or several."""
        return sources_of(self.document["spec"])

    @property
    def destination_namespace(self) -> str:
        """The namespace for resources that name none; empty if there is none."""
        return str((self.document["spec"].get("destination") or {}).get("namespace") or "")

    @property
    def target_revisions(self) -> tuple[str, ...]:
        """The revision that each source asks for."""
        return tuple(str(source.get("targetRevision") or "HEAD") for source in self.sources)

    @property
    def deployed_revisions(self) -> tuple[str, ...]:
        """The revisions of the last deployment, one a source; empty if there was none."""
        return _revisions(self.history[-1]) if self.history else ()

    @property
    def automated(self) -> dict[str, Any] | None:
        """The policy of the automatic sync, if it is on."""
        policy = (self.document["spec"].get("syncPolicy") or {}).get("automated")
        return policy if isinstance(policy, dict) and policy.get("enabled") is not False else None

    @property
    def being_refreshed(self) -> bool:
        """True while a comparison is asked for and not done."""
        return "argocd.argoproj.io/refresh" in (self.document["metadata"].get("annotations") or {})

    @property
    def problems(self) -> str:
        """The messages of its error conditions, as one sentence."""
        return self._conditions("Error")

    @property
    def comparison_problems(self) -> str:
        """The messages of the conditions under which Argo CD does not sync, as one sentence."""
        return self._conditions("ComparisonError", "InvalidSpecError")

    def _conditions(self, *kinds: str) -> str:
        found = [
            f"{item['type']}: {' '.join(str(item.get('message', '')).split())[:300]}"
            for item in self._status.get("conditions") or ()
            if str(item.get("type", "")).endswith(kinds)
        ]
        return "; ".join(found)

    @property
    def all_resources(self) -> list[dict[str, Any]]:
        """The resources that it has, or would have, with all that the API says of each."""
        return list(self._status.get("resources") or ())

    @property
    def to_be_pruned(self) -> list[dict[str, Any]]:
        """The resources that git has no more, which only a sync with `prune` deletes."""
        return [item for item in self.resources() if item["change"] == "delete"]

    def is_synced(self, *, prune: bool = True) -> bool:
        """Return True if it is Synced; without `prune`, also if only what would be deleted is out of sync."""
        only_kept = self.sync == "OutOfSync" and bool(self.to_be_pruned) and not self.resources(prune=False)
        return self.sync == "Synced" or (only_kept and not prune)

    def resources(self, *, prune: bool = True) -> list[dict[str, Any]]:
        """Return the resources that a sync would change: those out of sync, and with `prune` those to be deleted."""
        return [
            {key: item[key] for key in ("group", "kind", "namespace", "name") if item.get(key)}
            | {"change": "delete" if item.get("requiresPruning") else "apply"}
            for item in self._status.get("resources") or ()
            if item.get("status") == "OutOfSync" and (prune or not item.get("requiresPruning"))
        ]

    def unhealthy(self) -> str:
        """Return the resources whose health is not Healthy, each with the reason."""
        found = [
            f"{item.get('kind')} {item.get('name')} is {health.get('status')}"
            + (f" ({health['message']})" if health.get("message") else "")
            for item in self._status.get("resources") or ()
            if (health := item.get("health") or {}).get("status") not in {None, "Healthy", "Suspended"}
        ]
        return "; ".join(found[:5])

    def operation(self) -> Operation | None:
        """Return the operation that is queued or running, or the last one."""
        state = self._status.get("operationState")
        queued = self.document.get("operation")
        # one that waits to be tried again has a time of its end, too, and the phase Running
        if queued and (not state or (state.get("finishedAt") and state.get("phase") != "Running")):
            return _operation(queued, {"phase": "Pending", "startedAt": ""})
        return _operation(state.get("operation") or {}, state) if state else None


def require_idle(app: AppView, record: str) -> None:
    """Raise Transient if an operation runs that is not of this record.

    Raises:
        Transient: with who started the operation, and when.
    """
    operation = app.operation()
    if operation is not None and operation.running and operation.record != record:
        raise Transient(
            f"another operation of Application {app.name} is in progress: {operation.phase} since "
            f"{operation.started_at or 'now'}, started by {operation.by}; it is tried again.",
            reason="OperationInProgress",
        )


def require_lasting(app: AppView) -> None:
    """Raise PreconditionFailed if an Application is being deleted: Argo CD starts no operation then."""
    if app.document["metadata"].get("deletionTimestamp"):
        raise PreconditionFailed(f"Application {app.name} is being deleted.", reason="BeingDeleted")


def sources_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an Application's sources, or those of an entry of its history."""
    return list(spec.get("sources") or ()) or ([spec["source"]] if spec.get("source") else [])


def shown_source(source: dict[str, Any]) -> dict[str, Any]:
    """Return a source as a change shows it: where it is, with Helm's parameters and Kustomize's images.

    Values files and inline values are left out: they may be long, and hold secrets.
    """
    shown = {key: source[key] for key in _PLACE if source.get(key)}
    helm, kustomize = source.get("helm") or {}, source.get("kustomize") or {}
    if parameters := helm.get("parameters"):
        shown["helm"] = {str(item.get("name")): item.get("value") for item in parameters[:_MOST_SHOWN]}
    if images := kustomize.get("images"):
        shown["images"] = list(images[:_MOST_SHOWN])
    return shown


def shows_all(source: dict[str, Any]) -> bool:
    """Return True if `shown_source` leaves nothing out."""
    helm, kustomize = source.get("helm") or {}, source.get("kustomize") or {}
    parameters, images = helm.get("parameters") or [], kustomize.get("images") or []
    return (
        set(source) <= {*_PLACE, "helm", "kustomize"}
        and set(helm) <= {"parameters"}
        and set(kustomize) <= {"images"}
        and all(set(item) <= {"name", "value"} for item in parameters)
        and max(len(parameters), len(images)) <= _MOST_SHOWN
        and len({item.get("name") for item in parameters}) == len(parameters)
    )


def _operation(operation: dict[str, Any], state: dict[str, Any]) -> Operation:
    infos = {str(info.get("name")): str(info.get("value")) for info in operation.get("info") or ()}
    started = operation.get("initiatedBy") or {}
    result = state.get("syncResult") or {}
    phase = str(state.get("phase") or "Pending")
    failed = [
        f"{item.get('kind')} {item.get('name')}: {' '.join(str(item.get('message', '')).split())[:200]}"
        for item in result.get("resources") or ()
        if item.get("status") == "SyncFailed" or item.get("hookPhase") in {"Failed", "Error"}
    ]
    return Operation(
        phase=phase,
        message=" ".join(str(state.get("message") or "").split())[:500],
        started_at=str(state.get("startedAt") or ""),
        record=infos.get(RECORD, ""),
        by="automatic sync" if started.get("automated") else str(started.get("username") or "somebody"),
        revisions=_revisions(result) or _revisions(operation.get("sync") or {}),
        # the controller leaves the phase Running, and the time of the try's end, while it waits to try again
        waits=phase == "Running" and bool(state.get("finishedAt")),
        failed=tuple(failed[:5]),
        sync=operation.get("sync") or {},
    )


def _revisions(part: dict[str, Any]) -> tuple[str, ...]:
    several = part.get("revisions")
    return tuple(map(str, several)) if several else ((str(part["revision"]),) if part.get("revision") else ())
