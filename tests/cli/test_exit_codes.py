"""The exit codes of the command: the same cause has the same code in every command, and the README has the table."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from kubernaut_cli.commands import records
from kubernaut_cli.errors import EXIT_CODES
from kubernaut_cli.program import program
from kubernaut_sdk import DataStorage

Make = Callable[..., Any]
Run = Callable[..., Any]
ROOT = Path(__file__).parents[2]
COMMANDS = program.list_commands(None)  # type: ignore[arg-type] # the names do not depend on a context
USABLE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "ACTION_MODULES": str(ROOT / "tests/probe_actions.py")}
RECORD = "01a22490-a827-7612-a7ed-2b4d5bb89849"
NO_FOLDER = "--data=/proc/nope/data"

READING_A_WORKFLOW = [["validate"], ["render"], ["run"], ["submit"]]
USING_A_CLUSTER = [["submit", "wf.yaml"], ["status"], ["status", "fix"], ["cancel", "fix"]]
USING_DOCKER = [
    ["actions", "list", "--image=x"],
    ["actions", "show", "a/b", "--image=x"],
    ["build", "image", "--tag=x:1"],
    ["conform", "x"],
    ["docs", "pages", "--image=x"],
    ["publish", "x:1", "ghcr.io/you/x:1"],
    ["run", "wf.yaml", "--engine=docker", "--data=data"],
]
USING_RECORDS = [
    ["history"],
    ["effectiveness"],
    ["patterns"],
    ["target", "api"],
    ["records", "checkpoint"],
    ["records", "prove", RECORD],
]
USING_A_FOLDER = [
    *USING_RECORDS,
    ["records", "flush"],
    ["records", "verify"],
    ["run", "wf.yaml"],
    ["serve", "--port=0"],
]

ENOUGH_ARGUMENTS = {
    "actions": ["list"],
    "build": ["--tag=x"],
    "cancel": ["x"],
    "catalog": ["write"],
    "new": ["x"],
    "publish": ["x"],
    "records": ["checkpoint"],
    "render": ["x"],
    "run": ["x"],
    "submit": ["x"],
    "validate": ["x"],
}


@pytest.fixture
def folder(tmp_path: Path, workflow: Make, step: Make) -> Path:
    """A folder with a valid workflow, an invalid one, and an image's Dockerfile."""
    valid = workflow(step("a", inputs={"path": str(tmp_path / "x"), "text": "x"}))
    (tmp_path / "wf.yaml").write_text(valid)
    (tmp_path / "invalid.yaml").write_text(valid.replace("sha256:", "sha257:"))
    (tmp_path / "image").mkdir()
    (tmp_path / "image/Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def test_the_readme_has_the_table_of_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*?) \|$", (ROOT / "cli/README.md").read_text(), re.MULTILINE)

    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_2(called: Run, command: str) -> None:
    ended = called(command, "--no-such-option")

    assert (ended.code, ended.stdout) == (2, "")
    assert "No such option" in ended.stderr


@pytest.mark.parametrize("command", READING_A_WORKFLOW, ids=" ".join)
@pytest.mark.parametrize("file", ["missing.yaml", "invalid.yaml"])
def test_a_file_that_cannot_be_used_is_2(called: Run, folder: Path, command: list[str], file: str) -> None:
    ended = called(*command, file, cwd=folder, env=USABLE)

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("kubernaut: ")


@pytest.mark.parametrize("command", USING_RECORDS, ids=" ".join)
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "it must start with http:// or https://"),
        ("ftp://me:secret@host", "it must start with http:// or https://"),
        ("http://host:port", "that is no address; write it as http://HOST:PORT or https://HOST"),
        ("http://[::1", "that is no address; write it as http://HOST:PORT or https://HOST"),
        ("https://", "that is no address; write it as http://HOST:PORT or https://HOST"),
        ("http://a b", "that is no address; write it as http://HOST:PORT or https://HOST"),
    ],
)
def test_an_address_that_is_none_is_2(called: Run, command: list[str], url: str, why: str) -> None:
    ended = called(*command, env={**USABLE, "DATA_STORAGE_URL": url})
    shown = url.replace("me:secret@", "***@")

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == f"kubernaut: DATA_STORAGE_URL={shown}: {why}.\n"


def test_the_monitor_does_not_start_with_an_address_that_is_none(called: Run) -> None:
    ended = called("monitor", "--data-storage=nonsense", env=USABLE)

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == "kubernaut: --data-storage=nonsense: it must start with http:// or https://.\n"


@pytest.mark.parametrize("command", [["effectiveness"], ["patterns"], ["target"], ["serve", "migrate"]], ids=" ".join)
def test_an_age_that_is_none_is_2_and_the_message_has_ages(called: Run, command: list[str]) -> None:
    option = "--retention" if command[0] == "serve" else "--since"
    ended = called(*command, f"{option}=soon", env=USABLE)

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.endswith("'soon' is not an age of at most ten years; write one such as 12h, 1w or 90d.\n")


@pytest.mark.parametrize("command", [*USING_RECORDS, ["monitor", "--port=0"]], ids=" ".join)
def test_a_token_file_that_is_not_there_is_3(called: Run, command: list[str]) -> None:
    env = {**USABLE, "DATA_STORAGE_URL": "http://127.0.0.1:1", "DATA_STORAGE_TOKEN_FILE": "/none/token"}
    ended = called(*command, env=env)

    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr == (
        "kubernaut: DATA_STORAGE_TOKEN_FILE=/none/token: it cannot be read: No such file or directory.\n"
    )


