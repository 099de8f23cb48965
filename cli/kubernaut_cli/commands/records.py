"""`kubernaut records`: send waiting events, verify the store, and prove that a record is in its log."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from kubernaut_cli.completion import complete_whole_ids
from kubernaut_cli.listing import Column, Listing, listing_options
from kubernaut_cli.options import data_option
from kubernaut_cli.store import open_record_store, require_records, spool_folders, storage_errors
from kubernaut_cli.terminal import echo
from kubernaut_datastorage.command import drop_month, location_options, plain_storage_errors, store_location
from kubernaut_datastorage.folder import data_folder
from kubernaut_sdk import InvalidInputs, Transient, VerifyFailed
from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.program.commandgroup import CommandGroup
from kubernaut_sdk.recorder import drain
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import RECORDS
from kubernaut_sdk.times import rfc3339

__all__ = ["records"]

_KEY = click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The public key (PEM) of the signatures; after a rotation all of them, one after the other.",
)
_TIMEOUT = 30.0
"""Seconds for one request to Data Storage."""


@click.group(cls=CommandGroup)
def records() -> None:
    """Send, verify and prove action records; show what waits to be sent."""


records.add_command(drop_month)


@records.command()
@data_option
@listing_options
def status(data: Path | None, output: str, no_headers: bool) -> None:
    """Show the events that wait to be sent: in which folder, for which service, since when, and why.

    `kubernaut records flush` sends them.

    Exit code: 0 whether or not any wait.
    """
    folders = spool_folders(data_folder(data))
    spools = [one for folder in folders for one in (Spool(folder), *Spool(folder).parts())]
    known = {spool.folder: spool for spool in spools if spool.paths() or spool.refused}
    _SPOOLS.print(list(known.values()), output, headers=not no_headers)
    if not known and output in {"table", "wide"}:
        echo(f"looked in {', '.join(map(str, folders))}", err=True)


def _waiting_since(spool: Spool) -> str:
    return f"{spool.oldest:%Y-%m-%d %H:%M:%S}" if spool.oldest is not None else ""


_SPOOLS: Listing[Spool] = Listing(
    columns=(
        Column(heading="waiting", cell=lambda spool: str(len(spool.paths())), folds=False),
        Column(heading="refused", cell=lambda spool: str(spool.refused), folds=False, rank=2),
        Column(heading="since (UTC)", cell=_waiting_since, folds=False),
        Column(heading="for", cell=lambda spool: spool.destination or "no service is named"),
        Column(heading="last problem", cell=lambda spool: spool.last_problem or "not known", whole=True),
        Column(heading="folder", cell=lambda spool: str(spool.folder), rank=1),
    ),
    document=lambda spool: {
        "folder": str(spool.folder),
        "destination": spool.destination,
        "waiting": len(spool.paths()),
        "refused": spool.refused,
        "since": None if spool.oldest is None else rfc3339(spool.oldest),
        "last_problem": spool.last_problem,
    },
    name=lambda spool: str(spool.folder),
    empty="nothing waits, and nothing was refused",
)


@records.command()
@data_option
@click.option("--spool", type=click.Path(path_type=Path, file_okay=False), help="The folder of waiting events.")
def flush(data: Path | None, spool: Path | None) -> None:
    """Send the events that could not be sent when they happened, to the store that they were meant for.

    Exit code: 0 all were sent, 75 some could not be sent and still wait.
    """
    reads = not (data_folder(data) / "spool").is_dir()  # what waits may be older than the store
    with open_record_store(data, reads=reads) as store:
        if store.embedded:
            store.spool(data_folder(data)).prepare()
        folders = [spool] if spool is not None else spool_folders(data_folder(data), store)
        client = store.client()
        waiting = {folder: Spool(folder).to(store.url) for folder in folders}
        # with --spool, events that name no destination are sent too
        counts = [drain(client, one if spool is None else Spool(folder)) for folder, one in waiting.items()]
        client.close()
    sent = {one.folder for one in waiting.values()} | {spool}
    left = sum(len(Spool(folder).paths()) for folder in sent if folder is not None)
    stored, refused = (sum(count) for count in zip(*counts, strict=True))
    echo(f"{stored} stored, {refused} refused, {left} still waiting in {', '.join(map(str, folders))}")
    for folder in folders:
        for one in (Spool(folder), *Spool(folder).parts()):
            if one.folder not in sent and (count := len(one.paths())):
                echo(_waiting_sentence(one, count), err=True)
    if left:
        address = without_userinfo(store.url)
        raise Transient(f"the store at {address} did not take them; try again when it is back.")


def _waiting_sentence(spool: Spool, count: int) -> str:
    if spool.destination is None:
        return f"{count} in {spool.folder} do not say for which store they are; send them by --spool {spool.folder}"
    return f"{count} in {spool.folder} wait for {spool.destination}, and are sent to no other store"


@records.command()
@location_options
@_KEY
@click.option(
    "--checkpoint",
    "checkpoint_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A checkpoint that `kubernaut records checkpoint` printed earlier; shows whether the log was cut off since.",
)
def verify(data: Path | None, database_url: str | None, public_key: Path | None, checkpoint_file: Path | None) -> None:
    """Find records that were edited, deleted or added without the service. Reads the database itself.

    Exit code: 0 the store is as it was written, 4 it is not.
    """
    from kubernaut_datastorage.log import verification  # noqa: PLC0415 – half a second of libraries
    from kubernaut_datastorage.server import open_store  # noqa: PLC0415 – as above

    key = _read_key(public_key)
    checkpoint = _read_json(checkpoint_file) if checkpoint_file else None
    place = store_location(data, database_url)
    if data is not None:
        require_records(data)

    async def work() -> verification.VerificationReport:
        store = open_store(place)
        try:
            return await verification.verify(store, key=key, checkpoint=checkpoint)
        finally:
            await store.close()

    with plain_storage_errors(place):
        report = asyncio.run(work())
    for fault in report.faults:
        echo(fault, err=True)
    if report.more:
        echo(f"… and {report.more} more", err=True)
    signed = f"{report.signed} signed by this key" if key else "signatures not checked (--public-key)"
    echo(f"{report.records} records, {report.events} events in {report.commits} commits, {signed}")
    if report.unsigned and key:
        echo(f"{report.unsigned} commits have no signature of their own; the next signed one covers them")
    if report.dropped:
        echo(f"dropped after their time, as the log says: {', '.join(report.dropped)}")
    if checkpoint is None:
        echo("without --checkpoint, nobody can tell whether the end of the log was cut off")
    if report.faults:
        raise VerifyFailed("the store is not as it was written.")


@records.command()
@data_option
def checkpoint(data: Path | None) -> None:
    """Print a checkpoint of the log. Keep it elsewhere, and pass it to `verify` later.

    Exit code: 3 no records or no right, 75 Data Storage does not answer.
    """
    echo(json.dumps(_get(data, "/api/v1/checkpoint"), indent=2))


@records.command()
@click.argument("record_id", type=click.UUID, shell_complete=complete_whole_ids)
@data_option
@_KEY
def prove(record_id: Any, data: Path | None, public_key: Path | None) -> None:
    """Print a proof that a record is in the log, and check it. The proof can be checked later without the service.

    Exit code: 0 it holds, 3 there is no such record, 4 it does not hold.
    """
    from kubernaut_datastorage.log.proofs import find_proof_faults  # noqa: PLC0415 – half a second of libraries

    key = _read_key(public_key)
    proof = _get(data, f"{RECORDS}/{record_id}/proof")
    echo(json.dumps(proof, indent=2, ensure_ascii=False))
    if faults := find_proof_faults(proof, key):
        raise VerifyFailed(f"the proof does not hold: {'; '.join(faults)}.")
    signed = "signed by this key" if key else "its signature was not checked (--public-key)"
    echo(f"it holds: entry {proof['seq']}, in commit {proof['checkpoint']['batch']}; {signed}", err=True)


def _get(data: Path | None, path: str) -> Any:
    with open_record_store(data, reads=True) as store, storage_errors("records cannot be read"):
        client = store.client()
        try:
            return client.get(path, {}, _TIMEOUT)
        finally:
            client.close()


def _read_key(file: Path | None) -> Any:
    from kubernaut_datastorage.log.checkpoints import read_public_key  # noqa: PLC0415 – half a second of libraries

    try:
        return read_public_key(file) if file is not None else None
    except (OSError, ValueError) as error:
        raise InvalidInputs(f"{error}.") from None


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInputs(f"{file} is no checkpoint: {error}.") from None
