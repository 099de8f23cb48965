"""The docs say only what is so: their code runs, their commands exist, their tables are the program's own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kubernaut_cli.catalog import action_entries
from kubernaut_cli.docs import action_pages
from kubernaut_cli.engine.report import EXIT_CODES
from kubernaut_cli.program import program
from kubernaut_cli.reference import reference_pages
from kubernaut_conformance.examine import examine
from kubernaut_conformance.installed import InstalledActions
from kubernaut_conformance.scenario import Scenario, read_scenarios
from kubernaut_controller import parse_workflow, render, require_valid
from kubernaut_controller.crd import custom_resource_definitions
from kubernaut_controller.status import Phase
from kubernaut_sdk.catalog import all_actions, find
from kubernaut_sdk.errors import explain
from kubernaut_sdk.judgement import CODES, ContainerEnd, outcome_of
from kubernaut_sdk.states import State

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
CONTRACT = DOCS["action-contract.md"]
EXIT_CODE_ROWS = re.findall(r"^\| (\d+) \| .*? \| (.*?) \| (.*?) \|$", CONTRACT, re.MULTILINE)
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{name}" for name in DOCS)]
BIN = Path(sys.executable).parent


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_smallest_action_is_small_and_runs(action: Any, tmp_path: Path) -> None:
    [code] = blocks("python")
    file, flags = tmp_path / "my_action.py", tmp_path / "flags.json"
    file.write_text(code)
    flags.write_text('{"dark-mode": false}')
    args = ["feature/set_flag", "-p", f"file={flags}", "-p", "name=dark-mode", "-p", "on=true"]
    planned = action.run("plan", *args, ACTION_MODULES=str(file))
    ended = action.run("run", *args, ACTION_MODULES=str(file))
    again = action.run("run", *args, ACTION_MODULES=str(file))

    assert len([line for line in code.splitlines() if line.strip()]) <= 25
    assert planned.stdout.strip() in README
    assert (ended.code, again.document["status"]) == (0, "unchanged")
    assert json.loads(flags.read_text()) == {"dark-mode": True}


def test_the_test_of_the_smallest_action_passes(tmp_path: Path) -> None:
    [code] = blocks("python", DOCS["testing-actions.md"])
    (tmp_path / "my_action.py").write_text(blocks("python")[0])
    (tmp_path / "test_my_action.py").write_text(code)
    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    ended = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True)

    assert "1 passed" in ended.stdout, ended.stdout


def test_the_scenario_of_the_smallest_action_is_whole_and_every_field_is_told(tmp_path: Path) -> None:
    text = DOCS["testing-actions.md"]
    [scenarios] = blocks("yaml", text)
    (tmp_path / "conformance.yaml").write_text(scenarios)
    [scenario] = read_scenarios(tmp_path / "conformance.yaml")
    (tmp_path / "my_action.py").write_text(blocks("python")[0])
    subject = InstalledActions({"ACTION_MODULES": str(tmp_path / "my_action.py"), "PATH": os.environ["PATH"]})
    judgements = list(examine(subject, [scenario], only=["scenario-runs", "second-run-unchanged"]))

    assert [judgement.outcome for judgement in judgements] == ["passed", "passed"]
    assert [name for name in Scenario.model_fields if f"`{name}`" not in text] == []


def test_the_workflow_is_valid_and_renders() -> None:
    [text] = blocks("yaml", DOCS["workflows.md"])
    workflow = parse_workflow(text)
    require_valid(workflow, find)
    assert render(workflow)["spec"]["timeouts"]["tasks"] == "15m"


def test_every_command_is_there_and_in_the_docs() -> None:
    named = set(re.findall(r"`kubernaut ([a-z]+)", DOCS["commands.md"]))

    assert named == set(program.list_commands(None))  # type: ignore[arg-type] # the names do not depend on a context


def test_the_exit_codes_are_the_programs_own() -> None:
    rows = EXIT_CODE_ROWS

    assert [int(code) for code, _, _ in rows] == [0, 1, 2, 3, 4, 5, 75, 124, 143]
    for code, meaning, changed in rows:
        told = explain(int(code))
        assert (told["meaning"], told["may_have_changed"]) == (meaning, changed)


@pytest.mark.parametrize(
    ("code", "changed"), re.findall(r"^\| (\d+) \| .*? \| .*? \| (.*?) \|$", CONTRACT, re.MULTILINE)
)
def test_the_exit_codes_mean_to_the_engines_what_the_contract_says(code: str, changed: str) -> None:
    number = int(code)
    state = next((state for state, of in CODES.items() if of == number), State.FAILED)
    error = json.dumps({"code": number, "reason": "X", "message": "x"}) if number else ""
    said = {"status": state.value, "output": "", "error": error, "record-id": "", "record-status": "stored"}
    ends = {
        word: outcome_of(ContainerEnd(exit_code=number, results={**said, "changed": word}))
        for word in ("true", "false", "unknown")
    }

    assert all(end.state.good == (number == 0) for end in ends.values())
    assert ends["false"].changed is False
    assert ends["true"].changed is (None if changed == "no" else True)
    assert ends["unknown"].changed is None


def test_the_exit_codes_of_a_run_are_the_programs_own() -> None:
    [row] = re.findall(r"^\| `kubernaut run FILE` .*$", DOCS["commands.md"], re.MULTILINE)
    words = {
        "Succeeded": "0 succeeded",
        "Failed": "1 failed",
        "TimedOut": "124 time over",
        "Cancelled": "130 cancelled",
    }

    assert all(words[phase].startswith(f"{EXIT_CODES[Phase(phase)]} ") for phase in words)
    assert (
        f"Exit {words['Succeeded']}, {words['Failed']}, 2 cannot be run, {words['TimedOut']}, {words['Cancelled']}."
        in row
    )


def test_every_included_action_is_in_the_docs() -> None:
    assert [
        action.action_type for action in all_actions() if f"`{action.action_type}`" not in DOCS["included-actions.md"]
    ] == []


def test_the_pages_of_the_actions_are_fresh() -> None:
    folder = ROOT / "docs" / "actions"

    assert {path.name: path.read_text() for path in folder.iterdir()} == action_pages(action_entries()), (
        "run `make docs`"
    )


def test_the_reference_pages_are_fresh() -> None:
    pages = reference_pages()

    assert {name: DOCS.get(name) for name in pages} == pages, "run `make docs`"


def test_the_workflow_reference_has_every_field_of_the_custom_resources() -> None:
    def names(schema: dict[str, Any]) -> set[str]:
        fields = schema.get("properties", {})
        inner = [*fields.values(), *([schema["items"]] if "items" in schema else [])]
        return set(fields) | {name for one in inner for name in names(one)}

    resources = custom_resource_definitions().values()
    schemas = [item["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for item in resources]
    known = {name for schema in schemas for name in names(schema)} - {"apiVersion", "metadata", "spec", "status"}

    assert [name for name in sorted(known) if f"| `{name}` |" not in DOCS["workflow-reference.md"]] == []


@pytest.mark.parametrize("file", PAGES)
def test_links_lead_somewhere(file: str) -> None:
    text = (ROOT / file).read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert ((ROOT / file).parent / target).exists(), target
    for target, section in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", text):
        there = (ROOT / file).parent / target if target else ROOT / file
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert section in anchors, f"{target}#{section}"


def test_make_help_lists_every_target() -> None:
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    targets = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [target for target in targets if target not in helped and target != "help"] == []


def test_every_make_target_the_docs_name_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)`", "".join((ROOT / page).read_text() for page in PAGES)))

    assert [name for name in named if f"\n{name}:" not in makefile and not name.startswith("image-")] == []


def test_every_file_in_the_recipes_is_there() -> None:
    named = re.findall(r"`([a-z_]+/[\w./-]+)`", DOCS["contributing-recipes.md"])
    types = {action.action_type for action in all_actions()} | {"kubernetes/drain_node"}

    assert len(named) > 20
    assert [name for name in named if name not in types and not (ROOT / name).exists()] == []


def test_every_file_in_contributing_is_there() -> None:
    named = re.findall(r"`([a-z]+)/…/([\w./]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    package = {"sdk": "sdk", "cli": "cli", "controller": "controller", "datastorage": "datastorage"}
    paths = [f"{part}/kubernaut_{package[part]}/{rest}" for part, rest in named]

    assert [path for path in paths if not (ROOT / path).exists()] == []
