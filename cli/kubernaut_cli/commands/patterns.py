"""`kubernaut patterns`: show what flaps, goes in circles, grows, comes together, or has side effects."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from kubernaut_cli.fleetreading import fleet_options, read_fleet_of
from kubernaut_cli.listing import Column, Listing, listing_options
from kubernaut_cli.options import data_option
from kubernaut_effectiveness.patterns.report import PATTERN_MEANINGS, FoundPattern, find_patterns, found_patterns

__all__ = ["patterns"]

LISTING: Listing[FoundPattern] = Listing(
    columns=[
        Column(heading="pattern", cell=lambda one: one.kind, folds=False),
        Column(heading="of", cell=lambda one: one.subject),
        Column(heading="found", cell=lambda one: one.sentence),
        Column(heading="meaning", cell=lambda one: PATTERN_MEANINGS[one.kind], wide=True),
    ],
    document=lambda one: {"pattern": one.kind, "of": one.subject, **asdict(one.pattern)},
    name=lambda one: one.subject,
    empty="no patterns; looked for " + ", ".join(PATTERN_MEANINGS),
)


@click.command()
@fleet_options
@listing_options
@data_option
def patterns(
    since: timedelta,
    pending_for: dict[str, float],
    ignored_labels: tuple[str, ...],
    output: str,
    no_headers: bool,
    data: Path | None,
) -> None:
    """Show patterns: flapping, circles, growth, follow-ups, side effects. `-o wide` says what each means.

    Exit code: 0 also where nothing was found, 2 Data Storage refuses the query, 3 no records or no right, 75 no answer.
    """
    found = find_patterns(read_fleet_of(data, since, pending_for, ignored_labels))
    LISTING.print(list(found_patterns(found)), output, headers=not no_headers)
