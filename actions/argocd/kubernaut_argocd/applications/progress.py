"""The progress of a workload after one of Argo CD's actions, from its live manifest. It decides, and reads nothing."""

from typing import Any

from kubernaut_sdk import VerifyFailed

__all__ = ["generation_of", "progress_of", "step_of"]

Manifest = dict[str, Any]


def generation_of(manifest: Manifest) -> int:
    """Return the generation of an object; 0 if it has none."""
    return _number((manifest.get("metadata") or {}).get("generation")) or 0


def step_of(manifest: Manifest) -> int | None:
    """Return the index of a Rollout's current canary step, or None if it has no steps."""
    return _number((manifest.get("status") or {}).get("currentStepIndex"))


def progress_of(manifest: Manifest, action: str, before: Manifest) -> bool | str:
    """Return True if an action has reached what it is for, otherwise what is missing.

    A restart: every pod is a new one, and ready. `promote-full`: the new version is the only one, and Healthy.
    `resume`: so too, or the Rollout is paused again, at a later step.

    Args:
        manifest: The live object.
        action: restart, resume or promote-full.
        before: The generation and step before the action.

    Raises:
        VerifyFailed: if the rollout was given up or aborted.
    """
    status = manifest.get("status") or {}
    observed = _number(status.get("observedGeneration"))
    if action == "restart" and generation_of(manifest) <= before["generation"]:
        return "it has not the new generation yet"
    if observed is not None and observed < generation_of(manifest):
        return f"its controller has not seen the {action} yet"
    _require_going_on(manifest)
    if manifest.get("kind") != "Rollout":
        return _outstanding(manifest) or True
    if action == "restart":
        return _restarted(manifest)
    step, earlier = step_of(manifest), before.get("step")
    later = step is not None and earlier is not None and step > earlier
    goes_on = action == "resume" and later and status.get("phase") == "Paused"
    return goes_on or _fully_promoted(status) or _shown(status)


def _require_going_on(manifest: Manifest) -> None:
    status = manifest.get("status") or {}
    name = f"{manifest.get('kind')} {(manifest.get('metadata') or {}).get('name')}"
    if status.get("abort"):
        raise VerifyFailed(f"{name} was aborted: {status.get('message') or 'it says no more'}.", reason="Aborted")
    for condition in status.get("conditions") or ():
        if (condition.get("type"), condition.get("reason")) == ("Progressing", "ProgressDeadlineExceeded"):
            raise VerifyFailed(
                f"{name} was given up by its controller: {condition.get('message') or 'its progress deadline is over'}",
                reason="GivenUp",
            )


def _restarted(manifest: Manifest) -> bool | str:
    status, spec = manifest.get("status") or {}, manifest.get("spec") or {}
    if status.get("restartedAt") != spec.get("restartAt"):
        return "not all of its pods are new ones yet"
    wanted, there = _number(spec.get("replicas", 1)) or 0, _number(status.get("availableReplicas")) or 0
    if there < wanted:
        return f"availableReplicas is {there} of {wanted}"
    return status.get("phase") in {"Healthy", "Paused"} or _shown(status)


def _fully_promoted(status: dict[str, Any]) -> bool:
    same = bool(status.get("stableRS")) and status.get("stableRS") == status.get("currentPodHash")
    return same and status.get("phase") == "Healthy"


def _shown(status: dict[str, Any]) -> str:
    message = f" ({status['message']})" if status.get("message") else ""
    return f"it is {status.get('phase') or 'without a phase'}{message}"


def _outstanding(manifest: Manifest) -> str:
    """Return what the rollout of a Deployment, StatefulSet or DaemonSet still lacks; empty if nothing."""
    status = manifest.get("status") or {}
    if "desiredNumberScheduled" in status:
        wanted, names = status["desiredNumberScheduled"], ["updatedNumberScheduled", "numberAvailable"]
    else:
        wanted = (manifest.get("spec") or {}).get("replicas", 1)
        names = ["updatedReplicas", "readyReplicas", "replicas"]
    there = {name: int(status.get(name) or 0) for name in names}
    return ", ".join(f"{name} is {count} of {wanted}" for name, count in there.items() if count != wanted)


def _number(value: Any) -> int | None:
    """Return a whole number, which a Rollout also writes as text (or, before 1.0, as a hash: None)."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdigit() else None
