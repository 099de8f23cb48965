"""`kubernaut new` makes a project whose tests pass, whose action runs and whose image conforms."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubernaut_cli import scaffold
from kubernaut_cli.scaffold import Project, copy_wheels, name_project
from kubernaut_conformance.examine import examine
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.scenario import read_scenarios
from kubernaut_controller import parse_workflow
from kubernaut_sdk import InvalidInputs

from .conftest import IMAGE_PREFIX, CommandResult

Run = Callable[..., CommandResult]
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TRIED = (
    "spec-offline",
    "spec-valid",
    "spec-label",
    "non-root",
    "unknown-input",
    "scenario-runs",
    "dry-run-writes-nothing",
    "second-run-unchanged",
    "results-complete",
    "read-only-root",
)
"""The quick checks; tests/conformance shows that the SDK keeps the rest of the contract."""


@pytest.fixture
def made(called: Run, tmp_path: Path) -> Path:
    ended = called("new", "queue-actions", "--action=queue/purge_messages", "--into", tmp_path)
    assert ended.code == 0, ended.stderr
    assert "  kubernaut build --tag=queue-actions:dev\n" in ended.stdout
    return tmp_path / "queue-actions"


def sh(*argv: str | Path, **options: Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_a_project_is_complete_and_named_throughout(made: Path) -> None:
    files = [path for path in made.rglob("*") if path.is_file() and path.suffix != ".whl"]
    texts = {str(path.relative_to(made)): path.read_text() for path in files}

    assert sorted(texts) == [
        ".dockerignore",
        ".github/workflows/image.yml",
        ".gitignore",
        "Dockerfile",
        "README.md",
        "conformance.yaml",
        "pyproject.toml",
        "queue_actions/__init__.py",
        "queue_actions/flags.py",
        "requirements.txt",
        "tests/test_flags.py",
        "workflow.yaml",
    ]
    assert [path for path, text in texts.items() if re.search(r"sample|set_flag", text)] == []
    definition = tomllib.loads(texts["pyproject.toml"])["project"]
    assert definition["name"] == "queue-actions"
    assert definition["entry-points"]["kubernaut.actions"] == {
        "queue/purge_messages": "queue_actions.flags:purge_messages"
    }
    assert "  - action: queue/purge_messages\n" in texts["conformance.yaml"]
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", texts["Dockerfile"], re.MULTILINE)
    code = [line for line in texts["queue_actions/flags.py"].splitlines() if line.strip() and '"""' not in line]
    assert len(code) <= 32
    parsed = parse_workflow(texts["workflow.yaml"])
    assert [step.action_type for step in parsed.spec.steps] == ["queue/purge_messages"]


def test_its_tests_pass_and_its_action_runs(made: Path, tmp_path: Path) -> None:
    """The project is installed from its wheel, so that its entry point is tested too."""
    sh(BIN / "uv", "build", "--quiet", "--wheel", f"--out-dir={tmp_path}", made)
    [wheel] = tmp_path.glob("*.whl")
    sh(BIN / "pip", "install", "--quiet", "--no-deps", "--no-index", f"--target={tmp_path / 'site'}", wheel)
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    env.pop("PYTEST_ADDOPTS", None)
    tested = sh(BIN / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=made, env=env)
    checked = sh(BIN / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "input", cwd=made, env=env)
    flags = tmp_path / "flags.json"
    flags.write_text('{"dark-mode": false}')
    words = ["queue/purge_messages", "-p", f"file={flags}", "-p", "name=dark-mode", "-p", "on=true"]
    planned = json.loads(sh(BIN / "kubernaut-action", "plan", *words, env=env))
    assert json.loads(flags.read_text()) == {"dark-mode": False}
    ran = json.loads(sh(BIN / "kubernaut-action", "run", *words, env=env))

    assert "4 passed" in tested
    assert "4 passed" in checked  # unknown, missing, withheld and malformed inputs, by its conformance.yaml
    assert planned["change"] == {"before": {"on": False}, "after": {"on": True}}
    assert (ran["status"], ran["changed"]) == ("succeeded", True)
    assert json.loads(flags.read_text()) == {"dark-mode": True}


