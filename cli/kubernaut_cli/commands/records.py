"""`kubernaut records`: what waits in the spool, sent; whether the log and the records are as they were."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import click

from kubernaut_cli.store import Store, data_folder, opened
from kubernaut_cli.terminal import echo
from kubernaut_datastorage.command import drop_month, location_options, plain_storage_errors, store_location
from kubernaut_sdk import InvalidInputs, PreconditionFailed, VerifyFailed
from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.recorder import drain
from kubernaut_sdk.settings import spool_dir
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import RECORDS, StorageUnavailable

__all__ = ["records"]

_KEY = click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Whose signatures there must be (PEM).",
)
_PATIENCE = 30.0


@click.group()
def records() -> None:
    """Action records."""


records.add_command(drop_month)


@records.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Where records are kept.")
@click.option("--spool", type=click.Path(path_type=Path, file_okay=False), help="The folder of waiting events.")
def flush(data: Path | None, spool: Path | None) -> None:
    """Send the events that could not be sent when they happened, to the store that they were meant for."""
    with opened(data) as store:
        folders = [spool] if spool is not None else _spools(store, data_folder(data))
        client = store.client()
        waiting = {folder: Spool(folder).to(store.url) for folder in folders}
        # whoever names a folder also means the events in it that say no destination
        counts = [drain(client, one if spool is None else Spool(folder)) for folder, one in waiting.items()]
        client.close()
    sent = {one.folder for one in waiting.values()} | {spool}
    left = sum(len(Spool(folder).paths()) for folder in sent if folder is not None)
    stored, refused = (sum(count) for count in zip(*counts, strict=True))
    echo(f"{stored} stored, {refused} refused, {left} still waiting in {', '.join(map(str, folders))}")
    for folder in folders:
        for one in (Spool(folder), *Spool(folder).parts()):
            if one.folder not in sent and (count := len(one.paths())):
                echo(_not_sent(one, count), err=True)
    if left:
        address = without_userinfo(store.url)
        raise PreconditionFailed(f"the store at {address} did not take them; try again when it is back.")


def _spools(store: Store, data: Path) -> list[Path]:
    """Return where steps on this machine keep what they could not send to this store."""
    if store.embedded:
        store.spool(data).prepare()
    usual = spool_dir({"HOME": os.environ.get("HOME", "")})
    folders = (spool_dir(os.environ), usual, data / "spool", store.spool(data).folder)
    return list(dict.fromkeys(folder.absolute() for folder in folders))


def _not_sent(spool: Spool, count: int) -> str:
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
    help="One that `kubernaut records checkpoint` printed earlier; finds a log that was cut off.",
)
def verify(data: Path | None, database_url: str | None, public_key: Path | None, checkpoint_file: Path | None) -> None:
    """Find any record that was edited, deleted or added behind the service's back. Reads the database itself."""
    from kubernaut_datastorage.log import verification  # noqa: PLC0415
    from kubernaut_datastorage.server import open_store  # noqa: PLC0415

    key = _read_key(public_key)
    checkpoint = _read_json(checkpoint_file) if checkpoint_file else None
    place = store_location(data, database_url)

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
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Where records are kept.")
def checkpoint(data: Path | None) -> None:
    """Print a checkpoint of the log: keep it elsewhere, and give it to `verify` later."""
    echo(json.dumps(_asked(data, "/api/v1/checkpoint"), indent=2))


@records.command()
@click.argument("record_id", type=click.UUID)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Where records are kept.")
@_KEY
def prove(record_id: Any, data: Path | None, public_key: Path | None) -> None:
    """Print a proof that a record is in the log, and check it. It can be checked later without the service."""
    from kubernaut_datastorage.log.proofs import find_proof_faults  # noqa: PLC0415

    key = _read_key(public_key)
    proof = _asked(data, f"{RECORDS}/{record_id}/proof")
    echo(json.dumps(proof, indent=2, ensure_ascii=False))
    if faults := find_proof_faults(proof, key):
        raise VerifyFailed(f"the proof does not hold: {'; '.join(faults)}.")
    signed = "signed by this key" if key else "its signature was not checked (--public-key)"
    echo(f"it holds: entry {proof['seq']}, in commit {proof['checkpoint']['batch']}; {signed}", err=True)


def _asked(data: Path | None, path: str) -> Any:
    with opened(data) as store:
        client = store.client()
        try:
            return client.get(path, {}, _PATIENCE)
        except StorageUnavailable as error:
            raise PreconditionFailed(f"{error}") from None
        finally:
            client.close()


def _read_key(file: Path | None) -> Any:
    from kubernaut_datastorage.log.checkpoints import read_public_key  # noqa: PLC0415

    try:
        return read_public_key(file) if file is not None else None
    except (OSError, ValueError) as error:
        raise InvalidInputs(f"{error}.") from None


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInputs(f"{file} is no checkpoint: {error}.") from None
