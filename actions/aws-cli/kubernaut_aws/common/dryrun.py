"""Permission checks by EC2's own dry run: the request is authorized and validated, and not carried out."""

from typing import Any

from kubernaut_aws.common.session import Aws
from kubernaut_sdk import ActionError, Failed

__all__ = ["dry_run"]


def dry_run(aws: Aws, what: str, operation: str, **params: Any) -> str | None:
    """Return None if EC2 would carry out the request, otherwise what it says against it.

    Args:
        aws: The account and region.
        what: The attempted task, for messages: "could not {what}".
        operation: The operation of EC2, as boto3 spells it.
        params: Its parameters, without DryRun.
    """
    try:
        aws.call(what, "ec2", operation, DryRun=True, **params)
    except Failed as problem:
        return None if problem.reason == "DryRunOperation" else problem.message
    except ActionError as problem:
        return problem.message
    return f"EC2 did not tell whether it would {what}; it ignored DryRun."
