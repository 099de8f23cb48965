"""Evicting a pod: the API that keeps PodDisruptionBudgets, with the pod's uid as precondition."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kubernaut_kubectl.cluster.errors import error_of
from kubernaut_kubectl.cluster.kubectl import create_raw
from kubernaut_kubectl.disruption.budgets import describe_budgets
from kubernaut_sdk import Context

__all__ = ["MIRROR", "Refusal", "evict", "pod_path", "try_eviction"]

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a mirror: a static pod, which the kubelet of its node runs."""

_BUDGET = re.compile(r"disruption budget", re.IGNORECASE)
_SEVERAL = "more than one PodDisruptionBudget"


@dataclass(frozen=True)
class Refusal:
    """The API server's refusal to evict a pod.

    Attributes:
        message: A sentence that names the budgets.
        lasting: True if waiting does not help: two budgets count the pod, which the API server answers with 500.
    """

    message: str
    lasting: bool = False


def evict(ctx: Context, pod: dict[str, Any], *, grace_seconds: int | None = None) -> Refusal | None:
    """Evict a pod; return the refusal if a budget does not allow it now.

    Args:
        ctx: The context.
        pod: The pod, as it was read: only the pod of this uid is evicted.
        grace_seconds: Instead of the pod's own grace period.

    Raises:
        NotFound: if the pod is gone.
        Transient: if another pod has its name by now, or the API server is busy.
    """
    return _evict(ctx, pod, grace_seconds, dry_run=False)


def try_eviction(ctx: Context, pod: dict[str, Any]) -> Refusal | None:
    """Return the refusal that an eviction would meet now, by a dry run of the API server; raises as `evict`."""
    return _evict(ctx, pod, None, dry_run=True)


def pod_path(pod: dict[str, Any]) -> str:
    """Return the path of a pod in the API."""
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{quote(metadata['namespace'], safe='')}/pods/{quote(metadata['name'], safe='')}"


def _evict(ctx: Context, pod: dict[str, Any], grace_seconds: int | None, *, dry_run: bool) -> Refusal | None:
    metadata = pod["metadata"]
    options: dict[str, Any] = {"preconditions": {"uid": metadata["uid"]}}
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "deleteOptions": options,
    }
    what = f"evict pod {metadata['name']}"
    completed = create_raw(ctx, f"{pod_path(pod)}/eviction{'?dryRun=All' if dry_run else ''}", body, what)
    if completed.exit_code == 0:
        return None
    if _SEVERAL in completed.stderr:
        return Refusal(
            f"pod {metadata['name']} is counted by {describe_budgets(ctx, pod)}; the API server evicts no pod that "
            f"more than one budget counts. Narrow their selectors.",
            lasting=True,
        )
    if _BUDGET.search(completed.stderr):
        return Refusal(f"pod {metadata['name']} cannot be evicted now: {describe_budgets(ctx, pod)} does not allow it.")
    raise error_of(completed, what)
