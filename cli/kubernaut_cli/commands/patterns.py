"""`kubernaut patterns`: show what flaps, goes in circles, grows, comes together, or has side effects."""

from dataclasses import asdict

import click

from kubernaut_cli.fleetreading import FleetQuery, fleet_options
from kubernaut_cli.listing import Column, Listing, listing_options
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
def patterns(query: FleetQuery, output: str, no_headers: bool) -> None:
    """Show patterns: flapping, circles, growth, follow-ups, side effects. `-o wide` says what each means.

    Exit code: 0 also where nothing was found, 2 Data Storage refuses the query, 3 no records or no right, 75 no answer.
    """
    found = find_patterns(query.read())
    LISTING.print(list(found_patterns(found)), output, headers=not no_headers)
