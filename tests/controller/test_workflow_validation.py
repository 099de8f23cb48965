"""The faults of a workflow, with path and value; `kubernaut validate` as a process for the rest."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_controller import InvalidWorkflow, Step, parse_workflow, render, require_valid
from kubernaut_controller.checking import Catalogue, check_workflow
from kubernaut_controller.workflow import read_workflow_execution

ZEROS = "0" * 64
BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))])
Make = Callable[..., Any]


def accept(text: str, **options: Any) -> None:
    workflow = parse_workflow(text, "wf.yaml")
    require_valid(workflow, lambda _type: None, unknown_actions=True, **options)
    render(workflow)


def faults(text: str, **options: Any) -> str:
    with pytest.raises(InvalidWorkflow) as refused:
        accept(text, **options)
    return str(refused.value)


TABLE: list[tuple[str, list[Any], dict[str, Any], str]] = [
    ("no steps", [], {}, "spec.steps: is empty; a workflow needs at least one step."),
    ("duplicate", [{}, {"name": "a"}], {}, "spec.steps[1].name: 'a' is the name of spec.steps[0] already."),
    ("bad name", [{"name": "A_b"}], {}, "spec.steps[0].name: 'A_b' does not match"),
    ("long name", [{"name": "a" * 300}], {}, "spec.steps[0].name: 'aaaa"),
    ("unknown field", [{"retry": 1}], {}, "spec.steps[0].retry: unknown field; there is actionType,"),
    ("unknown spec field", [{}], {"tmeout": "1m"}, "spec.tmeout: unknown field; did you mean timeout?"),
    ("misspelt field", [{"retires": 1}], {}, "spec.steps[0].retires: unknown field; did you mean retries?"),
    ("misspelt runAfter", [{"name": "scale"}, {"runAfter": ["sacle"]}], {}, "no step 'sacle'; did you mean scale?"),
    ("no step at all", ["a"], {}, "spec.steps[0]: must be a mapping, not str."),
    ("wrong type", [{"retries": "many"}], {}, "spec.steps[0].retries: input should be a valid integer"),
    ("bad duration", [{"timeout": "2 minutes"}], {}, "spec.steps[0].timeout: '2 minutes' is not a duration"),
    ("zero duration", [{"timeout": "0s"}], {}, "must be above zero"),
    (
        "a when of a step that is not of finally",
        [{}, {"when": {"step": "a", "state": "failed"}}],
        {},
        "spec.steps[1].when: only a step of finally has a when; others run if those before them succeeded.",
    ),
    ("no digest", [{"image": "ghcr.io/x:1"}], {}, "spec.steps[0].image: ghcr.io/x:1 names no digest;"),
    (
        "something that Tekton would substitute",
        [{"image": f"ghcr.io/x/$(context.pipelineRun.name)@sha256:{ZEROS}"}],
        {},
        "is not an image reference (Tekton would put something in the place of $(…)); name the image itself.",
    ),
    ("a dollar in a registry", [{"image": f"$x/y@sha256:{ZEROS}"}], {}, "is not an image reference"),
    ("a way up in an image", [{"image": f"ghcr.io/x/../y@sha256:{ZEROS}"}], {}, "is not an image reference"),
    ("a digest twice", [{"image": f"a@sha256:{ZEROS}@sha256:{ZEROS}"}], {}, "is not an image reference"),
    ("capitals in an image", [{"image": f"ghcr.io/X@sha256:{ZEROS}"}], {}, "registry/path in small letters"),
    ("a dollar in an account", [{"serviceAccountName": "$(params.x)"}], {}, "spec.steps[0].serviceAccountName: '$("),
    ("a dollar in a secret", [{"secretName": "$(params.x)"}], {}, "spec.steps[0].secretName: '$("),
    ("a dollar in a timeout", [{"timeout": "$(params.x)"}], {}, "is not a duration"),
    ("a dollar in an action", [{"actionType": "a/$(params.x)"}], {}, "spec.steps[0].actionType: 'a/$("),
    (
        "a dollar in resources",
        [{"resources": {"limits": {"memory": "$(params.x)"}}}],
        {},
        "spec.steps[0].resources.limits.memory: '$(params.x)' is not a quantity; write one such as 500m, 2 or 64Mi.",
    ),
    ("a dollar in a resource", [{"resources": {"limits": {"$(x)": 1}}}], {}, "spec.steps[0].resources.limits.$(x)"),
    (
        "a fraction of a CPU, which the API server refuses",
        [{"resources": {"requests": {"cpu": 0.5}}}],
        {},
        "spec.steps[0].resources.requests.cpu: 0.5 has a fraction, which the API server takes only as a text; quote it",
    ),
    ("option for a name", [{"actionType": "--help"}], {}, "spec.steps[0].actionType: '--help' does not match"),
    ("unknown runAfter", [{"runAfter": ["z"]}], {}, "spec.steps[0].runAfter[0]: no step 'z'; there is a."),
    ("after itself", [{"runAfter": ["a"]}], {}, "spec.steps[0].runAfter[0]: 'a' cannot run after itself."),
    (
        "circle",
        [{"runAfter": ["b"]}, {"runAfter": ["c"]}, {"runAfter": ["a"]}],
        {},
        "spec.steps: they wait for each other in a circle: a → b → c → a;",
    ),
    (
        "circle through inputs",
        [{"inputsFrom": [{"input": "x", "step": "b"}]}, {"runAfter": ["a"]}],
        {},
        "in a circle: a → b → a;",
    ),
    ("two sources", [{"inputsFrom": [{"input": "text", "workflow": "target"}]}], {}, "'text' is given already"),
    ("no source", [{"inputsFrom": [{"input": "x"}]}], {}, "name either step or workflow"),
    ("no target", [{"inputsFrom": [{"input": "x", "workflow": "target"}]}], {}, "this workflow has no target."),
    ("bad pointer", [{"inputsFrom": [{"input": "x", "step": "b", "pointer": "a"}]}, {}], {}, "does not match ^(/.*)?$"),
    (
        "pointer into nothing",
        [{"inputsFrom": [{"input": "x", "workflow": "target", "pointer": "/nam"}]}],
        {"target": {"kind": "Node", "name": "n"}},
        "the pointer /nam names nothing; there is kind, name.",
    ),
    (
        "from one that may fail",
        [{"onFailure": "continue"}, {"inputsFrom": [{"input": "x", "step": "a"}]}],
        {},
        "spec.steps[1].inputsFrom[0].step: 'a' may fail (onFailure: continue)",
    ),
    ("longer than the whole", [{"timeout": "2h"}], {"timeout": "1h"}, "spec.steps[0].timeout: 2h is longer"),
    (
        "1 MB of inputs",
        [{"inputs": {"x": "y" * 40_000}}],
        {},
        "spec.steps[0].inputs: 40008 bytes as JSON; at most 32768",
    ),
    ("large integer", [{"inputs": {"x": 2**64}}], {}, "spec.steps[0].inputs.x: this integer does not fit in 64 bits"),
    ("dollar in a pointer", [{"inputsFrom": [{"input": "x", "step": "b", "pointer": "/$(a)"}]}, {}], {}, "holds a $"),
]


@pytest.mark.parametrize(("steps", "spec", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_refused_with_the_path(workflow: Make, step: Make, steps: list[Any], spec: Any, expected: str) -> None:
    made = [
        {**step(chr(ord("a") + index)), **fields} if isinstance(fields, dict) else fields
        for index, fields in enumerate(steps)
    ]

    assert expected in faults(workflow(*made, **spec))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"runAfter": ["a"]}, "spec.finally[0].runAfter: a step of finally runs after all steps"),
        ({"inputsFrom": [{"input": "x", "step": "a"}]}, "takes nothing from steps, which may not have run"),
        ({"name": "a"}, "spec.finally[0].name: 'a' is the name of spec.steps[0] already."),
        ({"when": {"step": "b", "state": "failed"}}, "spec.finally[0].when.step: no step 'b'; there is a."),
        ({"when": {"step": "last", "state": "failed"}}, "spec.finally[0].when.step: no step 'last'; there is a."),
        ({"when": {"step": "a", "state": "lost"}}, "spec.finally[0].when.state: "),
        ({"when": {"step": "$(x)", "state": "failed"}}, "spec.finally[0].when.step: "),
        ({"when": {"state": "failed"}}, "spec.finally[0].when.step: "),
    ],
)
def test_refused_of_finally(workflow: Make, step: Make, fields: dict[str, Any], expected: str) -> None:
    assert expected in faults(workflow(step("a"), **{"finally": [{**step("last"), **fields}]}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "wf.yaml, line 2, column 1: not usable YAML: while parsing a flow node, did not find expected node"),
        ("a: 1\na: 2", "wf.yaml, line 2, column 1: not usable YAML: the key 'a' stands there twice."),
        ("1: 2", "1: unknown field; there is apiVersion"),
        ("a: !!python/object:os.system x", "a: unknown field; there is apiVersion"),
        ("- a", "wf.yaml: must hold one mapping, not list."),
        ("", "wf.yaml: must hold one mapping, not NoneType."),
        ("a: 1\n---\nb: 2", "a second document begins here, of 2"),
        ("a: \0", "not usable YAML"),
        ("a: " + "x" * 1_100_000, "at most 1048576 (1 MiB) are read."),
        (
            BOMB,
            "its aliases expand to more than 200,000 values.",
        ),
    ],
)
def test_broken_yaml_is_told_with_its_place(text: str, expected: str) -> None:
    assert expected in faults(text)


@pytest.mark.parametrize(
    "name", ["x", "ghcr.io/a/b-c.d_e", "localhost:5000/a/b:1.2_3-X", "[::1]:5000/a", "10.0.0.1/a__b", "Host.Example/a"]
)
def test_every_image_reference_by_digest_is_taken(workflow: Make, step: Make, name: str) -> None:
    accept(workflow(step("a", image=f"{name}@sha256:{ZEROS}")))


@pytest.mark.parametrize("quantity", [1, "1", "0.5", "500m", "64Mi", "1e3", "2G"])
def test_every_quantity_is_taken(workflow: Make, step: Make, quantity: Any) -> None:
    accept(workflow(step("a", resources={"requests": {"cpu": quantity, "example.com/gpu": 1}})))


def test_images_of_other_repositories_are_refused(workflow: Make, step: Make) -> None:
    text = workflow(step("a"))

    assert "is not among the allowed ghcr.io/kubernaut/act" in faults(text, repositories=["ghcr.io/kubernaut/act"])
    require_valid(
        parse_workflow(text), lambda _type: None, unknown_actions=True, repositories=["ghcr.io/kubernaut/actions"]
    )


def test_a_pipelinerun_too_large_for_etcd_is_refused(workflow: Make, step: Make) -> None:
    steps = [step(f"s{number}", inputs={"x": "y" * 30_000}) for number in range(25)]

    assert "above 614400 (600 KiB)" in faults(workflow(*steps))


def test_validate_as_a_command(workflow: Make, step: Make, tmp_path: Path) -> None:
    file = tmp_path / "wf.yaml"
    env = {"ACTION_MODULES": str(Path(__file__).parents[1] / "probe_actions.py"), "PATH": "/usr/bin:/bin"}

    def validate(*steps: Any) -> "subprocess.CompletedProcess[str]":
        file.write_text(workflow(*steps))
        argv = [sys.executable, "-m", "kubernaut_cli", "validate", str(file)]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    good = validate(step("a"))
    assert (good.returncode, good.stdout) == (0, f"{file}: valid; 1 step.\n")
    bad = validate(step("a", inputs={"path": 1, "extra": 2}), step("b", actionType="probe/wirte_text", retires=2))
    assert bad.returncode == 2
    assert bad.stderr.splitlines() == [
        'kubernaut: spec.steps[0] "a".inputs.path: input should be a valid string; it is 1.',
        'kubernaut: spec.steps[0] "a".inputs.extra: unknown; this action has path, text.',
        'kubernaut: spec.steps[1] "b".retires: unknown field; did you mean retries?',
        (
            "kubernaut: spec.steps[1] \"b\".actionType: the catalogue has no 'probe/wirte_text'; did you mean "
            "probe/write_text?"
        ),
    ]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """The faults of a workflow's text, checked against the probe actions."""
    from kubernaut_cli.catalog import find_action, known_types

    monkeypatch.setenv("ACTION_MODULES", str(Path(__file__).parents[1] / "probe_actions.py"))
    find_action.cache_clear()
    catalogue = Catalogue(find_action, known_types())
    return lambda text: [str(fault) for fault in check_workflow(json.loads(text), catalogue)[1]]


