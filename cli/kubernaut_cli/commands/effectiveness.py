"""`kubernaut effectiveness`: show for each type of action whether it helped, with the uncertainty."""

from dataclasses import replace

import click

from kubernaut_cli.completion import complete_types
from kubernaut_cli.fleetreading import FleetQuery, fleet_options
from kubernaut_cli.listing import Column, Listing, listing_options
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness import ActionVerdict, Fleet, verdicts_of
from kubernaut_effectiveness.verdicts.words import (
    alone_words,
    baseline_words,
    bounds_words,
    change_words,
    percent,
    plural,
    share_words,
    silence_words,
)

__all__ = ["effectiveness", "verdict_lines"]


@click.command()
@click.argument("action_type", metavar="[TYPE]", required=False, shell_complete=complete_types)
@fleet_options
@listing_options
def effectiveness(action_type: str | None, query: FleetQuery, output: str, no_headers: bool) -> None:
    """Show whether one TYPE of action helped, or each type; that with the most incidents not solved comes first.

    Exit code: 0 also where nothing was found, 2 Data Storage refuses the query, 3 no records or no right, 75 no answer.
    """
    fleet = query.read()
    found = [verdict for verdict in verdicts_of(fleet) if action_type in {None, verdict.action_type}]
    if output == "table" and action_type is not None and found:
        for verdict in found:
            for line in verdict_lines(verdict):
                echo(line)
    else:
        listing = LISTING if action_type is None else replace(LISTING, empty=f"no records of {action_type}")
        listing.print(found, output, headers=not no_headers)
    if output in {"table", "wide"} and found:
        if action_type is None:
            for verdict in found:
                for said in change_words(verdict):
                    echo(f"{verdict.action_type}: {said}")
        _print_caveats(fleet)


def verdict_lines(verdict: ActionVerdict) -> list[str]:
    """Return all that is said of one action type, line by line."""
    alone = verdict.alone
    lines = [verdict.action_type, f"  alone was enough: {alone_words(alone)}", f"  incidents: {_outcomes(verdict)}"]
    if verdict.unwatched:
        lines.append(f"  unwatched: {', '.join(f'{number} {why}' for why, number in verdict.unwatched.items())}")
    if (bounds := bounds_words(verdict)) is not None:
        lines.append(f"  {bounds}")
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


def _print_caveats(fleet: Fleet) -> None:
    if not fleet.watch.has_heartbeat:
        echo("No heartbeat of the monitoring is known, so that no silence counts: send Data Storage a Watchdog alert.")
    elif said := silence_words(fleet.watch, fleet.now - fleet.settings.window, fleet.now):
        echo(said)


LISTING: Listing[ActionVerdict] = Listing(
    columns=[
        Column(heading="action", cell=lambda verdict: verdict.action_type, folds=False),
        Column(heading="incidents", cell=_outcomes, rank=2),
        Column(heading="alone was enough", cell=lambda verdict: share_words(verdict.alone)),
        Column(heading="against the baseline", cell=lambda verdict: baseline_words(verdict.baseline), rank=1),
        Column(heading="came back 30 min, 24 h", cell=_came_back, rank=3),
        Column(heading="ran", cell=_ran, rank=4),
    ],
    document=lambda verdict: verdict.model_dump(mode="json"),
    name=lambda verdict: verdict.action_type,
    fields={
        "action": lambda verdict: verdict.action_type,
        "incidents": lambda verdict: sum(verdict.outcomes.values()),
        "alone_rate": lambda verdict: verdict.alone.rate,
        "alone_lower": lambda verdict: verdict.alone.lower,
        "alone_upper": lambda verdict: verdict.alone.upper,
        "came_back_30_min": lambda verdict: verdict.came_back[0].share,
        "came_back_24_h": lambda verdict: verdict.came_back[1].share,
        "ran": lambda verdict: verdict.ran,
        "errors": lambda verdict: verdict.errors,
    },
    empty="no records",
)