@pytest.mark.parametrize(
    ("typed", "hint"), [("histroy", "did you mean history?"), ("fly", "`kubernaut --help` lists all.")]
)
def test_a_misspelt_command_is_2_and_the_right_one_is_proposed(called: Run, typed: str, hint: str) -> None:
    ended = called(typed)

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.endswith(f"Error: No such command '{typed}'; {hint}\n")


@pytest.mark.parametrize("command", USING_A_CLUSTER, ids=" ".join)
def test_no_kubeconfig_is_3(called: Run, folder: Path, command: list[str]) -> None:
    ended = called(*command, cwd=folder, env={**USABLE, "KUBECONFIG": str(folder / "none")})

    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr.startswith("kubernaut: kubeconfig: cannot be used: ")


@pytest.mark.parametrize("command", USING_A_CLUSTER, ids=" ".join)
def test_a_cluster_that_does_not_answer_is_75(called: Run, folder: Path, command: list[str], closed_port: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": closed_port}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    script = "import sys; from kubernaut_cli.__main__ import main; sys.argv[0] = 'kubernaut'; main()"
    # a process for each: the kubernetes client keeps a configuration for its whole process
    ended = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=folder,
        env={**USABLE, "KUBECONFIG": str(folder / "kubeconfig")},
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stdout) == (75, "")
    assert ended.stderr.startswith("kubernaut: the cluster: does not answer: ")


@pytest.mark.parametrize("command", USING_DOCKER, ids=" ".join)
def test_no_docker_engine_is_3(called: Run, folder: Path, command: list[str], closed_port: str) -> None:
    engine = closed_port.replace("http://", "tcp://")
    ended = called(*command, cwd=folder, env={**USABLE, "DOCKER_HOST": engine})

    assert (ended.code, ended.stdout) == (3, "")
    assert "no Docker engine answers" in ended.stderr


@pytest.mark.parametrize("command", USING_A_FOLDER, ids=" ".join)
def test_a_data_folder_that_cannot_be_used_is_3(called: Run, folder: Path, command: list[str]) -> None:
    ended = called(*command, NO_FOLDER, cwd=folder, env=USABLE)

    assert (ended.code, ended.stdout) == (3, "")
    makes = command[0] in {"run", "serve"}
    problem = "the folder cannot be used: " if makes else "holds no records: there is no such folder. Name the folder"
    assert ended.stderr.startswith(f"kubernaut: /proc/nope/data: {problem}")


MAKE_A_STORE = {"run", "serve", "serve migrate"}
"""The commands that make the folder of records where there is none."""
WORDS = {
    "history show": [RECORD],
    "records prove": [RECORD],
    "records drop-month": ["2025-01"],
    "report": ["--workflow=x"],
    "serve backup": ["copy"],
    "serve drop-month": ["2025-01"],
    "serve hold": ["2025-01", "--reason=x"],
    "undo": [RECORD],
}


def with_a_data_folder(group: click.Group, name: str = "") -> Iterator[str]:
    """Yield every command that takes --data, and makes no store."""
    for part in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), part)
        assert command is not None
        if any(option.name == "data" for option in command.params) and f"{name}{part}" not in MAKE_A_STORE:
            yield f"{name}{part}"
        if isinstance(command, click.Group):
            yield from with_a_data_folder(command, f"{name}{part} ")


@pytest.mark.parametrize("command", list(with_a_data_folder(program)))
def test_a_folder_without_records_is_refused_and_not_made(
    called: Run, tmp_path: Path, closed_port: str, command: str
) -> None:
    env = USABLE | {"DOCKER_HOST": closed_port.replace("http", "tcp")}  # what doctor looks at as well
    ended = called(*command.split(), *WORDS.get(command, []), "--data=wrong", cwd=tmp_path, env=env)

    tells_only = command in {"doctor", "records status"}
    assert ended.code in ({0, 3} if tells_only else {2 if command == "serve backup" else 3}), ended.stderr
    assert "wrong" in ended.stdout + ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["docs", "/proc/nope"], ["new", "my-flags", "--into=/proc"]], ids=" ".join)
def test_a_folder_that_cannot_be_written_is_3(called: Run, command: list[str]) -> None:
    ended = called(*command, env=USABLE)

    assert (ended.code, ended.stdout) == (3, "")


@pytest.mark.parametrize("command", USING_RECORDS, ids=" ".join)
def test_a_store_that_does_not_answer_is_75(
    called: Run, folder: Path, command: list[str], closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_TIMEOUT", 0.1)
    monkeypatch.setattr(DataStorage.__init__, "__kwdefaults__", {"patience": 0.1})
    ended = called(*command, cwd=folder, env={**USABLE, "DATA_STORAGE_URL": closed_port})

    assert (ended.code, ended.stdout) == (75, "")
    assert " cannot be read: " in ended.stderr


def test_a_record_that_does_not_exist_is_3(called: Run, folder: Path) -> None:
    assert called("records", "prove", RECORD, "--data=data", cwd=folder, env=USABLE).code == 3


def test_a_project_without_tests_is_2(called: Run, tmp_path: Path) -> None:
    assert called("test", tmp_path).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_is_130(called: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(program.get_command(None, command)), "invoke", interrupt)  # type: ignore[arg-type]

    assert called(command, *ENOUGH_ARGUMENTS.get(command, [])).code == 130


def test_a_reader_that_closes_the_pipe_is_141() -> None:
    argv = [sys.executable, "-m", "kubernaut_cli", "actions", "list", "-o", "json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=USABLE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process:
        assert process.stderr.read() == b""
    assert process.returncode == 141
