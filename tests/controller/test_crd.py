"""The checked-in CustomResourceDefinitions are fresh, structural, and say the same as the models."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from objects import CREATED, observed_state, workflow

from kubernaut_controller.crd import custom_resource_definitions
from kubernaut_controller.depthpolicy import policy_text
from kubernaut_controller.documents import dump_yaml
from kubernaut_controller.reconciling import Policy, reconcile
from kubernaut_controller.reconciling.effects import UpdateStatus
from kubernaut_controller.remediation import read_remediation_request, workflow_of
from kubernaut_controller.workflow import read_workflow_execution

FOLDER = Path(__file__).parents[2] / "controller" / "deploy" / "base" / "crds"
DEFINITIONS = custom_resource_definitions()


def schema(name: str) -> dict[str, Any]:
    versions = DEFINITIONS[f"{name}.kubernaut.io.yaml"]["spec"]["versions"]
    found: dict[str, Any] = versions[0]["schema"]["openAPIV3Schema"]
    return found


def nodes(part: Any) -> Any:
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from nodes(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from nodes(inner)


def test_the_checked_in_ones_are_fresh() -> None:
    written = {path.name: path.read_text() for path in FOLDER.iterdir()}

    assert written == {name: dump_yaml(definition) for name, definition in DEFINITIONS.items()}, "run `make crds`"


def test_the_checked_in_policy_about_depth_is_fresh() -> None:
    written = (FOLDER.parents[1] / "policy" / "depth.yaml").read_text()

    assert written == policy_text(), "run `make crds`"
    assert len(list(yaml.safe_load_all(written))) == 2


@pytest.mark.parametrize("name", ["workflowexecutions", "remediationrequests"])
def test_structural_with_nothing_that_only_json_schema_knows(name: str) -> None:
    for node in nodes(schema(name)):
        assert not {"$ref", "$defs", "anyOf", "oneOf", "title", "default", "const"} & {
            key for key in node if key != "default"
        }
        assert node.get("type") != "null"


def test_every_field_a_person_writes_is_described() -> None:
    spec = schema("workflowexecutions")["properties"]["spec"]
    fields = {**spec["properties"], **spec["properties"]["steps"]["items"]["properties"]}

    assert [name for name, field in fields.items() if not field.get("description")] == []


def test_a_status_is_never_refused_for_its_length() -> None:
    """The controller's messages must never be refused."""
    assert [node for node in nodes(schema("workflowexecutions")["properties"]["status"]) if "maxLength" in node] == []


def test_a_status_has_only_fields_that_the_schema_knows() -> None:
    [*_, write] = reconcile(
        observed_state(workflow(cancel=True, target={"kind": "Node", "name": "n"})),
        Policy(),
        CREATED,
    ).effects
    assert isinstance(write, UpdateStatus)
    known = schema("workflowexecutions")["properties"]["status"]["properties"]

    assert set(write.status) <= set(known)
    assert set(write.status["steps"][0]) <= set(known["steps"]["items"]["properties"])


def test_patterns_are_of_gos_kind() -> None:
    """RE2 has neither look-around nor back-references."""
    patterns = {node["pattern"] for node in nodes(DEFINITIONS) if isinstance(node.get("pattern"), str)}

    assert [pattern for pattern in patterns if re.search(r"\(\?[=!<]|\\[1-9]", pattern)] == []
    assert len(patterns) >= 5


def test_a_remediation_request_becomes_a_workflow_that_is_valid() -> None:
    step = {"name": "a", "actionType": "x/y_z", "image": "i@sha256:" + "0" * 64}
    document = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": "latency", "namespace": "shop", "uid": "u"},
        "spec": {
            "signal": {"fingerprint": "f"},
            "target": {"kind": "Node", "name": "n"},
            "confidence": 0.5,
            "rationale": "why",
            "workflow": {"steps": [step], "dryRun": True},
        },
    }
    read_remediation_request(document)
    made = read_workflow_execution(workflow_of(document))

    assert made.spec.remediation_request_ref is not None
    assert made.spec.remediation_request_ref.name == "latency"
    assert made.spec.dry_run
    assert made.spec.signal is not None
    assert workflow_of(document)["metadata"]["ownerReferences"][0]["uid"] == "u"
