"""Runs of actions on the stand-in for Argo CD, and what a test asks of their ends."""

from typing import Any

from argocd_standin import TOKEN, ArgoStandin, an_application

from kubernaut_sdk import Action
from kubernaut_sdk.testing import ActionRunner, Ran

__all__ = ["automated", "autosync", "ending", "message", "run"]


def run(ours: Action, argo: ArgoStandin, record_id: Any = None, retries: int = 0, **inputs: Any) -> Ran:
    runner = ActionRunner(ours, secrets={"token": TOKEN}, retries=retries)
    return runner.run({"server": argo.url, "application": "checkout", **inputs}, record_id=record_id)


def autosync(action: Action, argo: ArgoStandin, **inputs: Any) -> Ran:
    return ActionRunner(action).run({"application": "checkout", **inputs})


def ending(ran: Ran) -> tuple[int, str, bool | None]:
    assert ran.error is not None, ran.status
    return ran.exit_code, ran.error.reason, ran.changed


def message(ran: Ran) -> str:
    assert ran.error is not None, ran.status
    return ran.error.message


def automated(argo: ArgoStandin, policy: dict[str, Any], **metadata: Any) -> None:
    argo.apps["checkout"] = an_application(syncPolicy={"automated": policy})
    argo.apps["checkout"]["metadata"].update(metadata)
