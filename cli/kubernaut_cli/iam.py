"""The IAM policies that a workflow's steps need, one for each role or ServiceAccount that they act as."""

from typing import Any

from kubernaut_controller.validation import Find
from kubernaut_controller.workflow import WorkflowExecution

__all__ = ["iam_of"]


def iam_of(workflow: WorkflowExecution, find: Find) -> dict[str, dict[str, Any]]:
    """Return who needs it → the policy document. A ServiceAccount whose steps assume a role may assume it.

    Args:
        workflow: Valid.
        find: The catalogue; a step whose action it does not know is passed over.
    """
    from kubernaut_aws.policies import ASSUME_ROLE, policy, statements_of  # noqa: PLC0415 – installed with the actions

    needed: dict[str, list[dict[str, Any]]] = {}
    for step in workflow.spec.all_steps:
        action = find(step.action_type) if step.action_type.startswith("aws/") else None
        if action is None:
            continue
        account = f"ServiceAccount {step.service_account_name or 'default'}"
        given = {name: field.default for name, field in action.inputs_model.model_fields.items() if field.default}
        taken = {item.input.lstrip("/").split("/")[0] for item in step.inputs_from}
        inputs = {name: value for name, value in {**given, **step.inputs}.items() if name not in taken}
        statements = statements_of(action.permissions, inputs)
        if (role := inputs.get("role_arn")) is None:
            needed.setdefault(account, []).extend(statements)
        else:
            needed.setdefault(str(role), []).extend(statements)
            assume = {"Effect": "Allow", "Action": [ASSUME_ROLE], "Resource": [str(role)]}
            needed.setdefault(account, []).append(assume)
    return {name: policy(statements) for name, statements in sorted(needed.items())}
