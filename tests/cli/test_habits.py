"""Habits of the shell: completion, the formats of listings, colours, exit codes in every --help."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from kubernaut_cli.catalog import known_types
from kubernaut_cli.commands.actions import actions
from kubernaut_cli.commands.status import LISTING as WORKFLOWS
from kubernaut_cli.errors import EXIT_CODES
from kubernaut_cli.examples import EXAMPLES
from kubernaut_cli.listing import FORMATS
from kubernaut_cli.options import ENVIRONMENT
from kubernaut_cli.program import program
from kubernaut_datastorage import embedded
from kubernaut_sdk.storage import StorageClient

BIN = Path(sys.executable).parent
Event = Callable[..., dict[str, Any]]


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name."""
    context = click.Context(group)
    for part in group.list_commands(context):
        command = group.get_command(context, part)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{name} {part}", command


EVERY = dict(commands(program, "kubernaut"))


def complete(*words: str, shell: str = "bash", **env: str) -> list[str]:
    """Return what a shell would be offered for the last of the words."""
    variables = {"_KUBERNAUT_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(words)}
    variables["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words) - 1)
    done = subprocess.run(
        [str(BIN / "kubernaut")], env={"PATH": os.environ["PATH"], **variables, **env}, capture_output=True, text=True
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("actions", "show", "git/up"), ["plain,git/update_file"]),
        (("history", "kubernetes/scale_deploy"), ["plain,kubernetes/scale_deployment"]),
        (("history", "list", "--workflow", "scale"), ["plain,scale-out"]),
        (("history", "show", "ID"), ["plain,ID"]),
        (("history", "show", "SHORT"), ["plain,SHORT"]),
        (("undo", "ID"), ["plain,ID"]),
        (("undo", "SHO"), ["plain,SHORT"]),
        (("records", "prove", "ID"), ["plain,ID"]),
        (("report", "--workflow", "scale-o"), ["plain,scale-out"]),
        (("actions", "show", "nothing/like"), []),
    ],
    ids=" ".join,
)
def test_types_workflow_names_and_record_ids_are_completed(
    tmp_path: Path, event: Event, words: tuple[str, ...], expected: list[str]
) -> None:
    made = event(workflow={"name": "scale-out", "namespace": "shop", "uid": "u"})
    with embedded(tmp_path / "kubernaut") as service:
        client = StorageClient(service.url)
        client.post([made], within=10)
        client.close()
    record = str(made["id"])
    short = record[-8:]
    spelled = {"ID": record[:12], "SHORT": short, "SHO": short[:4]}

    offered = complete("kubernaut", *(spelled.get(word, word) for word in words), XDG_DATA_HOME=str(tmp_path))
    assert offered == [line.replace("ID", record).replace("SHORT", short) for line in expected]


def test_the_ids_that_are_offered_are_those_that_the_history_shows(tmp_path: Path, event: Event) -> None:
    made = event()
    with embedded(tmp_path / "kubernaut") as service:
        client = StorageClient(service.url)
        client.post([made], within=10)
        client.close()

    assert complete("kubernaut", "undo", "", XDG_DATA_HOME=str(tmp_path)) == [f"plain,{made['id'][-8:]}"]
    assert complete("kubernaut", "records", "prove", "", XDG_DATA_HOME=str(tmp_path)) == [f"plain,{made['id']}"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_the_meaning_too(shell: str, tmp_path: Path) -> None:
    offered = "\n".join(complete("kubernaut", "actions", "show", "git/", shell=shell, HOME=str(tmp_path)))

    assert "git/update_file" in offered
    assert "Set a value in a YAML file of a git repository" in offered


def test_where_nothing_can_be_found_out_nothing_is_offered_nor_made(tmp_path: Path, closed_port: str) -> None:
    env = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "no")}

    assert complete("kubernaut", "history", "show", "0", **env) == []
    assert complete("kubernaut", "history", "show", "0", **env, DATA_STORAGE_URL=closed_port) == []
    assert complete("kubernaut", "status", "fix", **env) == []
    assert list(tmp_path.iterdir()) == []


def test_the_script_works_in_a_real_bash(tmp_path: Path) -> None:
    lines = [
        "source <(kubernaut completion bash)",
        "COMP_WORDS=(kubernaut actions show git/up); COMP_CWORD=3",
        '_kubernaut_completion kubernaut; echo "${COMPREPLY[*]}"',
        "complete -p kubernaut",
    ]
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "--norc", "-c", "\n".join(lines)], env=env, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "git/update_file"
    assert "-F _kubernaut_completion kubernaut" in done.stdout