def test_all_faults_are_told_at_once_across_shape_and_meaning(check: Any, workflow: Make, step: Make) -> None:
    faults = check(
        workflow(
            step("scale", image="ghcr.io/x:1", retries="many"),
            step("persist", runAfter=["sacle"], inputs={"txet": "y"}),
            step("persist", runAfter=["scale"], serviceAccountName="$(x)"),
            confidence=2,
            **{"finally": [step("announce", runAfter=["scale"], onFailure="go on")]},
        )
    )

    assert faults == [
        "spec.confidence: input should be less than or equal to 1; it is 2.",
        (
            'spec.steps[0] "scale".retries: input should be a valid integer, unable to parse string as an integer; '
            "it is 'many'."
        ),
        'spec.steps[0] "scale".image: ghcr.io/x:1 names no digest; write repository@sha256:<64 hex digits>.',
        "spec.steps[1] \"persist\".runAfter[0]: no step 'sacle'; did you mean scale?",
        'spec.steps[1] "persist".inputs.path: missing; it is required.',
        'spec.steps[1] "persist".inputs.txet: unknown; did you mean text?',
        (
            "spec.steps[2] \"persist\".serviceAccountName: '$(x)' does not match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?"
            "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$."
        ),
        "spec.steps[2].name: 'persist' is the name of spec.steps[1] already.",
        "spec.finally[0] \"announce\".onFailure: input should be 'stop' or 'continue'; it is 'go on'.",
        'spec.finally[0] "announce".runAfter: a step of finally runs after all steps; it takes no runAfter.',
    ]


