"""Listings: rows in every format of `-o`, and tables that fit the terminal."""

import csv
import io
import json

import click
import pytest
import yaml
from click.testing import CliRunner

from kubernaut_cli.console import Terminal
from kubernaut_cli.listing import FORMATS, Column, Listing, listing_options

Row = dict[str, str]
ROWS: list[Row] = [
    {"id": "5b2d4680", "action": "kubernetes/scale_deployment", "who": "alice", "note": "=1+1"},
    {"id": "0c11f3aa", "action": "git/update_file", "who": "", "note": "two\nlines \x1b[2J"},
]
LISTING: Listing[Row] = Listing(
    columns=(
        Column(heading="id", cell=lambda row: row["id"], folds=False),
        Column(heading="who", cell=lambda row: row["who"], rank=2),
        Column(heading="action", cell=lambda row: row["action"], colour=lambda _row: "green", rank=1),
        Column(heading="note", cell=lambda row: row["note"], wide=True),
    ),
    document=lambda row: row,
    name=lambda row: row["id"],
    fields={"id": lambda row: row["id"], "note": lambda row: row["note"]},
    empty="no rows",
)


@click.command()
@listing_options
@click.option("--none", is_flag=True)
def command(output: str, no_headers: bool, none: bool) -> None:
    LISTING.print([] if none else ROWS, output, headers=not no_headers)


def printed(*args: str) -> str:
    result = CliRunner().invoke(command, args)
    assert result.exit_code == 0, result.output
    return result.output


def test_programs_get_all_of_each_row() -> None:
    assert json.loads(printed("-o", "json")) == ROWS
    assert yaml.safe_load(printed("-o", "yaml")) == ROWS
    assert printed("-o", "name").splitlines() == ["5b2d4680", "0c11f3aa"]


def test_csv_is_one_line_a_row_and_holds_no_formula() -> None:
    assert next(csv.reader(io.StringIO(printed("-o", "csv")))) == ["id", "note"]
    assert printed("-o", "csv", "--no-headers").splitlines()[0] == "5b2d4680,'=1+1"


def test_a_table_shows_each_row_on_a_line_and_nothing_that_controls_the_terminal() -> None:
    lines = printed().splitlines()

    assert [line.split() for line in lines] == [
        ["id", "who", "action"],
        ["5b2d4680", "alice", "kubernetes/scale_deployment"],
        ["0c11f3aa", "git/update_file"],
    ]
    assert printed("--no-headers").splitlines() == lines[1:]
    assert "two ⏎ lines \\u001b[2J" in printed("-o", "wide")


def test_a_long_cell_is_cut_in_a_pipe_unless_its_end_matters(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (
        Column[Row](heading="note", cell=lambda row: row["note"]),
        Column[Row](heading="found", cell=lambda row: row["note"], whole=True),
    )
    Listing(columns=columns, document=lambda row: row, name=lambda _row: "").print([{"note": "x" * 150}], "table")
    row = capsys.readouterr().out.splitlines()[1]

    assert row.split() == ["x" * 120 + "…", "x" * 150]


@pytest.mark.parametrize("output", ["table", "wide"])
def test_a_table_without_rows_says_so(output: str) -> None:
    assert printed("--none", "-o", output) == "no rows\n"


@pytest.mark.parametrize("output", ["json", "yaml", "csv", "name"])
def test_a_program_gets_no_sentence_instead_of_rows(output: str) -> None:
    assert printed("--none", "-o", output).strip() in {"", "[]", "id,note"}


@pytest.mark.parametrize(
    ("width", "headings"), [(80, ["id", "who", "action"]), (40, ["id", "action"]), (20, ["id"]), (5, ["id"])]
)
def test_where_the_terminal_is_narrow_columns_are_left_out(
    monkeypatch: pytest.MonkeyPatch, width: int, headings: list[str]
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(
        "kubernaut_cli.console.Terminal", lambda: Terminal(file=screen, force_terminal=True, width=width, no_color=True)
    )
    LISTING.print([row | {"who": "a" * 30} for row in ROWS], "table")

    lines = screen.getvalue().splitlines()
    left = [heading for heading in ("who", "action") if heading not in headings]
    if left:
        assert f"too narrow for {', '.join(left)}; -o wide shows all" in lines.pop()
    assert lines[0].replace("\x1b[1m", "").replace("\x1b[0m", "").split() == headings or width == 5
    assert all(
        len(line.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[32m", "")) <= width for line in lines
    )


def test_a_narrow_column_is_shown_where_a_wide_one_of_a_lower_rank_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(
        "kubernaut_cli.console.Terminal", lambda: Terminal(file=screen, force_terminal=True, width=23, no_color=True)
    )
    LISTING.print(ROWS, "table")

    assert "who" in screen.getvalue().splitlines()[0]
    assert "too narrow for action; -o wide shows all" in screen.getvalue().splitlines()[-1]


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    result = CliRunner().invoke(command, ["-o", "xml"])

    assert result.exit_code == 2
    assert all(name in result.output for name in FORMATS)
