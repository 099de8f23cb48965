"""The next decision about a RemediationRequest, situation by situation."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from objects import CREATED, NOW, stamp, step, workflow

from kubernaut_controller.faults import Fault
from kubernaut_controller.reconciling.remediation import (
    CreateWorkflow,
    DeleteRequest,
    RemediationDecision,
    UpdateRequestStatus,
    remediate,
)
from kubernaut_controller.views import WorkflowView

OWNER = {"kind": "RemediationRequest", "uid": "rr-1", "controller": True}


def request(**status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": "fix", "namespace": "shop", "uid": "rr-1", "generation": 1},
        "spec": {"signal": {"fingerprint": "f"}, "workflow": {"steps": [step("a")], "ttlSecondsAfterFinished": 60}},
        **({"status": status} if status else {}),
    }


def made(phase: str, message: str, uid: str = "rr-1") -> dict[str, Any]:
    document = workflow(status={"phase": phase, "message": message, "finishedAt": stamp(5)})
    document["metadata"]["ownerReferences"] = [{**OWNER, "uid": uid}]
    return document


def decision_about(
    document: dict[str, Any], faults: tuple[Fault, ...], made_workflow: dict[str, Any] | None, now: datetime
) -> RemediationDecision:
    return remediate(WorkflowView(document), faults, WorkflowView(made_workflow) if made_workflow else None, now)


def summary(remedy: Any) -> tuple[str, str]:
    [effect] = remedy.effects
    assert isinstance(effect, UpdateRequestStatus)
    return effect.status["phase"], effect.status["outcome"]


def test_its_workflow_is_made_once() -> None:
    [effect] = decision_about(request(), (), None, NOW).effects

    assert isinstance(effect, CreateWorkflow)
    assert effect.document["metadata"]["ownerReferences"][0]["uid"] == "rr-1"


@pytest.mark.parametrize(
    ("known", "workflow_", "expected"),
    [
        ({}, made("Running", "1 of 2 steps done."), ("Running", "1 of 2 steps done.")),
        ({}, made("Succeeded", "2 of 2 steps done."), ("Succeeded", "2 of 2 steps done.")),
        ({}, made("Failed", "Step a failed: no."), ("Failed", "Step a failed: no.")),
        (
            {},
            made("Running", "", uid="x"),
            ("Failed", "A WorkflowExecution fix is there already and is not of this request;"),
        ),
        (
            {"workflowExecutionRef": {"name": "fix", "uid": "u"}, "phase": "Running"},
            None,
            ("Failed", "Its WorkflowExecution fix was deleted before its end; it is not made again."),
        ),
    ],
)
def test_what_came_of_it(known: Any, workflow_: Any, expected: tuple[str, str]) -> None:
    phase, outcome = summary(decision_about(request(**known), (), workflow_, NOW))

    assert (phase, outcome[: len(expected[1])]) == expected


def test_nothing_is_said_twice() -> None:
    ended = made("Succeeded", "2 of 2 steps done.")
    [effect] = decision_about(request(), (), ended, NOW).effects
    assert isinstance(effect, UpdateRequestStatus)

    assert decision_about(request(**effect.status), (), ended, NOW + timedelta(hours=1)).effects == ()


def test_a_bad_shape_is_refused() -> None:
    assert summary(decision_about(request(), (Fault("spec.x", "unknown field"),), None, NOW)) == (
        "Refused",
        "spec.x: unknown field.",
    )


def test_it_goes_with_its_workflow() -> None:
    over = {"phase": "Succeeded", "finishedAt": stamp(5), "workflowExecutionRef": {"name": "fix", "uid": "u"}}

    assert decision_about(request(**over), (), None, CREATED + timedelta(seconds=64)).effects == ()
    assert decision_about(request(**over), (), None, CREATED + timedelta(seconds=65)).effects == (DeleteRequest(),)
