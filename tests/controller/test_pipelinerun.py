"""The PipelineRun is a deterministic rendering of the workflow, without anything that Tekton would expand."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_cli.engine.pipelinerun import read_pipeline_run
from kubernaut_cli.engine.substitution import expand
from kubernaut_cli.engine.task import generic_task
from kubernaut_controller import dump_yaml, parse_workflow, record_id_of, render

Make = Callable[..., Any]
UID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def admitted(text: str) -> str:
    document = json.loads(text)
    document["metadata"] |= {"uid": UID, "creationTimestamp": "2026-01-31T09:05:07Z"}
    return json.dumps(document)


def params(run: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {param["name"]: param["value"] for param in run["spec"]["pipelineSpec"]["tasks"][index]["params"]}


def test_by_hand_it_has_no_name_no_owner_and_no_ids(workflow: Make, step: Make) -> None:
    run = render(parse_workflow(workflow(step("a"))))

    assert run["metadata"] == {
        "generateName": "probe-",
        "namespace": "shop",
        "labels": {"kubernaut.io/workflow": "probe"},
    }
    assert "recordId" not in params(run)


def test_admitted_it_is_named_and_owned_by_the_uid(workflow: Make, step: Make) -> None:
    made = parse_workflow(admitted(workflow(step("a"))))
    run = render(made)

    assert run["metadata"]["name"] == "probe-e5621d0cdb"
    assert run["metadata"]["ownerReferences"][0]["uid"] == UID
    assert params(run)["recordId"] == record_id_of(made, "a")
    assert record_id_of(made, "a") != record_id_of(made, "b")


def test_the_record_id_is_a_uuid7_of_the_creation_time(workflow: Make, step: Make) -> None:
    from datetime import UTC, datetime
    from uuid import UUID

    from kubernaut_sdk.ids import timestamp

    record_id = UUID(record_id_of(parse_workflow(admitted(workflow(step("a")))), "a") or "")
    assert record_id.version == 7
    assert timestamp(record_id) == datetime(2026, 1, 31, 9, 5, 7, tzinfo=UTC)


def test_the_context_names_the_cluster_once_within_the_target(workflow: Make, step: Make) -> None:
    target = {"cluster": "eu-1", "kind": "Deployment", "namespace": "shop", "name": "checkout"}
    context = json.loads(params(render(parse_workflow(admitted(workflow(step("a"), target=target)))))["context"])

    assert context["target"] == target
    assert "cluster" not in context


def test_deterministic_to_the_byte(workflow: Make, step: Make) -> None:
    text = admitted(workflow(step("a"), step("b", runAfter=["a"]), timeout="15m"))

    assert dump_yaml(render(parse_workflow(text))) == dump_yaml(render(parse_workflow(text)))


def test_all_three_timeouts_are_set_and_finally_has_its_own(workflow: Make, step: Make) -> None:
    text = workflow(step("a", timeout="2m"), timeout="15m", **{"finally": [step("z", timeout="1m")]})
    run = render(parse_workflow(text))

    assert run["spec"]["timeouts"] == {"pipeline": "18m30s", "tasks": "15m", "finally": "3m30s"}
    assert run["spec"]["taskRunSpecs"] == [{"pipelineTaskName": "a", "timeout": "4m30s"}]
    assert run["spec"]["pipelineSpec"]["finally"][0]["timeout"] == "3m30s"


@pytest.mark.parametrize(("state", "status"), [("succeeded", "Succeeded"), ("failed", "Failed"), ("skipped", "None")])
def test_a_when_is_an_expression_on_the_status_that_tekton_gives(
    workflow: Make, step: Make, state: str, status: str
) -> None:
    text = workflow(step("a"), **{"finally": [step("z", when={"step": "a", "state": state})]})
    [final] = render(parse_workflow(text))["spec"]["pipelineSpec"]["finally"]

    assert final["when"] == [{"input": "$(tasks.a.status)", "operator": "in", "values": [status]}]


def test_values_of_earlier_steps_are_array_elements_of_their_own(workflow: Make, step: Make) -> None:
    sources = [
        {"input": "x", "step": "a", "pointer": "/n"},
        {"input": "y", "workflow": "target", "pointer": "/name"},
    ]
    text = workflow(step("a"), step("b", inputs={}, inputsFrom=sources), target={"kind": "Node", "name": "n1"})
    given_params = params(render(parse_workflow(text)), 1)

    assert given_params["inputsFrom"] == ["--input-from", "x", "/n", "$(tasks.a.results.output)"]
    assert json.loads(given_params["inputs"]) == {"y": "n1"}


def test_secrets_accounts_and_resources_are_each_steps_own(workflow: Make, step: Make) -> None:
    fields = {
        "secretName": "git-credentials",
        "serviceAccountName": "pusher",
        "resources": {"limits": {"memory": "1Gi"}},
        "onFailure": "continue",
    }
    run = render(parse_workflow(workflow(step("a", **fields), step("b"))))
    task = run["spec"]["pipelineSpec"]["tasks"][0]

    assert task["workspaces"] == [{"name": "secrets", "workspace": "secrets-a"}]
    assert run["spec"]["workspaces"] == [{"name": "secrets-a", "secret": {"secretName": "git-credentials"}}]
    assert run["spec"]["taskRunSpecs"][0]["serviceAccountName"] == "pusher"
    assert run["spec"]["taskRunSpecs"][0]["computeResources"] == {"limits": {"memory": "1Gi"}}
    assert task["onError"] == "continue"


def test_names_too_long_for_a_label_are_hashed_there_and_whole_in_an_annotation(workflow: Make, step: Make) -> None:
    name = "a" * 200
    metadata = render(parse_workflow(workflow(step("a"), name=name)))["metadata"]

    assert len(metadata["labels"]["kubernaut.io/workflow"]) <= 63
    assert metadata["annotations"]["kubernaut.io/workflow"] == name
    assert len(metadata["generateName"]) <= 43


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=20)
    | st.sampled_from(["$(params.x)", "$$", "$(A)"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_every_value_survives_tekton_kubernetes_and_yaml(inputs: dict[str, Any]) -> None:
    document = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": "w"},
        "spec": {
            "steps": [{"name": "a", "actionType": "x/y_z", "image": "i@sha256:" + "0" * 64, "inputs": inputs}],
        },
    }
    run = render(parse_workflow(json.dumps(document)))
    text = params(run)["inputs"]

    assert "$" not in text
    assert expand(text, {"A": "expanded"}) == text
    assert json.loads(text) == inputs
    assert yaml.safe_load(dump_yaml(run)) == run
    read_pipeline_run(run, generic_task())


def test_yaml_quotes_what_others_would_read_differently() -> None:
    words = ["y", "No", "1e3", "0o7", "=", "", "2026-01-01", "1:30", "~", "null", "- a", "é", "a: b", "0x1f", ".5"]
    text = dump_yaml({"words": words})

    assert yaml.safe_load(text) == {"words": words}
    assert all(line.startswith('- "') for line in text.splitlines()[1:])