@pytest.mark.parametrize(
    ("steps", "spec", "only"),
    [
        ([{"name": "A_b"}, {"runAfter": ["other"]}], {}, "spec.steps[0].name: 'A_b' does not match"),
        ([{"inputs": 7}], {}, 'spec.steps[0] "a".inputs: must be a mapping, not int.'),
        ([{"inputs": ..., "input": {}}], {}, 'spec.steps[0] "a".input: unknown field; did you mean inputs?'),
        ([{"timeout": "2h"}], {"timeuot": "3h"}, "spec.timeuot: unknown field; did you mean timeout?"),
        ([{"timeout": "2h"}], {"timeout": "3 h"}, "spec.timeout: '3 h' is not a duration"),
        ([{"actionType": ...}], {}, 'spec.steps[0] "a".actionType: missing; it is required.'),
        ([{"runAfter": [{}]}], {}, 'spec.steps[0] "a".runAfter[0]: input should be a valid string; it is a dict.'),
        (
            [{"inputs": {"path": "x"}, "inputsFrom": [{"input": "text", "workflow": "target"}]}],
            {"target": {"kind": 1}},
            "spec.target",
        ),
        (
            [{"inputs": {"path": "x"}, "inputsFrom": [{"input": "text", "stp": "b"}]}],
            {},
            'spec.steps[0] "a".inputsFrom',
        ),
    ],
    ids=str,
)
def test_a_fault_is_told_without_what_only_follows_from_it(
    check: Any, workflow: Make, step: Make, steps: list[Any], spec: Any, only: str
) -> None:
    made = [{**step(chr(ord("a") + index)), **fields} for index, fields in enumerate(steps)]
    kept = [{name: value for name, value in fields.items() if value is not ...} for fields in made]

    faults = check(workflow(*kept, **spec))
    assert faults
    assert [fault for fault in faults if not fault.startswith(only)] == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["a", "b", "1m", "x/y_z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "inputs", "step", "a", "steps", "kind"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from([item.alias or name for name, item in Step.model_fields.items()])


@given(
    st.lists(JUNK | st.dictionaries(FIELDS, JUNK), max_size=3),
    st.dictionaries(st.sampled_from(["finally", "timeout", "target", "signal", "cancel", "zz"]), JUNK, max_size=3),
)
def test_whatever_a_document_holds_its_faults_are_told(steps: list[Any], spec: dict[str, Any]) -> None:
    document = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": "w"},
        "spec": {**spec, "steps": steps},
    }
    workflow, faults = check_workflow(document, Catalogue(lambda _type: None, unknown_actions=True))

    assert workflow is not None or faults
    with contextlib.suppress(InvalidWorkflow):
        read_workflow_execution(document)
        assert workflow is not None


