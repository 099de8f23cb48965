"""`kubernaut target`: show what was done to one target, what fired, and whether it is still so; or list the targets."""

from datetime import datetime, timedelta

import click

from kubernaut_cli.fleetreading import FleetQuery, fleet_options
from kubernaut_cli.listing import Column, Listing, listing_options
from kubernaut_cli.store import storage_errors
from kubernaut_cli.terminal import echo, one_line
from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.documents import act_document, incident_document, target_document
from kubernaut_effectiveness.targets import StillSo, TargetHistory, find_target, history_of_target
from kubernaut_effectiveness.verdicts.words import minute_of
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ages import AGE
from kubernaut_sdk.errors import NotFound
from kubernaut_sdk.times import utcnow

__all__ = ["target"]

_SHOWN = 20
"""The most incidents, and the most records, that the page of a target shows; the newest."""
_NAMED = 5
"""The most targets that a message names."""


def _last_of(history: TargetHistory) -> str:
    last = history.acts[-1]
    return f"{minute_of(last.began)} {last.action_type} {last.state}"


def _still(one: StillSo) -> str:
    seen = f", seen {minute_of(one.seen_by.began)}" if one.seen_by is not None else ""
    gone = f", deleted {minute_of(one.deleted)}" if one.deleted is not None else ""
    return f"{one.change.action_type} of {minute_of(one.change.ended)}: {one.answer}{seen}{gone}"


LISTING: Listing[TargetHistory] = Listing(
    columns=[
        Column(heading="target", cell=lambda history: history.name),
        Column(heading="incidents", cell=lambda history: str(len(history.incidents)), folds=False, rank=2),
        Column(heading="records", cell=lambda history: str(len(history.acts)), folds=False, rank=3),
        Column(heading="last (UTC)", cell=_last_of),
        Column(heading="is it still so?", cell=lambda history: "; ".join(map(_still, history.still_so)), rank=1),
    ],
    document=target_document,
    name=lambda history: history.name,
    empty="no record names a target",
)
_INCIDENTS: Listing[JudgedIncident] = Listing(
    columns=[
        Column(heading="fired (UTC)", cell=lambda one: minute_of(one.began), folds=False),
        Column(heading="alert", cell=lambda one: one.name or ""),
        Column(heading="first line", cell=lambda one: one.action or "none"),
        Column(heading="outcome", cell=lambda one: one.outcome or "nothing was changed"),
        Column(
            heading="second line",
            cell=lambda one: ", ".join(act.action_type for act in one.second_line),
            rank=1,
        ),
    ],
    document=incident_document,
    name=lambda one: one.name or "",
)
_ACTS: Listing[Act] = Listing(
    columns=[
        Column(heading="began (UTC)", cell=lambda act: minute_of(act.began), folds=False),
        Column(heading="action", cell=lambda act: act.action_type),
        Column(heading="state", cell=lambda act: str(act.state)),
        Column(heading="by", cell=lambda act: act.requester or "", rank=1),
    ],
    document=act_document,
    name=lambda act: act.id,
)


@click.command()
@click.argument("name", metavar="[NAME]", default="")
@click.option(
    "--deleted",
    type=AGE,
    metavar="AGE",
    help="Tell Data Storage that NAME was deleted so long ago (1s, 2h): silence after that does not count.",
)
@fleet_options
@listing_options
def target(name: str, deleted: timedelta | None, query: FleetQuery, output: str, no_headers: bool) -> None:
    """Show the target NAME, whole (shop/Deployment/api) or the end of it (api); list them where there are several.

    Exit code: 2 Data Storage refuses the query, 3 no such target, no records or no right, 75 no answer.
    """
    with query.open() as (fleet, storage):
        found = find_target(fleet, name)
        if not found and name:
            asked = f"no record since {minute_of(fleet.now - query.since.total_seconds())} (UTC) names a target {name}"
            raise NotFound(f"{asked}; without a name, all targets are listed.", reason="NoSuchTarget")
        if deleted is not None:
            _record_deletion(storage, name, found, utcnow() - deleted)
            return
    histories = [history for one in found if (history := history_of_target(fleet, one)) is not None]
    if output == "table" and name and len(histories) == 1:
        _show(histories[0], headers=not no_headers)
    else:
        LISTING.print(histories, output, headers=not no_headers)


def _record_deletion(storage: DataStorage, name: str, found: list[str], at: datetime) -> None:
    """Tell that the one target of a name was deleted."""
    if not name:
        raise click.UsageError("--deleted: name the target that was deleted.")
    if len(found) > 1:
        known = ", ".join(found[:_NAMED]) + (", …" if len(found) > _NAMED else "")
        raise click.UsageError(f"--deleted: {name} names {len(found)} targets ({known}); name one of them whole.")
    with storage_errors("the deletion was not stored"):
        storage.record_deletion(found[0], at)
    echo(one_line(f"{found[0]}: deleted {minute_of(at.timestamp())} (UTC); silence after that does not count"))


def _show(history: TargetHistory, *, headers: bool) -> None:
    echo(one_line(history.name))
    if history.incidents:
        _INCIDENTS.print(history.incidents[-_SHOWN:], "table", headers=headers)
    for time in history.deleted:
        echo(f"deleted {minute_of(time)}: silence after that does not count")
    _ACTS.print(history.acts[-_SHOWN:], "table", headers=headers)
    for still in history.still_so:
        echo(one_line(f"is it still so? {_still(still)}"))
