"""Listings: the one way in which commands print rows, for people (`table`, `wide`) and for programs.

A command says which columns there are; this module fits them to the terminal and knows every format of `-o`.
`NO_COLOR` is honoured by rich.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, cast

import click

from kubernaut_cli.terminal import echo, one_line

__all__ = [
    "FORMATS",
    "Column",
    "Listing",
    "OutputFormat",
    "listing_options",
    "listing_options_with",
    "print_document",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

OutputFormat = Literal["table", "wide", "json", "yaml", "csv", "name"]
FORMATS: tuple[OutputFormat, ...] = ("table", "wide", "json", "yaml", "csv", "name")

_LEAST_FOLDED = 14
"""The least width of a column whose cells are folded; if that is too much, columns are left out instead."""
_LONGEST_CELL = 120
"""Characters of a cell where the table goes to no terminal; `-o wide` shows all."""
_GAP = 2


def listing_options(command: F) -> F:
    """Add the options `-o` and `--no-headers`; the command gets them as `output` and `no_headers`."""
    return listing_options_with()(command)


def listing_options_with(*more: str) -> Callable[[F], F]:
    """Return a decorator like `listing_options`, for a command that has more formats, which it prints itself."""
    formats = click.option(
        "-o",
        "--output",
        type=click.Choice([*FORMATS, *more]),
        default="table",
        show_default=True,
        help="wide shows all columns, each row on one line; name prints names alone.",
    )
    headers = click.option("--no-headers", is_flag=True, help="Leave out the headings of table, wide and csv.")
    return lambda command: formats(headers(command))


@dataclass(frozen=True, kw_only=True)
class Column(Generic[T]):
    """A column of a table.

    Attributes:
        heading: Its heading.
        cell: Returns the text of a row's cell.
        colour: Returns the cell's style, as rich names it; empty for none.
        folds: True if long cells are folded, so that the table fits the terminal.
        rank: Where the terminal is too narrow for all, columns of low ranks come before others; 0 is always shown.
        wide: True if only `-o wide` shows it.
        whole: True if a cell is never cut, though the table goes to no terminal: its end says what to do.
    """

    heading: str
    cell: Callable[[T], str]
    colour: Callable[[T], str] = lambda _row: ""
    folds: bool = True
    rank: int = 0
    wide: bool = False
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Listing(Generic[T]):
    """A kind of rows, and how each format shows them.

    Attributes:
        columns: The columns of tables.
        document: Returns a row as JSON.
        name: Returns a row's name, for `-o name`.
        fields: The columns of CSV: heading → a row's value. By default those of the table.
        empty: The line of a table that has no row.
    """

    columns: Sequence[Column[T]]
    document: Callable[[T], Any]
    name: Callable[[T], str]
    fields: Mapping[str, Callable[[T], Any]] = field(default_factory=dict)
    empty: str = "nothing found"

    def print(self, rows: Sequence[T], output: str, *, headers: bool = True) -> None:
        """Print the rows in a format; `headers` does not matter to JSON, YAML and names."""
        match cast("OutputFormat", output):
            case "json":
                echo(json.dumps([self.document(row) for row in rows], indent=2, ensure_ascii=False))
            case "yaml":
                echo(_yaml([self.document(row) for row in rows]), nl=False)
            case "csv":
                echo(self._csv(rows, headers=headers), nl=False)
            case "name":
                for row in rows:
                    echo(one_line(self.name(row)))
            case "table" | "wide":
                self._table(rows, wide=output == "wide", headers=headers)

    def _csv(self, rows: Sequence[T], *, headers: bool) -> str:
        fields = self.fields or {column.heading: column.cell for column in self.columns}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if headers:
            writer.writerow(fields)
        writer.writerows([_csv_cell(read(row)) for read in fields.values()] for row in rows)
        return text.getvalue()

    def _table(self, rows: Sequence[T], *, wide: bool, headers: bool) -> None:
        from rich.cells import cell_len  # noqa: PLC0415 – rich takes 0.1 s, of no use to other formats
        from rich.markup import escape  # noqa: PLC0415 – as above
        from rich.table import Table  # noqa: PLC0415 – as above

        from kubernaut_cli.console import Terminal  # noqa: PLC0415 – as above

        console = Terminal()
        if not rows:
            console.print(self.empty, style="dim", markup=False, highlight=False, soft_wrap=True)
            return
        one_line_each = wide or not console.is_terminal
        longest = None if wide or console.is_terminal else _LONGEST_CELL
        cells = {
            column.heading: [_shortened(one_line(column.cell(row)), None if column.whole else longest) for row in rows]
            for column in self.columns
        }
        widths = {
            heading: max(cell_len(heading) if headers else 0, *map(cell_len, texts)) for heading, texts in cells.items()
        }
        usual = columns = [column for column in self.columns if wide or not column.wide]
        if one_line_each:
            console = Terminal(width=sum(widths.values()) + _GAP * len(widths) + 1)
        else:
            columns = _fitting(columns, widths, console.width)
        table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", show_header=headers)
        for column in columns:
            table.add_column(column.heading, overflow="fold", no_wrap=one_line_each or not column.folds)
        for index, row in enumerate(rows):
            styled = []
            for column in columns:
                text, style = escape(cells[column.heading][index]), column.colour(row)
                styled.append(f"[{style}]{text}[/]" if style and text else text)
            table.add_row(*styled)
        console.print(table)
        if left := [column.heading for column in usual if column not in columns]:
            note = f"too narrow for {', '.join(left)}; -o wide shows all"
            console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)


def _fitting(columns: list[Column[T]], widths: Mapping[str, int], width: int) -> list[Column[T]]:
    """Return the columns that fit: one after the other by rank, where there is room for it."""
    kept = {column.heading for column in columns if column.rank == 0}
    used = sum(_least(column, widths) + _GAP for column in columns if column.rank == 0)
    for column in sorted(columns, key=lambda column: column.rank):
        if column.rank and used + _least(column, widths) + _GAP <= width:
            kept.add(column.heading)
            used += _least(column, widths) + _GAP
    return [column for column in columns if column.heading in kept]


def _least(column: Column[T], widths: Mapping[str, int]) -> int:
    natural = widths[column.heading]
    return min(natural, _LEAST_FOLDED) if column.folds else natural


def print_document(document: Any, output: str) -> None:
    """Print one document as JSON or YAML."""
    if output == "yaml":
        echo(_yaml(document), nl=False)
    else:
        echo(json.dumps(document, indent=2, ensure_ascii=False))


def _shortened(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else f"{text[:longest]}…"


def _csv_cell(value: Any) -> str:
    text = "" if value is None else str(value)
    # a spreadsheet would take a cell that begins with one of these for a formula
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _yaml(value: Any) -> str:
    from kubernaut_controller import dump_yaml  # noqa: PLC0415 – only this format needs it

    return dump_yaml(value)
