"""Automation documents of Systems Manager: which of them may be run, and where they wait for a person."""

import json
import os
from typing import Any

from kubernaut_aws.common.session import Aws
from kubernaut_sdk import PreconditionFailed

__all__ = ["ALLOWED", "approval_seconds", "find_automation", "require_allowed"]

ALLOWED = frozenset(
    {
        "AWS-RebootRdsInstance",
        "AWS-RestartEC2Instance",
        "AWS-StartEC2Instance",
        "AWS-StartRdsInstance",
        "AWS-StopEC2Instance",
        "AWSSupport-TroubleshootSSH",
    }
)
"""Documents of AWS's own that start, stop, reboot or look at what their parameters name, and do no more."""
VARIABLE = "KUBERNAUT_SSM_DOCUMENTS"
"""The variable of the image, not of a step, in which its operator names more documents, separated by commas."""
_APPROVAL = 7 * 24 * 3600
"""Seconds that an `aws:approve` step waits by default."""


def require_allowed(document: str) -> None:
    """Raise unless the document is one that may be run.

    Raises:
        PreconditionFailed: with the way to allow it.
    """
    more = {name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()}
    if document not in ALLOWED | more:
        raise PreconditionFailed(
            f"the document {document} is not on the list of those that may be run; whoever builds the image adds it by "
            f"ENV {VARIABLE}={document}.",
            reason="NotAllowed",
        )


def find_automation(aws: Aws, document: str, version: str) -> dict[str, Any]:
    """Return the description of an Automation document.

    Raises:
        NotFound: if there is no such document or version.
        PreconditionFailed: if it is of another type, or is not active.
    """
    what = f"describe the document {document}, version {version}"
    found: dict[str, Any] = aws.call(what, "ssm", "describe_document", Name=document, DocumentVersion=version)[
        "Document"
    ]
    if found.get("DocumentType") != "Automation":
        raise PreconditionFailed(
            f"{document} is a document of type {found.get('DocumentType')}; only Automation documents are run.",
            reason="NotAutomation",
        )
    if found.get("Status", "Active") != "Active":
        raise PreconditionFailed(f"{document}, version {version}, is {found['Status']}.", reason="WrongState")
    return found


def approval_seconds(aws: Aws, document: str, version: str) -> int:
    """Return for how many seconds the document's `aws:approve` steps may wait for a person; 0 if it has none."""
    what = f"read the document {document}, version {version}"
    params: dict[str, Any] = {"Name": document, "DocumentVersion": version, "DocumentFormat": "JSON"}
    content = json.loads(aws.call(what, "ssm", "get_document", **params)["Content"])
    steps = [item for item in content.get("mainSteps", ()) if item.get("action") == "aws:approve"]
    return sum(int(item.get("timeoutSeconds", _APPROVAL)) for item in steps)