def test_inputs_that_come_later_are_not_missing(workflow: Make, step: Make) -> None:
    from kubernaut_sdk.catalog import find

    steps = [
        step("a"),
        step("b", inputs={"text": "x"}, inputsFrom=[{"input": "path", "step": "a", "pointer": "/text"}]),
    ]
    env_file = str(Path(__file__).parents[1] / "probe_actions.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTION_MODULES", env_file)
        require_valid(parse_workflow(workflow(*steps)), find)
        steps[1]["inputsFrom"][0]["input"] = "pth"
        with pytest.raises(InvalidWorkflow, match="has no input 'pth'"):
            require_valid(parse_workflow(workflow(*steps)), find)


def test_json_is_yaml_too(workflow: Make, step: Make) -> None:
    document = json.loads(workflow(step("a", image=f"x@sha256:{ZEROS}")))

    assert parse_workflow(json.dumps(document)).spec.steps[0].image == f"x@sha256:{ZEROS}"


def test_validate_knows_the_longest_timeout_that_an_installation_allows(tmp_path: Path) -> None:
    step = {"name": "a", "actionType": "probe/do_it", "image": f"x@sha256:{ZEROS}"}
    document = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": "w"},
        "spec": {"timeout": "48h", "steps": [step]},
    }
    file = tmp_path / "wf.json"
    file.write_text(json.dumps(document))
    argv = [sys.executable, "-m", "kubernaut_cli", "validate", "--allow-unknown-actions", str(file)]
    free, capped = (
        subprocess.run([*argv, *more], capture_output=True, text=True) for more in ([], ["--max-timeout=24h"])
    )

    assert free.returncode == 0, free.stderr
    assert capped.returncode == 2
    assert "spec.timeout: 48h is longer than the 24h that are allowed here (--max-timeout)." in capped.stderr
