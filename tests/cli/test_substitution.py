"""The two substitutions, compared with Tekton's and Kubernetes'; and what the engine refuses of Tekton."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from kubernaut_cli.engine.pipelinerun import read_pipeline_run
from kubernaut_cli.engine.substitution import expand, replace, replace_array
from kubernaut_cli.engine.task import generic_task
from kubernaut_controller import InvalidWorkflow, parse_workflow, render

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(params.a)", "A"),
        ("x$(params.a)y$(params.a)", "xAyA"),
        ("$(params.b)", "$(params.b)"),
        ("$$(params.a)", "$A"),
        ("$(date)", "$(date)"),
    ],
)
def test_tekton_replaces_what_it_knows_and_leaves_the_rest(text: str, expected: str) -> None:
    assert replace(text, {"params.a": "A"}) == expected


def test_one_pass_only() -> None:
    assert replace("$(params.a)", {"params.a": "$(params.b)", "params.b": "B"}) == "$(params.b)"


def test_an_array_item_becomes_the_items_of_the_array() -> None:
    arrays = {"params.list": ["-x", "", "$(y)"], "params.none": []}

    assert replace_array(["run", "$(params.list[*])", "$(params.none[*])"], {}, arrays) == ["run", "-x", "", "$(y)"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)", "a"), ("$$(A)", "$(A)"), ("$$$(A)", "$a"), ("$(NONE)", "$(NONE)"), ("$A $", "$A $"), ("a$$b", "a$b")],
)
def test_kubernetes_expands_and_collapses(text: str, expected: str) -> None:
    assert expand(text, {"A": "a"}) == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("pipelineSpec",), {"tasks": []}),
        (("matrix",), {"params": []}),
        (("retries",), 1),
        (("taskSpec",), {}),
        (("displayName",), "x"),
    ],
)
def test_what_is_not_covered_is_refused_with_its_path(workflow: Make, step: Make, path: Any, value: Any) -> None:
    run = render(parse_workflow(workflow(step("a"))))
    run["spec"]["pipelineSpec"]["tasks"][0][path[0]] = value

    with pytest.raises(
        InvalidWorkflow, match=rf"tasks\[0\]\.{path[0]}: the local engine does not cover this of Tekton"
    ):
        read_pipeline_run(run, generic_task())


def test_a_when_is_covered_for_tasks_of_finally_only(workflow: Make, step: Make) -> None:
    run = render(parse_workflow(workflow(step("a"))))
    run["spec"]["pipelineSpec"]["tasks"][0]["when"] = [
        {"input": "$(tasks.a.status)", "operator": "in", "values": ["Failed"]}
    ]

    with pytest.raises(
        InvalidWorkflow, match=r"tasks\[a\]\.when: the local engine covers it only for tasks of finally"
    ):
        read_pipeline_run(run, generic_task())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda task: task["params"].append({"name": "nope", "value": "x"}), "the Task has no param 'nope'"),
        (lambda task: task["params"].pop(0), "the Task needs the param 'actionType'"),
        (lambda task: task["params"].append({"name": "context", "value": "$(context.x)"}), r"\$\(context.x\) is not"),
        (lambda task: task.update(runAfter=["z"]), "waits for 'z', which is no task of this pipeline"),
        (lambda task: task["taskRef"].update(name="git-clone"), "'kubernaut-action'; it is 'git-clone'"),
    ],
)
def test_a_pipelinerun_that_cannot_run_is_refused(workflow: Make, step: Make, change: Any, expected: str) -> None:
    run = json.loads(json.dumps(render(parse_workflow(workflow(step("a"))))))
    change(run["spec"]["pipelineSpec"]["tasks"][0])

    with pytest.raises(InvalidWorkflow, match=expected):
        read_pipeline_run(run, generic_task())