FISH = 'kubernaut completion fish | source; complete -C "kubernaut actions show git/up"'
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'autoload -Uz compinit; compinit -u -D; source <(kubernaut completion zsh); print rea""dy'
zpty -r z out '*ready*'
zpty -w -n z $'kubernaut actions show git/up\t'
zpty -m -r z out '*git/update_file*'
print -r -- "$out"
"""


@pytest.mark.parametrize(
    ("shell", "argv"), [("fish", ["--no-config", "-c", FISH]), ("zsh", ["-f", "-c", ZSH])], ids=["fish", "zsh"]
)
def test_the_script_works_in_a_real_shell(shell: str, argv: list[str], tmp_path: Path) -> None:
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"no {shell} is installed (Debian: apt-get install {shell})")
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "xterm"}
    done = subprocess.run([found, *argv], env=env, capture_output=True, text=True, timeout=120)

    assert "git/update_file" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", list(EVERY))
def test_every_command_names_its_exit_codes(name: str) -> None:
    helped = EVERY[name].help or ""
    codes = {int(word) for word in helped.partition("Exit code:")[2].replace(",", " ").split() if word.isdigit()}

    assert codes, f"{name} --help says nothing about exit codes"
    assert codes <= set(EXIT_CODES)


def test_the_help_of_the_program_has_all_exit_codes_and_variables() -> None:
    helped = " ".join(CliRunner().invoke(program, ["--help"]).stdout.split())

    assert [code for code, meaning in EXIT_CODES.items() if f"{code} {meaning}" not in helped] == []
    assert [name for name in ENVIRONMENT if name not in helped] == []


@pytest.mark.parametrize("output", FORMATS)
def test_actions_in_every_format(output: str) -> None:
    shown = CliRunner().invoke(actions, ["list", "-o", output, "--no-headers"]).stdout
    read: dict[str, Callable[[str], list[str]]] = {
        "json": lambda text: [entry["action_type"] for entry in json.loads(text)],
        "yaml": lambda text: [entry["action_type"] for entry in yaml.safe_load(text)],
        "csv": lambda text: [row[0] for row in csv.reader(io.StringIO(text))],
        "name": str.splitlines,
        "wide": lambda text: [line.split()[0] for line in text.splitlines()],
        "table": lambda text: [line.split()[0] for line in text.splitlines() if not line.startswith(" ")],
    }

    named = [name for name in read[output](shown) if "/" in name]
    assert named == known_types() or (output == "table" and set(named) >= {"git/update_file"})
    assert shown.replace(",", " ").split()[0] != "action"


def test_workflows_of_a_cluster_as_a_listing(capsys: pytest.CaptureFixture[str]) -> None:
    made = {"creationTimestamp": "2026-01-31T09:05:07Z", "namespace": "shop"}
    document = {
        "metadata": {**made, "name": "fix"},
        "spec": {"requester": "alice"},
        "status": {"phase": "Running", "progress": "1/2", "target": "Deployment/checkout", "message": "Step b runs."},
    }
    WORKFLOWS.print([document], "csv")
    WORKFLOWS.print([{"metadata": {**made, "name": "new"}, "spec": {}}], "name")
    WORKFLOWS.print([], "table")
    csv_head, csv_row, name, empty = capsys.readouterr().out.splitlines()

    assert csv_head == "namespace,name,phase,steps,target,age,message,requester,pipelinerun"
    assert csv_row.startswith("shop,fix,Running,1/2,Deployment/checkout,")
    assert csv_row.endswith("d,Step b runs.,alice,")
    assert (name, empty) == ("new", "no workflows")


def test_a_format_of_lists_is_refused_for_one_workflow() -> None:
    ended = CliRunner().invoke(program, ["status", "fix", "-o", "csv"])

    assert ended.exit_code == 2
    assert "-o csv is for lists; of one workflow there are table, json and yaml." in ended.output


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_leaves_the_colours_out(variables: dict[str, str], coloured: bool, tmp_path: Path) -> None:
    """The command has a terminal here: that of script(1)."""
    if (script := shutil.which("script")) is None:
        pytest.skip("no script(1) is installed (Debian: apt-get install bsdutils)")
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm-256color", "HOME": str(tmp_path)}
    env |= {"DOCKER_HOST": "tcp://127.0.0.1:1", "KUBECONFIG": str(tmp_path / "no"), **variables}
    argv = [script, "--quiet", "--command", "kubernaut doctor", "/dev/null"]
    shown = subprocess.run(argv, env=env, capture_output=True, text=True).stdout

    assert "kubeconfig" in shown
    assert ("\x1b[3" in shown) is coloured


@pytest.mark.parametrize("name", EVERY)
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [one for one in EVERY[name].params if isinstance(one, click.Option)]

    assert [one.opts for one in options if not one.help] == []


def test_the_page_of_commands_has_every_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    named = set(re.findall(r"`(kubernaut [a-z-]+(?: [a-z-]+)?)", page))

    assert {name for name in EVERY if name not in named} == {"kubernaut history list"}  # which is `kubernaut history`


def test_every_command_has_an_example_and_there_is_no_other() -> None:
    assert {f"kubernaut {name}" for name in EXAMPLES} == {*EVERY}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_help_of_a_command_ends_with_an_example_that_it_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = CliRunner().invoke(program, [*name.split(), "--help"]).output
    assert shown.endswith(f"\n  Example:\n    {EXAMPLES[name]}\n")

    monkeypatch.chdir(tmp_path)
    for file in ("monitor-token", "checkpoint", "commits.pub", "workflow.yaml"):
        (tmp_path / file).touch()
    for folder in ("feature-flags", "secrets/git"):
        (tmp_path / folder).mkdir(parents=True)
    words = re.split(r" (?:\||2?>)", EXAMPLES[name].removeprefix('eval "$(').removesuffix(')"'))[0].split()[1:]
    command: click.Command = program
    context = command.make_context("kubernaut", words)
    while isinstance(command, click.Group) and context._protected_args:
        _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None
        command, context = inner, inner.make_context(inner.name, rest, parent=context)

    assert command.name == name.rpartition(" ")[2] or name == "history"


@pytest.mark.parametrize("group", ["actions", "catalog", "records", "serve"])
def test_the_help_of_a_group_cuts_no_sentence_off(group: str) -> None:
    listed = CliRunner().invoke(program, [group, "--help"]).output.partition("Commands:\n")[2]

    assert listed
    assert "..." not in listed
