"""docs/action-contract.md names what the SDK reads, what the Task passes and declares, and what the kit checks."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubernaut_conformance.checks import ACTION_CHECKS, IMAGE_CHECKS
from kubernaut_conformance.spec import ActionSpec
from kubernaut_sdk import errors
from kubernaut_sdk.catalog import CONTRACT as VERSION
from kubernaut_sdk.interrupts import GRACE
from kubernaut_sdk.models import MAX_SCALAR
from kubernaut_sdk.portable import MAX_INPUTS
from kubernaut_sdk.program.verbs import program
from kubernaut_sdk.results import BUDGET, RESULT_NAMES
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import State
from kubernaut_sdk.wire import LARGEST_PART

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "action-contract.md").read_text()
TASK = yaml.safe_load((ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml").read_text())
[STEP] = TASK["spec"]["steps"]


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_column(title: str) -> list[str]:
    """The words in backticks in the first column of a section's table."""
    rows = re.findall(r"^\| (`.*?) \|", section(title), re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^` ]+)[^`]*`", row)]


def read_variables() -> set[str]:
    """The variables that `settings.py` reads: its texts in capitals."""
    tree = ast.parse((ROOT / "sdk/kubernaut_sdk/settings.py").read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"[A-Z]+(_[A-Z]+)*", text)}


def test_every_variable_of_settings_and_task_is_in_the_table_and_no_other() -> None:
    passed = {variable["name"] for variable in STEP["env"]}

    assert read_variables() >= {"ACTION_INPUTS", "TRACEPARENT", "POD_UID"}
    assert set(first_column("Variables")) == read_variables() | passed


def test_the_defaults_are_those_of_the_sdk_and_of_the_task() -> None:
    defaults = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", section("Variables"), re.MULTILINE))
    settings = StepSettings.from_env({})
    params = {param["name"]: param.get("default") for param in TASK["spec"]["params"]}

    assert (defaults["ACTION_INPUTS"], defaults["ACTION_RETRIES"]) == (settings.inputs, str(settings.retries))
    assert defaults["SECRETS_DIR"] == str(settings.secrets_dir)
    assert [params[name] for name in ("inputs", "dryRun", "timeout", "retries")] == [
        defaults[f"ACTION_{name}"] for name in ("INPUTS", "DRY_RUN", "TIMEOUT", "RETRIES")
    ]


def test_every_field_of_the_context_is_named() -> None:
    given = {"confidence": 0.5, "remediation": {}, "signal": {}, "target": {}, "workflow": {}}
    fields = re.findall(r"`(\w+)`", re.findall(r"^\| `ACTION_CONTEXT` .*$", TEXT, re.MULTILINE)[0])[1:]
    context: dict[str, Any] = {name: given.get(name, "x") for name in fields}
    assert StepSettings.from_env({"ACTION_CONTEXT": json.dumps({**context, "other": 1})}).context == context


def test_every_param_of_the_task_is_named() -> None:
    assert [param["name"] for param in TASK["spec"]["params"] if f"`{param['name']}`" not in TEXT] == []


def test_the_result_files_are_those_of_the_task_and_of_the_sdk() -> None:
    files = first_column("Result files")

    assert sorted(files) == sorted(RESULT_NAMES) == sorted(result["name"] for result in TASK["spec"]["results"])


def test_every_verb_is_in_the_table_and_no_other() -> None:
    assert sorted(first_column("Verbs and arguments")) == sorted(program.commands)


def test_every_event_is_in_the_table() -> None:
    sent = set(State) - {State.INTENDED, State.LOST, State.SKIPPED}  # these are the controller's

    assert set(first_column("Events")) == {state.value for state in sent}


def test_every_check_of_the_kit_is_named_and_no_other() -> None:
    lines = re.findall(r"^Checks?: (.*)$", TEXT, re.MULTILINE)
    named = [name for line in lines for name in re.findall(r"`([a-z-]+)`", line)]

    assert set(named) == {check.name for check in IMAGE_CHECKS} | {check.name for check in ACTION_CHECKS}


def test_the_reasons_are_the_names_of_the_errors() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", section("Exit codes"), re.MULTILINE)

    assert [int(code) for code, _ in rows] == [1, 2, 3, 4, 5, 75, 124, 143]
    assert all(getattr(errors, name).exit_code == int(code) for code, name in rows)


def test_every_field_of_the_spec_is_named() -> None:
    assert [name for name in ActionSpec.model_fields if f"`{name}`" not in section("Verbs and arguments")] == []
    assert f'"contract": "{VERSION}"' in TEXT


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("`ACTION_INPUTS`, after escaping", f"{MAX_INPUTS // 1024} KiB"),
        ("result files together", f"{BUDGET:,} bytes"),
        ("a required scalar field of the output", f"{MAX_SCALAR} bytes"),
        ("`change` and `output` in a record", f"{LARGEST_PART // 1024} KiB each"),
        ("end after SIGTERM", f"{GRACE:.0f} s; killed after 30 s"),
    ],
)
def test_the_limits_are_those_of_the_code(limit: str, value: str) -> None:
    assert f"| {limit} | {value} |" in section("Limits")


def test_the_confinement_is_the_tasks() -> None:
    security, text = STEP["securityContext"], section("The container")

    assert (security["runAsUser"], security["runAsGroup"]) == (65532, 65532)
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert STEP["computeResources"]["limits"]["memory"].removesuffix("Mi") + " MiB" in text
    assert TASK["spec"]["volumes"][0]["emptyDir"]["sizeLimit"].removesuffix("Mi") + " MiB" in text
