"""The progress of a Deployment's rollout: complete, not yet and why, or never and why."""

import re
from typing import Any

from kubernaut_kubectl._kubectl import list_all
from kubernaut_kubectl._tracker import given_up_at, tracker_of
from kubernaut_sdk import Context, Failed, PreconditionFailed, Transient, VerifyFailed

__all__ = ["REVISION", "check_rollout", "owned_by", "rollout_shortfall"]

REVISION = "deployment.kubernetes.io/revision"

_NEVER = {"InvalidImageName", "ErrImageNeverPull"}
_PULLS = {"ErrImagePull", "ImagePullBackOff"}
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|does not exist|pull access denied|unauthorized|authorization failed", re.IGNORECASE
)


def check_rollout(ctx: Context, found: dict[str, Any]) -> bool | str:
    """Return True once a Deployment is rolled out and has stayed so for a while, until then what is missing and why.

    Raises:
        VerifyFailed: if it never will be: the progress deadline passed since our change, or an image does not exist.
    """
    tracker = tracker_of(ctx)
    tracker.remember_first_read(found)
    shortfall = rollout_shortfall(found)
    if shortfall is None:
        return tracker.check_settled(ctx, at_once=found["spec"]["replicas"] == 0)
    tracker.reset(shortfall)
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
        return shortfall
    reasons, never = _reasons(ctx, found)
    message = " ".join([shortfall, *reasons])
    tracker.reset(message)
    name = found["metadata"]["name"]
    # a rollout that is rolled back has often failed before: only a newer condition is about this change
    if (when := given_up_at(found)) is not None and when != tracker.given_up:
        raise VerifyFailed(f"the rollout of {name} was given up: {_message(found, 'Progressing')} {message}")
    if never:
        raise VerifyFailed(f"the rollout of {name} will not come to an end: {message}")
    return message


def rollout_shortfall(found: dict[str, Any]) -> str | None:
    """Return what a Deployment's rollout still lacks, or None if it is complete.

    This is stricter than `kubectl rollout status`: the controller has seen the newest spec, there are exactly as many
    replicas as wanted, and all are of the newest template and available.
    """
    status = found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return "the Deployment controller has not seen the change yet."
    wanted, total, updated = found["spec"]["replicas"], status.get("replicas", 0), status.get("updatedReplicas", 0)
    if not found["spec"].get("paused", False) and (updated < wanted or total > updated):
        return f"{updated} of {wanted} replicas are of the newest template, {total - updated} of an older one."
    if total != wanted:
        return f"there are {total} replicas, {wanted} are wanted."
    if (available := status.get("availableReplicas", 0)) < wanted:
        return f"{available} of {wanted} replicas are available."
    return None


def owned_by(found: dict[str, Any], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items whose owner is the given object."""
    return [
        item
        for item in items
        if any(owner["uid"] == found["metadata"].get("uid") for owner in item["metadata"].get("ownerReferences", ()))
    ]


def _reasons(ctx: Context, found: dict[str, Any]) -> tuple[list[str], bool]:
    """Return why a rollout is incomplete, and True if it never completes; no reasons if pods may not be read."""
    reasons = [text] if (text := _message(found, "ReplicaFailure")) else []
    try:
        pods = _newest_pods(ctx, found)
    except (Failed, PreconditionFailed, Transient) as error:
        ctx.log.warning("the pods of %s cannot be read: %s", found["metadata"]["name"], error.message)
        return reasons, False
    waits = [(pod["metadata"]["name"], *wait) for pod in pods if (wait := _waiting_reason(pod)) is not None]
    never = [wait for wait in waits if wait[2]]
    texts = dict.fromkeys(text for _, text, _ in never or waits)
    for text in list(texts)[:2]:
        names = [name for name, other, _ in waits if other == text]
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        reasons.append(f"pod {names[0]}{others}: {text}")
    return reasons, bool(never)


def _newest_pods(ctx: Context, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pods of a Deployment's newest template, without those that are being deleted."""
    namespace, revision = found["metadata"]["namespace"], found["metadata"].get("annotations", {}).get(REVISION)
    sets = owned_by(found, list_all(ctx, "replicaset.apps", namespace))
    newest = [item for item in sets if item["metadata"].get("annotations", {}).get(REVISION) == revision]
    if not newest:
        return []
    template_hash = newest[0]["metadata"].get("labels", {}).get("pod-template-hash", "")
    pods = owned_by(newest[0], list_all(ctx, "pod", namespace, selector=f"pod-template-hash={template_hash}"))
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def _waiting_reason(pod: dict[str, Any]) -> tuple[str, bool] | None:
    """Return why a pod is not ready, and True if it never will be; None if it is ready."""
    status = pod.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    if (scheduled := conditions.get("PodScheduled", {})).get("status") == "False":
        return f"{scheduled.get('reason', 'not scheduled')}: {scheduled.get('message', '')}", False
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        name, state = container["name"], container.get("state", {})
        if (waiting := state.get("waiting")) is not None:
            reason, message = waiting.get("reason", "waiting"), waiting.get("message", "")
            if reason in {"ContainerCreating", "PodInitializing"}:
                continue
            never = reason in _NEVER or (reason in _PULLS and _NO_SUCH_IMAGE.search(message) is not None)
            if (ended := container.get("lastState", {}).get("terminated")) is not None:
                message = f"it ended with exit code {ended.get('exitCode')} ({ended.get('reason', '')}). {message}"
            return f"container {name}: {reason}: {message}".rstrip(": ")[:300], never
        if (ended := state.get("terminated")) is not None and ended.get("exitCode") != 0:
            return f"container {name} ended with exit code {ended['exitCode']} ({ended.get('reason', '')}).", False
        if "running" in state and not container.get("ready", False) and name not in _init_names(status):
            return f"container {name} runs and is not ready.", False
    return None


def _init_names(status: dict[str, Any]) -> list[str]:
    return [container["name"] for container in status.get("initContainerStatuses", ())]


def _message(found: dict[str, Any], kind: str) -> str:
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["type"] == kind and (kind != "ReplicaFailure" or condition["status"] == "True"):
            return str(condition.get("message", ""))
    return ""