@pytest.mark.docker
@pytest.mark.slow
def test_its_image_is_built_and_conforms(made: Path, base: str, kubernaut: Run) -> None:
    wheels = made / "wheels"
    shutil.copytree(ROOT / "build" / "wheels", wheels, dirs_exist_ok=True, ignore=shutil.ignore_patterns("boto*"))
    sh(BIN / "pip", "--quiet", "download", "--only-binary=:all:", f"--dest={wheels}", "hatchling>=1.27")
    name = f"{IMAGE_PREFIX}/new:dev"
    arguments = [f"--build-arg=BASE_IMAGE={base}", "--build-arg=PIP_NO_INDEX=1"]
    built = kubernaut("build", made, f"--tag={name}", *arguments, "--quiet")
    assert built.code == 0, built.stderr
    scenarios = read_scenarios(made / "conformance.yaml")
    judged = {
        judgement.check.name: judgement for judgement in examine(ActionImage(name), scenarios, cwd=made, only=TRIED)
    }
    inputs = json.dumps(parse_workflow((made / "workflow.yaml").read_text()).spec.steps[0].inputs)
    pod = ["docker", "run", "--rm", "--read-only", "--network=none", "--tmpfs=/tmp:mode=1777", "--user=65532:65532"]
    settings = ["--env=ACTION_TYPE=queue/purge_messages", f"--env=ACTION_INPUTS={inputs}", "--env=HOME=/tmp"]
    in_a_pod = json.loads(sh(*pod, *settings, name, "run"))
    subprocess.run(["docker", "image", "rm", "--no-prune", name], capture_output=True)

    assert (in_a_pod["status"], in_a_pod["changed"]) == ("succeeded", True)
    assert built.stdout.splitlines()[0].startswith(f"{name} sha256:")
    assert built.stdout.endswith(": queue/purge_messages\n")
    assert {check: judged[check].outcome for check in TRIED} == dict.fromkeys(TRIED, "passed"), judged


def test_the_wheels_of_a_checkout_are_given_to_a_project_or_said_to_be_missing(
    called: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(scaffold, "__file__", str(checkout / "cli" / "kubernaut_cli" / "scaffold.py"))
    (tmp_path / "bare").mkdir()
    assert copy_wheels(tmp_path / "bare") == 0
    assert list((tmp_path / "bare").iterdir()) == []

    (checkout / "build" / "author-wheels").mkdir(parents=True)
    (checkout / "build" / "author-wheels" / "kubernaut_sdk-0.1.0-py3-none-any.whl").write_bytes(b"x")
    (tmp_path / "given").mkdir()
    assert copy_wheels(tmp_path / "given") == 1
    assert [path.name for path in (tmp_path / "given" / "wheels").iterdir()] == ["kubernaut_sdk-0.1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("name", "action_type", "found"),
    [
        ("feature-flags", None, Project("feature-flags", "feature-flags/set_flag")),
        ("queue-actions", None, Project("queue-actions", "queue/set_flag")),
        ("mailroom", "queue/purge_messages", Project("mailroom", "queue/purge_messages")),
    ],
)
def test_what_is_not_said_follows_from_the_name(name: str, action_type: str | None, found: Project) -> None:
    assert name_project(name, action_type) == found


@pytest.mark.parametrize(
    ("name", "action_type", "sentence"),
    [
        ("Feature_Flags", None, "Feature_Flags is no name of a project: it does not have that form; take lower-case"),
        ("Feature_Flags", None, "take lower-case words with hyphens between, such as feature-flags."),
        ("FeatureFlags", None, "such as feature-flags."),
        ("json", None, "json is no name of a project: Python itself has a json; "),
        ("json", None, "such as json-actions."),
        ("kubernaut-flags", None, "packages named kubernaut… are Kubernaut's own; "),
        ("kubernaut-flags", None, "such as flags."),
        ("../flags", None, "such as flags."),
        ("", None, "an empty text is no name of a project"),
        ("1", None, "take lower-case words with hyphens between."),
        ("a" * 60, None, "it is longer than 50 characters"),
        ("tests", None, "the project has a folder tests already"),
        ("flags", "purge", "purge is no action type; write domain/verb_noun, such as flags/purge_messages."),
        ("flags", "Queue/PurgeMessages", "such as queue/purge_messages."),
    ],
)  # fmt: skip
def test_an_invalid_name_is_refused_with_a_valid_one(name: str, action_type: str | None, sentence: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        name_project(name, action_type)
    assert sentence in caught.value.message


def test_what_is_there_already_stays(called: Run, made: Path, tmp_path: Path) -> None:
    (made / "Dockerfile").write_text("mine")
    again = called("new", "queue-actions", "--into", tmp_path)
    (tmp_path / "flags").write_text("")
    no_folder = called("new", "flags", "--into", tmp_path)
    (tmp_path / "empty").mkdir()

    assert (again.code, again.stdout) == (3, "")
    assert (
        again.stderr == f"kubernaut: {made} is there already, and not empty; take another name, or --into a folder.\n"
    )
    assert (made / "Dockerfile").read_text() == "mine"
    assert (no_folder.code, no_folder.stderr.count("\n")) == (3, 1)
    assert called("new", "empty", "--into", tmp_path).code == 0
