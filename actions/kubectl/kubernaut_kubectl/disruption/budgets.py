"""PodDisruptionBudgets: which of them count a pod, and what they still allow."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.selectors import matches
from kubernaut_sdk import ActionError, Context

__all__ = ["budget_text", "budgets_of", "covers", "describe_budgets"]


def budgets_of(ctx: Context, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the PodDisruptionBudgets that count a pod.

    Raises:
        PreconditionFailed: if they may not be read.
        Transient: if the API server is out of reach.
    """
    items = list_all(ctx, "poddisruptionbudgets.policy", pod["metadata"]["namespace"])
    return [item for item in items if covers(item, pod)]


def covers(budget: dict[str, Any], pod: dict[str, Any]) -> bool:
    """Return True if a budget counts a pod. In policy/v1 an empty selector selects every pod of the namespace."""
    return matches(budget["spec"].get("selector"), pod["metadata"].get("labels") or {})


def budget_text(budget: dict[str, Any]) -> str:
    """Return a budget in words: its name, what it wants, and what there is."""
    spec, status = budget["spec"], budget.get("status") or {}
    wants = next((f"{name} {spec[name]}" for name in ("minAvailable", "maxUnavailable") if name in spec), "no limit")
    return (
        f"PodDisruptionBudget {budget['metadata']['name']} ({wants}; {status.get('currentHealthy', 0)} of "
        f"{status.get('expectedPods', 0)} pods are healthy, {status.get('desiredHealthy', 0)} must stay so)"
    )


def describe_budgets(ctx: Context, pod: dict[str, Any]) -> str:
    """Return the budgets of a pod in words; for the message of a refused eviction, which names none."""
    try:
        budgets = budgets_of(ctx, pod)
    except ActionError as error:
        ctx.log.warning("PodDisruptionBudgets cannot be read: %s", error.message)
        return "a PodDisruptionBudget"
    return " and ".join(budget_text(budget) for budget in budgets) or "a PodDisruptionBudget"
