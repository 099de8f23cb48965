"""Printing: text from records, results, logs or a cluster never controls the terminal."""

import ast
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table

import kubernaut_cli
from kubernaut_cli.console import Terminal
from kubernaut_cli.engine.report import RunReport, StepReport
from kubernaut_cli.progress import show_progress
from kubernaut_cli.terminal import echo, one_line, printable
from kubernaut_sdk.states import State

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
HOSTILE = st.text(
    st.sampled_from("ab\x1b[]0;\x07\x9b\r\n\b\t\x00\x7f\u202e\u2066\ud800é🦉'\"\\{}"), min_size=1, max_size=40
)
STYLES = re.compile(r"\x1b\[[0-9;]*m")


@given(HOSTILE)
def test_printed_text_has_no_control_characters(text: str) -> None:
    assert not CONTROLS.search(printable(text))
    assert "\n" not in one_line(text)
    assert printable(printable(text)) == printable(text)


@given(HOSTILE)
def test_json_stays_the_same_json(text: str) -> None:
    shown = printable(json.dumps({"message": text}, ensure_ascii=False))

    assert json.loads(shown) == {"message": text}


@given(HOSTILE)
def test_in_tables_and_lines_only_our_styles_are_escapes(text: str) -> None:
    screen = io.StringIO()
    console = Terminal(file=screen, force_terminal=True, color_system="standard", width=60)
    table = Table("what", box=None)
    table.add_row(escape(text))
    console.print(table)
    console.print(f"[red]{escape(text)}[/]", highlight=False, soft_wrap=True)

    assert not CONTROLS.search(STYLES.sub("", screen.getvalue()))


@pytest.mark.parametrize("err", [False, True])
def test_echo_shows_escapes(capsys: pytest.CaptureFixture[str], err: bool) -> None:
    echo("ok \x1b]0;owned\x07 \u202e", err=err)

    out, err_out = capsys.readouterr()
    assert (err_out if err else out) == "ok \\u001b]0;owned\\u0007 \\u202e\n"


def test_a_message_cannot_imitate_lines_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    step = StepReport(
        "scale", "kubernetes/scale_deployment", state=State.FAILED, message="no\n✓ scale: succeeded in 0.1 s"
    )
    report = RunReport("fix", [step], dry_run=False)
    with show_progress(report, quiet=False) as progress:
        progress.step_changed(step)

    assert not any(line.startswith("✓") for line in capsys.readouterr().out.splitlines())


def test_every_command_prints_by_echo_or_a_terminal() -> None:
    folder = Path(kubernaut_cli.__file__).parent
    ways = {"Console", "click.echo", "click.secho", "print", "sys.stderr.write", "sys.stdout.write"}
    paths = [path for path in sorted(folder.rglob("*.py")) if "templates" not in path.parts]
    found = [
        f"{path.relative_to(folder)}:{node.lineno} {ast.unparse(node.func)}"
        for path in paths
        if path.name not in {"terminal.py", "console.py"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ways
    ]

    assert found == []
