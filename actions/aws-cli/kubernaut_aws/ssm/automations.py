"""The action aws/run_ssm_document."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import connect
from kubernaut_aws.ssm.documents import approval_seconds, find_automation, require_allowed
from kubernaut_sdk import Action, Change, Context, InvalidInputs, PreconditionFailed, Result, VerifyFailed

__all__ = ["run_ssm_document"]


class RunDocumentInputs(AwsInputs):
    """The inputs of aws/run_ssm_document."""

    document: Annotated[
        str,
        Field(pattern=r"^[a-zA-Z0-9_.-]{3,128}$", max_length=128, description="The name of the Automation document."),
    ]
    version: Annotated[
        str, Field(pattern=r"^[1-9][0-9]{0,9}$", max_length=10, description="A number; $LATEST and $DEFAULT change.")
    ]
    parameters: Annotated[
        dict[str, list[str]], Field(max_length=50, description="The document's parameters, each a list of texts.")
    ] = Field(default={})


class RunDocumentResult(Result):
    """The result of aws/run_ssm_document."""

    execution_id: Annotated[str, Field(max_length=36)]
    outputs: dict[str, list[str]] | None = None


_MADE: PerExecution[RunDocumentResult] = PerExecution()
_WELL = {"Success", "CompletedWithSuccess"}
_OVER = {
    "Cancelled",
    "ChangeCalendarOverrideRejected",
    "CompletedWithFailure",
    "Exited",
    "Failed",
    "Rejected",
    "TimedOut",
}

run_ssm_document = Action(
    "aws/run_ssm_document",
    permissions=[
        "ssm:DescribeDocument",
        "ssm:GetAutomationExecution",
        "ssm:GetDocument",
        "ssm:StartAutomationExecution",
    ],
    idempotent=False,
    risk="high",
    examples=[
        {
            "region": "eu-central-1",
            "document": "AWS-RestartEC2Instance",
            "version": "1",
            "parameters": {"InstanceId": ["i-0123456789abcdef0"]},
        }
    ],
)


@run_ssm_document.plan
def plan(ctx: Context, inputs: RunDocumentInputs) -> Change:
    """Run an Automation document of Systems Manager, and wait for its end; its outputs become the step's.

    Only documents on the image's list (some of AWS's own, and those of the variable `KUBERNAUT_SSM_DOCUMENTS`), only
    of type Automation, only a pinned version. A document with `aws:approve` steps waits for a person: it is refused
    unless the step has as much time as these may take. Not idempotent: every record runs it, and what it does is its
    own; but the request's token is the record's id, so that one record starts it once. A cancelled step does not stop
    it. An automation assumes the role of its own parameter `AutomationAssumeRole`, for which `iam:PassRole` is needed.
    Tested on a stand-in held to botocore's model, not on AWS.
    """
    require_allowed(inputs.document)
    aws = connect(ctx, inputs)
    known = {item["Name"] for item in find_automation(aws, inputs.document, inputs.version).get("Parameters", ())}
    if unknown := sorted(set(inputs.parameters) - known):
        raise InvalidInputs(
            f"inputs.parameters: {inputs.document} has no {', '.join(unknown)}; it has "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    waits, left = approval_seconds(aws, inputs.document, inputs.version), ctx.remaining()
    if waits and not ctx.dry_run and left < waits:
        raise PreconditionFailed(
            f"{inputs.document} waits up to {waits} s for a person's approval, and the step has {left:.0f} s left; "
            f"give it a longer timeout.",
            reason="TimeTooShort",
        )
    return Change({"executions": 0}, {"executions": 1})


@run_ssm_document.apply
def apply(ctx: Context, inputs: RunDocumentInputs, change: Change) -> RunDocumentResult:
    """Call StartAutomationExecution, with the record's id as token."""
    params: dict[str, Any] = {"Parameters": inputs.parameters} if inputs.parameters else {}
    answer = connect(ctx, inputs).call(
        f"run the document {inputs.document}",
        "ssm",
        "start_automation_execution",
        DocumentName=inputs.document,
        DocumentVersion=inputs.version,
        ClientToken=str(ctx.record_id),
        **params,
    )
    return _MADE.set(ctx, RunDocumentResult(execution_id=answer["AutomationExecutionId"], outputs={}))


@run_ssm_document.verify
def verify(ctx: Context, inputs: RunDocumentInputs, change: Change) -> bool | str:
    """Return True once the automation succeeded, until then its state; its outputs are added to the result."""
    made = _MADE.get(ctx)
    assert made is not None  # not idempotent: only the process that applied verifies
    assert made.outputs is not None
    what = f"ask for the automation {made.execution_id}"
    params: dict[str, Any] = {"AutomationExecutionId": made.execution_id}
    found = connect(ctx, inputs).call(what, "ssm", "get_automation_execution", **params)["AutomationExecution"]
    status = found["AutomationExecutionStatus"]
    if status in _OVER:
        step: dict[str, Any] = next(
            (item for item in found.get("StepExecutions", ()) if item.get("StepStatus") in _OVER), {}
        )
        where = f" in the step {step['StepName']}" if step.get("StepName") else ""
        why = found.get("FailureMessage") or step.get("FailureMessage") or "no reason is told"
        raise VerifyFailed(
            f"{made.execution_id} is {status}{where}: {str(why).rstrip('.')}.", reason="AutomationFailed"
        )
    if status not in _WELL:
        current = f", at {found['CurrentStepName']}" if found.get("CurrentStepName") else ""
        person = "; a person must approve it" if status in {"Waiting", "PendingApproval"} else ""
        return f"{made.execution_id} is {status}{current}{person}."
    made.outputs.update(found.get("Outputs", {}))
    return True


@run_ssm_document.target
def target(inputs: RunDocumentInputs) -> str:
    """Return the document. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"ssm:{inputs.region}:{inputs.document}:{inputs.version}"
