"""The results of `kubernaut conform` as a table."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kubernaut_conformance import CheckResult

__all__ = ["print_table"]

_SIGNS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]–[/]", "advice": "[yellow]![/]"}


def print_table(results: Sequence[CheckResult], console: Console) -> None:
    """Print a line for each check; below, for each that failed, the finding, the reason and the fix."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "of", "found"):
        table.add_column(heading, overflow="fold")
    for result in results:
        told = result.message if result.outcome != "failed" else "see below"
        table.add_row(_SIGNS[result.outcome], result.check.name, *map(escape, (result.subject, told)))
    console.print(table)
    for result in results:
        if result.outcome == "failed":
            of = f"({escape(result.subject)})"
            console.print(f"{_SIGNS['failed']} [bold]{result.check.name}[/] {of}", highlight=False)
            for label, text in (
                ("found", result.message),
                ("why", result.check.reason),
                ("fix", result.check.fix),
            ):
                console.print(f"  [dim]{label:5}[/] {escape(text)}", highlight=False)
