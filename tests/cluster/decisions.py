"""The decision about a workflow in a given situation, and short forms of its effects, for the tests of `reconcile`."""

from typing import Any

from objects import (
    NOW,
    Json,
    observed_state,
)

from kubernaut_controller.reconciling import Policy, reconcile
from kubernaut_controller.reconciling.effects import (
    UpdateStatus,
)

POLICY = Policy()
TARGET = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
SENT = {("a", "intended"): None, ("a", "intended run-a-pod"): None}
REF = {"name": "fix-e5621d0cdb", "uid": "run-1"}
RUNNING = {"phase": "Running", "pipelineRunRef": REF}


def decide(document: Json, *, at: Any = NOW, policy: Policy = POLICY, **known: Any) -> list[Any]:
    return list(reconcile(observed_state(document, policy=policy, **known), policy, at).effects)


def names(effects: list[Any]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def status(effects: list[Any]) -> Json:
    return next(effect.status for effect in effects if isinstance(effect, UpdateStatus))


def summary(effects: list[Any]) -> tuple[str, str]:
    written_status = status(effects)
    return written_status["phase"], written_status["message"]


def condition_states(written_status: Json) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in written_status["conditions"]}
