"""What is done next about a RemediationRequest; a row a situation."""

from datetime import timedelta
from typing import Any

import pytest
from objects import CREATED, NOW, stamp, step, workflow

from kubernaut_controller.faults import Fault
from kubernaut_controller.reconciling.remediate import CreateWorkflow, DeleteRequest, SetRequestStatus, remediate

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


def said(remedy: Any) -> tuple[str, str]:
    [act] = remedy.acts
    assert isinstance(act, SetRequestStatus)
    return act.status["phase"], act.status["outcome"]


def test_its_workflow_is_made_once() -> None:
    [act] = remediate(request(), (), None, NOW).acts

    assert isinstance(act, CreateWorkflow)
    assert act.document["metadata"]["ownerReferences"][0]["uid"] == "rr-1"


@pytest.mark.parametrize(
    ("known", "workflow_", "told"),
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
def test_what_came_of_it(known: Any, workflow_: Any, told: tuple[str, str]) -> None:
    phase, outcome = said(remediate(request(**known), (), workflow_, NOW))

    assert (phase, outcome[: len(told[1])]) == told


def test_nothing_is_said_twice() -> None:
    ended = made("Succeeded", "2 of 2 steps done.")
    [act] = remediate(request(), (), ended, NOW).acts
    assert isinstance(act, SetRequestStatus)

    assert remediate(request(**act.status), (), ended, NOW + timedelta(hours=1)).acts == ()


def test_a_bad_shape_is_refused() -> None:
    assert said(remediate(request(), (Fault("spec.x", "unknown field"),), None, NOW)) == (
        "Refused",
        "spec.x: unknown field.",
    )


def test_it_goes_with_its_workflow() -> None:
    over = {"phase": "Succeeded", "finishedAt": stamp(5), "workflowExecutionRef": {"name": "fix", "uid": "u"}}

    assert remediate(request(**over), (), None, CREATED + timedelta(seconds=64)).acts == ()
    assert remediate(request(**over), (), None, CREATED + timedelta(seconds=65)).acts == (DeleteRequest(),)
