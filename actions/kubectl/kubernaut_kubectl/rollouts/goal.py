"""The goal of a rollout: reached, not yet and why, or never and why."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.watching import watch, watch_pods
from kubernaut_kubectl.rollouts.diagnosis import explain_waiting, pods_of, quota_of, with_evidence
from kubernaut_kubectl.rollouts.obstacles import group_texts, is_ready
from kubernaut_kubectl.rollouts.progress import counts, is_complete_without_pods, replicas_of, rollout_shortfall
from kubernaut_kubectl.rollouts.tracker import SETTLE, given_up_at, tracker_of
from kubernaut_sdk import ActionError, Context, Failed, PreconditionFailed, Transient, VerifyFailed

__all__ = ["check_rollout", "require_rollout", "unready_nodes"]


def check_rollout(ctx: Context, found: dict[str, Any], *, hold: float = SETTLE) -> bool | str:
    """Return True once a workload is rolled out and has stayed so for a while, until then what is missing and why.

    Args:
        ctx: The context.
        found: The workload, as it was read just now.
        hold: For how many seconds it must stay so.

    Raises:
        VerifyFailed: if it never will be: an image that does not exist, a container that crashes again and again, a
            quota or a scheduler that leaves no room, the progress deadline that passed since our change.
    """
    tracker = tracker_of(ctx)
    tracker.remember_first_read(found)
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    tracker.namespace = namespace
    watch(ctx, f"{found['kind'].lower()}.apps", name, namespace)
    shortfall = rollout_shortfall(found)
    if shortfall is None:
        return tracker.check_settled(ctx, 0.0 if is_complete_without_pods(found) else hold)
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
        tracker.reset(shortfall)
        return shortfall
    watch_pods(ctx, found)
    reasons, stays, uncounted = _reasons(ctx, found)
    if uncounted and not reasons:
        ctx.log.warning("not counted: the pods on %s, which is not ready", ", ".join(uncounted))
        return tracker.check_settled(ctx, hold)
    message = " ".join([shortfall, *reasons])
    tracker.reset(message)
    # a rollout that is rolled back has often failed before: only a newer condition is about this change
    if (when := given_up_at(found)) is not None and when != tracker.given_up:
        raise VerifyFailed(
            f"the rollout of {name} was given up: {_message(found, 'Progressing')} {message}", reason="GivenUp"
        )
    if stays:
        raise VerifyFailed(f"the rollout of {name} will not come to an end: {message}", reason="RolloutStuck")
    return message


def require_rollout(found: dict[str, Any]) -> None:
    """Raise PreconditionFailed unless a change of the template would replace all pods, and is seen in the status.

    Raises:
        PreconditionFailed: if it is paused, updates on delete only, or has a partition.
        Transient: if its controller has not seen the newest spec yet.
    """
    name, kind = found["metadata"]["name"], found["kind"]
    strategy = found["spec"].get("updateStrategy") or {}
    if found["spec"].get("paused", False):
        raise PreconditionFailed(
            f"{name} is paused; resume it with `kubectl rollout resume` first. kubernetes/resume_rollout does."
        )
    if strategy.get("type") == "OnDelete":
        raise PreconditionFailed(
            f"{kind} {name} has the updateStrategy OnDelete: its pods get a new template only when each is deleted "
            f"(kubernetes/delete_pod).",
            reason="OnDelete",
        )
    if kind == "StatefulSet" and (partition := (strategy.get("rollingUpdate") or {}).get("partition")):
        raise PreconditionFailed(
            f"StatefulSet {name} has the partition {partition}: pods below it keep the earlier template. Set it to 0 "
            f"first (kubernetes/set_field, /spec/updateStrategy/rollingUpdate/partition).",
            reason="Partition",
        )
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
        raise Transient(f"the {kind} controller has not seen the newest spec of {name} yet.")


def unready_nodes(ctx: Context, pods: list[dict[str, Any]]) -> set[str]:
    """Return the nodes of these pods that are not ready; an empty set if nodes may not be read."""
    names = {pod["spec"]["nodeName"] for pod in pods if pod.get("spec", {}).get("nodeName")}
    if not names:
        return set()
    try:
        nodes = list_all(ctx, "node", None)
    except ActionError as error:
        ctx.log.warning("nodes cannot be read, so pods on unready ones are counted: %s", error.message)
        return set()
    return {node["metadata"]["name"] for node in nodes if not is_ready(node)} & names


def _reasons(ctx: Context, found: dict[str, Any]) -> tuple[list[str], bool, list[str]]:
    """Return why a rollout is incomplete, True if it stays so, and the nodes that are not counted.

    If the pods may not be read, only what the workload's own status says is known.
    """
    try:
        new, old, leaving = pods_of(ctx, found)
    except (Failed, PreconditionFailed, Transient) as error:
        ctx.log.warning("the pods of %s cannot be read: %s", found["metadata"]["name"], error.message)
        quota = quota_of(found)
        return [quota.text] if quota else [], False, []
    uncounted: list[str] = []
    if found["kind"] == "DaemonSet":
        # a dead kubelet never ends the pod that was deleted to be replaced
        unready = unready_nodes(ctx, [pod for pod in new + old if not is_ready(pod)] + leaving)
        good = [pod for pod in new if is_ready(pod)]
        new, old = ([pod for pod in pods if pod.get("spec", {}).get("nodeName") not in unready] for pods in (new, old))
        if unready and len(good) >= replicas_of(found) - len(unready) and not old:
            uncounted = sorted(unready)
    obstacles = explain_waiting(ctx, found, new, old)
    waited = tracker_of(ctx).blocked_for(ctx, [obstacle.key for obstacle in obstacles], counts(found))
    looked_at = [(with_evidence(ctx, obstacle, waited[obstacle.key]), waited[obstacle.key]) for obstacle in obstacles]
    staying = [one for one, seconds in looked_at if one.patience is not None and seconds >= one.patience]
    shown = staying or [one for one, _ in looked_at]
    texts = [obstacle.text for obstacle in shown if not obstacle.pod][:1]
    return texts + group_texts([obstacle for obstacle in shown if obstacle.pod]), bool(staying), uncounted


def _message(found: dict[str, Any], kind: str) -> str:
    conditions = found.get("status", {}).get("conditions", ())
    return next((str(condition.get("message", "")) for condition in conditions if condition["type"] == kind), "")
