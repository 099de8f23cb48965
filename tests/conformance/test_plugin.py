"""The kit as a pytest plugin: each check is a test."""

import os
import subprocess
import sys
from pathlib import Path

from .conftest import BROKEN

ALONE = {"PYTEST_ADDOPTS": "-p no:schemathesis"}
"""Without another's plugin that takes two seconds to import."""


def run_pytest(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest on a folder, with the action of `broken/flag.py`; BROKEN names the check that the action breaks."""
    env = {**os.environ, **ALONE, "ACTION_MODULES": str(BROKEN / "flag.py")}
    argv = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-rs", f"--rootdir={folder}", *options]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)


def test_every_check_is_a_test_and_a_failure_says_why_and_what_to_do(tmp_path: Path) -> None:
    scenario = (BROKEN / "conformance.yaml").read_text().replace("env: {", "env: {BROKEN: missing-input, ")
    (tmp_path / "conformance.yaml").write_text(scenario)
    ended = run_pytest(tmp_path, "--conform-installed", "-k", "spec-valid or missing-input or not-applied-twice")

    assert ended.returncode == 1, ended.stdout
    assert "1 failed, 1 passed, 1 skipped" in ended.stdout
    assert "missing-input[feature/set_flag]" in ended.stdout
    assert "the run with no inputs ended with 0" in ended.stdout
    assert "\n  why  A required input that is missing must not become a default" in ended.stdout
    assert "\n  fix  Refuse missing inputs with exit code 2" in ended.stdout
    assert "it calls itself idempotent" in ended.stdout


def test_nothing_is_collected_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    ended = run_pytest(tmp_path)

    assert "1 passed" in ended.stdout


def test_an_invalid_scenario_file_is_reported_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "conformance.yaml").write_text("scenarios: [{action: a/b_c, input: {}}]\n")
    ended = run_pytest(tmp_path, "--conform-installed")

    assert ended.returncode == 2
    assert "scenarios[0].input: unknown field; did you mean inputs?" in ended.stdout
    assert "Traceback" not in ended.stdout


def run_kubernaut_test(*args: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **ALONE, "ACTION_MODULES": str(BROKEN / "flag.py")}
    argv = [sys.executable, "-m", "kubernaut_cli", "test", *args]
    return subprocess.run(argv, env=env, capture_output=True, text=True)


def test_kubernaut_test_runs_a_projects_tests_and_its_scenarios(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_own.py").write_text("def test_own() -> None: pass\n")
    (tmp_path / "conformance.yaml").write_text((BROKEN / "conformance.yaml").read_text())
    ended = run_kubernaut_test(str(tmp_path), "--", "-k", "own or unknown-input")

    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout


def test_kubernaut_test_says_what_is_missing(tmp_path: Path) -> None:
    ended = run_kubernaut_test(str(tmp_path))

    assert ended.returncode == 2
    assert "there is neither tests/ nor conformance.yaml; `kubernaut new` makes both." in ended.stderr
