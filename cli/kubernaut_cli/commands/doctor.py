"""`kubernaut doctor`: look at everything that the other commands need."""

from dataclasses import asdict
from itertools import chain
from pathlib import Path

import click

from kubernaut_cli.diagnosis.check import DoctorCheck, Health
from kubernaut_cli.diagnosis.cluster import check_cluster
from kubernaut_cli.diagnosis.machine import check_docker, check_program, check_records, check_spool
from kubernaut_cli.listing import Column, Listing, listing_options
from kubernaut_cli.options import cluster_options, data_option
from kubernaut_sdk.errors import PreconditionFailed

__all__ = ["doctor"]

_COLOURS = {Health.OK: "green", Health.NOTE: "cyan", Health.FAULT: "red"}
LISTING: Listing[DoctorCheck] = Listing(
    columns=[
        Column(heading="check", cell=lambda check: check.subject, folds=False),
        Column(
            heading="result",
            cell=lambda check: check.health.value,
            colour=lambda check: _COLOURS[check.health],
            folds=False,
        ),
        Column(heading="found", cell=lambda check: check.message, whole=True),
    ],
    document=lambda check: {**asdict(check), "health": check.health.value},
    name=lambda check: check.subject,
)


@click.command()
@listing_options
@cluster_options
@data_option
def doctor(output: str, no_headers: bool, namespace: str | None, context: str | None, data: Path | None) -> None:
    """Look at everything that the other commands need, and say what is missing.

    The first thing to run when something is odd. It changes nothing. A `note` is of use to some commands only.

    Exit code: 0 nothing is wrong, 3 something is: each fault says what to do.
    """
    checks = list(
        chain(
            check_program(), check_records(data), check_spool(data), check_docker(), check_cluster(context, namespace)
        )
    )
    LISTING.print(checks, output, headers=not no_headers)
    faults = [check.subject for check in checks if check.health is Health.FAULT]
    if faults:
        raise PreconditionFailed(f"doctor: something is wrong with {', '.join(faults)}.")
