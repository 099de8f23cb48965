"""The GitHub workflows of this repository and of a new project: their names exist, are pinned, and have few rights."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubernaut_cli.program import program
from kubernaut_cli.scaffold import name_project

ROOT = Path(__file__).parents[2]
REPOSITORY_WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text() for path in REPOSITORY_WORKFLOWS} | {
    "new/image.yml": name_project("queue-actions").texts()[".github/workflows/image.yml"]
}
RELEASE_JOBS = ("images", "publish-services", "publish-bundles", "publish-packages", "publish-release")
MAY_WRITE = {
    *(("images.yml", "publish"), ("images.yml", "join"), ("new/image.yml", "publish"), ("new/image.yml", "join")),
    *(("release.yml", job) for job in RELEASE_JOBS),
}
everywhere = pytest.mark.parametrize("name", TEXTS)


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(TEXTS[name])["jobs"]
    return found


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in jobs(name).values():
        yield from job.get("steps", ())  # a job may be another workflow of this repository


@everywhere
def test_every_action_is_pinned_by_commit_and_says_its_version(name: str) -> None:
    used = [step["uses"] for step in steps(name) if "uses" in step]

    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+(/[\w-]+)*@[0-9a-f]{40}", action)
        assert re.search(rf"uses: {re.escape(action)} # v\d+\.\d+\.\d+\n", TEXTS[name]), action


def test_one_action_is_pinned_to_one_commit_everywhere() -> None:
    pins = set(re.findall(r"uses: (\S+)@(\S+)", "".join(TEXTS.values())))

    assert len({action for action, _ in pins}) == len(pins)


@everywhere
def test_rights_are_named_and_only_who_publishes_may_write(name: str) -> None:
    assert yaml.safe_load(TEXTS[name])["permissions"] == {"contents": "read"}
    writing = {(name, job) for job, body in jobs(name).items() if "write" in body.get("permissions", {}).values()}
    assert writing == {pair for pair in MAY_WRITE if pair[0] == name}
    for _, job in writing:
        body = jobs(name)[job]
        assert set(body["permissions"]) <= {"attestations", "contents", "id-token", "packages"}
        if body.get("uses") == "./.github/workflows/images.yml":  # its own jobs are guarded
            continue
        needs = body.get("needs", [])
        guarded = [body, *(jobs(name)[needed] for needed in ([needs] if isinstance(needs, str) else needs))]
        assert any(part.get("if") == "github.event_name == 'push'" for part in guarded)


@pytest.mark.parametrize(("name", "job"), [("images.yml", "join"), ("release.yml", "publish-services")])
def test_every_image_of_a_release_has_its_provenance_attested(name: str, job: str) -> None:
    body = jobs(name)[job]
    [attest] = [one for one in body["steps"] if one.get("uses", "").startswith("actions/attest-build-provenance@")]
    [joined] = [one for one in body["steps"] if one.get("id") == "joined"]

    assert attest["with"] == {
        "subject-name": "${{ steps.joined.outputs.name }}",
        "subject-digest": "${{ steps.joined.outputs.digest }}",
        "push-to-registry": True,
    }
    for output in ("name", "digest"):
        assert f'echo "{output}=${output}" >> "$GITHUB_OUTPUT"' in joined["run"]
    assert body["permissions"]["attestations"] == body["permissions"]["id-token"] == "write"


def test_a_called_workflow_asks_for_no_right_that_its_caller_does_not_have() -> None:
    # GitHub refuses to start it
    given = jobs("release.yml")["images"]["permissions"]
    asked = {pair for body in jobs("images.yml").values() for pair in body.get("permissions", {}).items()}

    assert asked <= set(given.items())


@everywhere
def test_no_job_runs_for_ever_and_no_checkout_leaves_a_token_behind(name: str) -> None:
    assert [
        job for job, body in jobs(name).items() if "uses" not in body and not 0 < body.get("timeout-minutes", 0) <= 60
    ] == []
    checkouts = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@everywhere
def test_what_may_publish_builds_nothing_and_starts_nothing_that_was_built(name: str) -> None:
    texts = {
        job: "\n".join(step.get("run", "") for step in body.get("steps", ()))
        for job, body in jobs(name).items()
        if "write" in (body.get("permissions") or {}).values()
    }

    assert [job for job, text in texts.items() if re.search(r"\bbuild\b|build-|conform|wheels|docker run", text)] == []


@everywhere
def test_what_others_may_name_reaches_a_shell_only_as_a_variable(name: str) -> None:
    assert [step["run"] for step in steps(name) if "${{" in step.get("run", "")] == []


@everywhere
def test_commands_and_targets_are_there(name: str) -> None:
    text = "\n".join(step["run"] for step in steps(name) if "run" in step)
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert f"\n{target}:" in makefile, target
    for script in re.findall(r"(?:^|\s)(\.github/\S+)", text):
        assert os.access(ROOT / script, os.X_OK), script
    for words in re.findall(r"\bkubernaut ([a-z]+.*)", text):
        command = program.get_command(None, words.split()[0])  # type: ignore[arg-type] # it does not depend on a context
        assert command is not None, words
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", words)) <= options, words


@everywhere
def test_zizmor_finds_nothing(name: str, tmp_path: Path) -> None:
    file = tmp_path / ".github" / "workflows" / Path(name).name
    file.parent.mkdir(parents=True)
    file.write_text(TEXTS[name])
    for path in REPOSITORY_WORKFLOWS:  # one workflow may use another
        (file.parent / path.name).write_text(path.read_text())
    program = Path(sys.executable).with_name("zizmor")
    ended = subprocess.run([program, "--offline", "--quiet", "--no-progress", file], capture_output=True, text=True)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", [path.name for path in REPOSITORY_WORKFLOWS])
def test_actionlint_finds_nothing(name: str) -> None:
    if (program := shutil.which("actionlint")) is None:
        pytest.skip("no actionlint is on PATH (go install github.com/rhysd/actionlint/cmd/actionlint@latest)")
    ended = subprocess.run(
        [program, "-no-color", name], cwd=ROOT / ".github" / "workflows", capture_output=True, text=True
    )

    assert ended.stdout + ended.stderr == ""


def test_our_images_are_built_on_bases_named_by_digest() -> None:
    env = yaml.safe_load(TEXTS["images.yml"])["env"]
    script = (ROOT / ".github" / "workflows" / "build-and-try").read_text()

    assert all(re.search(r"@sha256:[0-9a-f]{64}$", env[name]) for name in ("BASE_IMAGE", "TOOL_IMAGE"))
    assert {
        part for job in ("try", "publish", "join") for part in jobs("images.yml")[job]["strategy"]["matrix"]["part"]
    } == {path.parent.name for path in (ROOT / "actions").glob("*/Dockerfile")}
    for variable in ("BASE_IMAGE", "IMAGE_PREFIX"):
        assert f"${variable}" in script
