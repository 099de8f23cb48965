"""`kubernaut effectiveness`: show for each type of action whether it helped, with the uncertainty."""

import json
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.completion import complete_types
from kubernaut_cli.fleetreading import fleet_options, read_fleet_of
from kubernaut_cli.options import data_option
from kubernaut_cli.progress import table_console
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness import ActionVerdict, Fleet, verdicts_of
from kubernaut_effectiveness.verdicts.words import (
    alone_words,
    baseline_words,
    change_words,
    percent,
    plural,
    share_words,
)

__all__ = ["effectiveness", "verdict_lines"]


@click.command()
@click.argument("action_type", metavar="[TYPE]", required=False, shell_complete=complete_types)
@fleet_options
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@data_option
def effectiveness(
    action_type: str | None,
    since: timedelta,
    pending_for: dict[str, float],
    output: str,
    data: Path | None,
) -> None:
    """Show whether one TYPE of action helped, or each type; that with the most incidents not solved comes first.

    Exit code: 0 also where nothing was found, 2 Data Storage refuses the query, 3 no records or no right, 75 no answer.
    """
    fleet = read_fleet_of(data, since, pending_for)
    found = [verdict for verdict in verdicts_of(fleet) if action_type in {None, verdict.action_type}]
    if output == "json":
        echo(json.dumps([verdict.model_dump(mode="json") for verdict in found], indent=2))
        return
    console = table_console()
    if not found:
        console.print(f"no records{f' of {escape(action_type)}' if action_type else ''}", style="dim")
        return
    if action_type is not None:
        for verdict in found:
            for line in verdict_lines(verdict):
                console.print(escape(line))
    else:
        console.print(_table(found))
        for verdict in found:
            for said in change_words(verdict):
                console.print(escape(f"{verdict.action_type}: {said}"))
    _caveats(fleet)


def _table(found: list[ActionVerdict]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("action", "incidents", "alone was enough", "against the baseline", "came back 30 min, 24 h", "ran"):
        table.add_column(column, overflow="fold")
    for verdict in found:
        table.add_row(
            escape(verdict.action_type),
            escape(_outcomes(verdict)),
            share_words(verdict.alone),
            baseline_words(verdict.baseline),
            _came_back(verdict),
            _ran(verdict),
        )
    return table


def verdict_lines(verdict: ActionVerdict) -> list[str]:
    """Return all that is said of one action type, line by line."""
    alone = verdict.alone
    lines = [verdict.action_type, f"  alone was enough: {alone_words(alone)}", f"  incidents: {_outcomes(verdict)}"]
    if verdict.unwatched:
        lines.append(f"  unwatched: {', '.join(f'{number} {why}' for why, number in verdict.unwatched.items())}")
    if verdict.if_unwatched_not is not None and verdict.if_unwatched_held is not None:
        bounds = f"{percent(verdict.if_unwatched_not)} to {percent(verdict.if_unwatched_held)}"
        lines.append(f"  if none or all of the unwatched had held: {bounds}")
    if alone.largest_target is not None:
        lines.append(f"  the largest target has {percent(alone.largest_target)} of the incidents")
    lines.append(f"  against the baseline: {baseline_words(verdict.baseline)}")
    lines.append(f"  came back within 30 min, 24 h: {_came_back(verdict)}")
    if not verdict.for_known:
        lines.append("  the rules' `for` is not known (--for): within it an alert cannot fire again")
    lines.append(f"  ran without error: {_ran(verdict)}")
    if verdict.error_reasons:
        lines.append(f"  errors: {', '.join(f'{number} {name}' for name, number in verdict.error_reasons.items())}")
    if verdict.touched_by_people:
        touched = plural(verdict.touched_by_people, "incident")
        lines.append(f"  a person acted on the target within an hour: {touched}")
    if verdict.undone:
        lines.append(f"  undone: {plural(verdict.undone, 'record')}")
    if verdict.second_line:
        lines.append(f"  second line, not judged: {plural(verdict.second_line, 'record')}")
    if verdict.not_counted:
        lines.append(f"  not counted: {', '.join(f'{number} {name}' for name, number in verdict.not_counted.items())}")
    return [*lines, *(f"  {said}" for said in change_words(verdict))]


def _outcomes(verdict: ActionVerdict) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in verdict.outcomes.items()) or "none"


def _came_back(verdict: ActionVerdict) -> str:
    return ", ".join("–" if one.share is None else percent(one.share) for one in verdict.came_back)


def _ran(verdict: ActionVerdict) -> str:
    return f"{verdict.ran - verdict.errors} of {verdict.ran}"


def _caveats(fleet: Fleet) -> None:
    console = table_console()
    if not fleet.watch.has_heartbeat:
        text = "No heartbeat of the monitoring is known, so that no silence counts: send Data Storage a Watchdog alert."
        console.print(text, style="dim")
    elif not fleet.watch.knows_silences:
        text = "Silences are not known: kubernaut serve --alertmanager-url asks for them."
        console.print(text, style="dim")
