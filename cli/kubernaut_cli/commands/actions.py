"""`kubernaut actions`: list the actions of an image or of this machine, and show one."""

import json
import shlex
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from kubernaut_cli import catalog
from kubernaut_cli.completion import complete_types
from kubernaut_cli.docs import action_page, schema_rows, traits
from kubernaut_cli.listing import Column, Listing, listing_options
from kubernaut_cli.options import image_option, output_option
from kubernaut_cli.progress import table_console
from kubernaut_cli.terminal import echo
from kubernaut_sdk.program.commandgroup import CommandGroup

__all__ = ["actions"]


@click.group(cls=CommandGroup)
def actions() -> None:
    """List actions, and show one: its inputs, output and permissions."""


LISTING: Listing[dict[str, Any]] = Listing(
    columns=[
        Column(heading="action", cell=lambda entry: str(entry["action_type"]), folds=False),
        Column(heading="version", cell=lambda entry: str(entry["version"]), folds=False, rank=2),
        Column(heading="what", cell=lambda entry: str(entry["summary"]).partition("\n")[0]),
        Column(heading="traits", cell=lambda entry: ", ".join(traits(entry)), rank=1),
        Column(heading="permissions", cell=lambda entry: "; ".join(entry["permissions"]), wide=True),
    ],
    document=lambda entry: entry,
    name=lambda entry: str(entry["action_type"]),
    empty="no actions; install a package that has some, or name an --image",
)


@actions.command("list")
@image_option
@listing_options
def list_(image: str | None, output: str, no_headers: bool) -> None:
    """List all actions.

    Exit code: 2 there is no such image, or its spec is not valid, 3 no Docker engine answers.
    """
    LISTING.print(catalog.action_entries(image), output, headers=not no_headers)


@actions.command()
@click.argument("action_type", metavar="TYPE", shell_complete=complete_types)
@image_option
@output_option("text", "json", "markdown")
def show(action_type: str, image: str | None, output: str) -> None:
    """Show the action TYPE: its inputs, output, permissions and examples.

    Exit code: 2 there is no such action or image, 3 no Docker engine answers.
    """
    entry = catalog.find_action_entry(catalog.action_entries(image), action_type)
    match output:
        case "json":
            echo(json.dumps(entry, indent=2, ensure_ascii=False))
        case "markdown":
            echo(action_page(entry), nl=False)
        case _:
            _print(entry)


def _print(entry: dict[str, Any]) -> None:
    console = table_console()
    console.print(f"[bold]{escape(entry['action_type'])}[/] {escape(entry['version'])}")
    console.print(escape(entry["summary"]))
    console.print("; ".join(traits(entry)), style="dim")
    for title, schema in (("inputs", entry["inputs"]), ("output", entry["result"])):
        if schema:
            console.print(f"\n[bold]{title}[/]")
            table = _table("name", "type", "required", "what")
            for field in schema_rows(schema):
                table.add_row(*map(escape, field))
            console.print(table)
    if entry["permissions"]:
        console.print("\n[bold]permissions[/]")
        for permission in entry["permissions"]:
            console.print(f"  {escape(permission)}")
    for example in entry["examples"]:
        pairs = " ".join(f"-p {name}={_word(value)}" for name, value in example.items())
        console.print(f"\n[bold]example[/]\n  kubernaut-action plan {escape(entry['action_type'])} {escape(pairs)}")


def _word(value: Any) -> str:
    """Return a value as a word for a shell's command line."""
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
