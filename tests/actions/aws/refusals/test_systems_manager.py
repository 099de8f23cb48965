"""The refusals of Systems Manager's actions, and ends of theirs that only a stand-in plays."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aws_answers import EXECUTION, Answers, run

from kubernaut_aws.common.moments import answered_at


def automation(status: str, **more: Any) -> Answers:
    return {"AutomationExecution": {"AutomationExecutionId": EXECUTION, "AutomationExecutionStatus": status, **more}}


APPROVED = '{"mainSteps": [{"name": "ask", "action": "aws:approve", "timeoutSeconds": 3600}]}'
DOCUMENT = {"DocumentType": "Automation", "Status": "Active", "Parameters": [{"Name": "InstanceId"}]}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({}, {"document": "Shop-Other"}, 3, "Shop-Other is not on the list of those that may be run"),
        ({}, {"version": "$LATEST"}, 2, "inputs.version"),
        (
            {},
            {"parameters": {"Bad": ["x"]}},
            2,
            "inputs.parameters: AWS-RestartEC2Instance has no Bad; it has InstanceId.",
        ),
        ({"describe_document": {"Document": {"DocumentType": "Command"}}}, {}, 3, "only Automation documents are run."),
        ({"describe_document": {"Document": {**DOCUMENT, "Status": "Deleting"}}}, {}, 3, "version 3, is Deleting."),
        (
            {"get_document": {"Content": APPROVED}},
            {},
            3,
            "waits up to 3600 s for a person's approval, and the step has",
        ),
        (
            {
                "get_automation_execution": automation(
                    "Failed", StepExecutions=[{"StepName": "stop", "StepStatus": "Failed"}], FailureMessage="denied."
                )
            },
            {},
            4,
            "is Failed in the step stop: denied.",
        ),
        (
            {"get_automation_execution": automation("Waiting", CurrentStepName="ask")},
            {},
            4,
            "is Waiting, at ask; a person must",
        ),
    ],
)
def test_a_document_that_does_not_succeed(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_document": {"Document": DOCUMENT},
        "get_document": {"Content": '{"mainSteps": []}'},
        "start_automation_execution": {"AutomationExecutionId": EXECUTION},
        "get_automation_execution": automation("Success"),
    }
    given = {"document": "AWS-RestartEC2Instance", "version": "3", **inputs}
    ran = run(monkeypatch, "aws/run_ssm_document", {**base, **answers}, **given)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 29 Nov 2026 08:00:00 GMT", 0.0),
        ("Sun, 29 Nov 2026 08:00:00 -0000", 0.0),
        ("a proxy's text", None),
        (None, None),
    ],
)
def test_a_services_own_time_has_a_zone_or_is_not_used(date: str | None, seconds: float | None) -> None:
    headers = {} if date is None else {"date": date}
    moment = answered_at({"ResponseMetadata": {"HTTPHeaders": headers}})

    assert (moment is None) == (seconds is None)
    if moment is not None:
        assert (moment - datetime(2026, 11, 29, 8, tzinfo=UTC)).total_seconds() == seconds
