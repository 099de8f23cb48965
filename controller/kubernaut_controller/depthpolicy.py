"""The admission policy that bounds the depth of inputs, written from the limit that `require_portable` has.

A structural schema cannot bound it: it says nothing about fields that it preserves without knowing them, nor can its
CEL rules see them. An admission policy can, with one expression within another for each level, since CEL has no
recursion.
"""

import sys
from pathlib import Path
from typing import Any

from kubernaut_controller.crd import GROUP
from kubernaut_controller.documents import dump_yaml
from kubernaut_sdk.portable import DEEPEST

__all__ = ["depth_policy", "policy_text"]

_NAME = "kubernaut-depth"
_IS_NESTED = "type(e) == map || type(e) == list"
_INNER = "(type(e) == map ? e.map(k, e[k]) : type(e) == list ? e : [])"


def depth_policy() -> list[dict[str, Any]]:
    """Return the ValidatingAdmissionPolicy and its binding.

    Its failure admits the object: evaluating inputs of hundreds of kilobytes may cost more than the API server grants,
    and the controller checks the depth of all inputs again.
    """
    deeper = _IS_NESTED
    for _ in range(DEEPEST):
        deeper = f"{_INNER}.exists(e, {deeper})"
    workflow = "(has(object.spec.workflow) ? dyn(object.spec.workflow) : dyn(object.spec))"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _NAME, "labels": {"app.kubernetes.io/part-of": "kubernaut"}},
        "spec": {
            "failurePolicy": "Ignore",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": ["*"],
                        "operations": ["CREATE"],
                        "resources": ["workflowexecutions", "remediationrequests"],
                    }
                ]
            },
            "variables": [
                {"name": "workflow", "expression": workflow},
                {
                    "name": "inputs",
                    "expression": (
                        "(variables.workflow.steps + "
                        "(has(variables.workflow.finally) ? variables.workflow.finally : []))"
                        ".filter(step, has(step.inputs)).map(step, step.inputs)"
                    ),
                },
            ],
            "validations": [
                {
                    "expression": f"!variables.inputs.exists(e, {deeper})",
                    "message": f"inputs of a step are nested deeper than {DEEPEST} levels",
                    "reason": "Invalid",
                }
            ],
        },
    }
    binding = {
        "apiVersion": policy["apiVersion"],
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": policy["metadata"],
        "spec": {"policyName": _NAME, "validationActions": ["Deny"]},
    }
    return [policy, binding]


def policy_text() -> str:
    """Return the policy and its binding as YAML."""
    return "---\n".join(dump_yaml(document) for document in depth_policy())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(policy_text(), encoding="utf-8")
