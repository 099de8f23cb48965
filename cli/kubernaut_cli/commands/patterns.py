"""`kubernaut patterns`: show what flaps, goes in circles, grows, comes together, or has side effects."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape

from kubernaut_cli.fleetreading import fleet_options, read_fleet_of
from kubernaut_cli.options import data_option
from kubernaut_cli.progress import table_console
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness.patterns.report import find_patterns, pattern_sections

__all__ = ["patterns"]


@click.command()
@fleet_options
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@data_option
def patterns(since: timedelta, pending_for: dict[str, float], output: str, data: Path | None) -> None:
    """Show patterns: flapping, circles, growth, follow-ups, side effects.

    Exit code: 0 also where nothing was found, 2 Data Storage refuses the query, 3 no records or no right, 75 no answer.
    """
    found = find_patterns(read_fleet_of(data, since, pending_for))
    if output == "json":
        echo(json.dumps(asdict(found), indent=2))
        return
    console = table_console()
    for heading, lines in pattern_sections(found):
        console.print(escape(heading), style="bold")
        for line in lines:
            console.print(escape(f"  {line}"))
        if not lines:
            console.print("  none", style="dim")
