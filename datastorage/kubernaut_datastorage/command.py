"""`kubernaut serve`, and `kubernaut-data-storage` in the image: the service, and commands for its operator.

Libraries of the service are imported by the command that uses them, so that `--help` does not wait for them.
"""

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubernaut_datastorage.folder import DATABASE, data_folder
from kubernaut_datastorage.records.months import Month
from kubernaut_sdk.ages import AGE
from kubernaut_sdk.program.commandgroup import CommandGroup

if TYPE_CHECKING:
    from kubernaut_datastorage.server import StoreLocation

__all__ = ["drop_month", "location_options", "main", "plain_storage_errors", "serve", "store_location"]

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_DATABASE = click.option(
    "--database-url",
    envvar="DATABASE_URL",
    show_envvar=True,
    help="A PostgreSQL, such as postgresql://user@host/name; its password in PGPASSWORD or PGPASSFILE.",
)
_DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="A folder, for SQLite.")


def location_options(command: F) -> F:
    """Add the options that say where records are: `--data` and `--database-url`."""
    return _DATA(_DATABASE(command))


def store_location(data: Path | None, database_url: str | None) -> "StoreLocation":
    """Return the location of records: a folder that was named, else the database, else the platform's folder."""
    from kubernaut_datastorage.server import StoreLocation  # noqa: PLC0415 – half a second of libraries

    return StoreLocation(data=data_folder(data), database_url=None if data is not None else database_url or None)


def _existing_location(data: Path | None, database_url: str | None) -> "StoreLocation":
    """Return the location of records, for what changes only a store that is there.

    Raises:
        StorageUnusable: if it is a folder without records, rather than make an empty store in it.
    """
    place = store_location(data, database_url)
    if place.database_url is None and not (place.data / DATABASE).exists():
        raise StorageUnusable(f"{place.data}: there is no {DATABASE}; name the folder with --data.", 3)
    return place


class StorageUnusable(click.ClickException):
    """A store that cannot be used: shown with its location, without a traceback."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click reads it from the instance

    def show(self, file: Any = None) -> None:
        click.echo(f"kubernaut: {self.message}", file=file, err=file is None)


@contextmanager
def plain_storage_errors(place: "StoreLocation") -> Iterator[None]:
    """Turn a StorageError into a message with the location, exit code 2 and no traceback."""
    from kubernaut_datastorage.store import StorageError  # noqa: PLC0415

    try:
        yield
    except StorageError as error:
        name = "the database" if place.database_url else str(place.data)
        raise StorageUnusable(f"{name}: {str(error).rstrip('.')}", error.exit_code) from None


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Other than loopback only with tokens.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: a free one.")
@location_options
@click.option("--retention", type=AGE, default="90d", show_default=True, help="How long records are kept, at least.")
@click.option("--access-file", type=_FILE, help="Who may do what: a line a token's hash, or a ServiceAccount.")
@click.option("--token-review", is_flag=True, help="Take ServiceAccounts' tokens: ask Kubernetes about them.")
@click.option("--signing-key", type=_FILE, help="Sign commits with this Ed25519 key (PEM).")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM); taken up anew when it is renewed.")
@click.option("--tls-key", type=_FILE, help="Its key (PEM).")
@click.option("--rate", type=click.FloatRange(min=1), default=2_000, show_default=True, help="Requests/s of a token.")
@click.option(
    "--alertmanager-url",
    multiple=True,
    metavar="URL",
    help="Ask this Alertmanager once a minute which alerts are silenced or inhibited: its webhooks never tell.",
)
@click.option("--watchdog", default="Watchdog", show_default=True, help="The alert that always fires: a heartbeat.")
@click.option("--migrate/--no-migrate", "migrates", default=True, help="Bring the database's schema up to date first.")
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    host: str,
    port: int,
    data: Path | None,
    database_url: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    **options: Any,
) -> None:
    """Run the Data Storage Service until SIGTERM or Ctrl-C.

    Exit code: 2 an option cannot be used, 3 the database cannot, 75 it does not answer.
    """
    if ctx.invoked_subcommand is not None:
        return
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    import kubernaut_datastorage  # noqa: PLC0415 – half a second of libraries

    place = store_location(data, database_url)
    tls = (tls_cert, tls_key) if tls_cert and tls_key else None
    with plain_storage_errors(place):
        kubernaut_datastorage.serve(host, port, place.data, database_url=place.database_url, tls=tls, **options)


@serve.command()
@location_options
@click.option("--retention", type=AGE, default="90d", show_default=True, help="As of the service.")
def migrate(data: Path | None, database_url: str | None, retention: timedelta) -> None:
    """Bring the database to the newest schema, and make its partitions. Harmless where that is done.

    Exit code: 2 an option cannot be used, 3 the database cannot, 75 it does not answer.
    """
    from kubernaut_datastorage.server import open_store  # noqa: PLC0415
    from kubernaut_datastorage.store import Settings, Store  # noqa: PLC0415

    place = store_location(data, database_url)

    async def work() -> None:
        store: Store = open_store(place, Settings(retention=retention))
        try:
            await store.prepare()
        finally:
            await store.close()

    with plain_storage_errors(place):
        asyncio.run(work())
    click.echo("the schema is the newest.")


@serve.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@_DATA
def backup(file: Path, data: Path | None) -> None:
    """Copy the records of a folder (SQLite) into FILE, or with - to standard output, while the service runs.

    The copy is one state of the database. To restore it, put it as records.db into an empty folder. PostgreSQL has
    pg_dump for this.

    Exit code: 3 it could not be read or written, 2 the folder has no records or FILE is there already.
    """
    from kubernaut_datastorage.sqlite.backup import copy_database, scratch_copy  # noqa: PLC0415

    place = store_location(data, None)
    with plain_storage_errors(place):
        if str(file) != "-":
            copy_database(place.data, file)
            click.echo(f"{file}: {file.stat().st_size} bytes; restore it as records.db in an empty folder.", err=True)
            return
        with scratch_copy(place.data) as copied, copied.open("rb") as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer)


@serve.command()
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE",
    help="write, read, own-record=NAMESPACE, signals, metrics.",
)
def token(name: str, roles: tuple[str, ...]) -> None:
    """Make a token for NAME: printed once, on standard output; the line for the access file on standard error.

    Exit code: 2 there is no such role.
    """
    from kubernaut_datastorage.tokens import generate_token, hash_token, parse_entry  # noqa: PLC0415

    made = generate_token()
    line = f"{hash_token(made)}  {','.join(roles)}  {name}"
    try:
        parse_entry(line)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    click.echo(line, err=True)
    click.echo(made)


@serve.command()
@click.argument("month")
@click.option("--reason", help="Why; a case's number.")
@click.option("--release", is_flag=True, help="End the hold.")
@location_options
def hold(month: str, reason: str | None, release: bool, data: Path | None, database_url: str | None) -> None:
    """Keep the records of MONTH (2026-01) whatever the retention, until the hold is released.

    Exit code: 2 an option cannot be used, 3 the database cannot, 75 it does not answer.
    """
    from kubernaut_datastorage.server import open_store  # noqa: PLC0415

    wanted = _month(month)
    if release == (reason is not None):
        raise click.UsageError("say --reason to hold, or --release.")
    place = _existing_location(data, database_url)

    async def work() -> None:
        store = open_store(place)
        await store.start()
        try:
            await store.set_hold(wanted, reason)
        finally:
            await store.close()

    with plain_storage_errors(place):
        asyncio.run(work())
    click.echo(f"{wanted} is {'released' if release else 'held'}.")


@serve.command()
@click.argument("month")
@click.option("--retention", type=AGE, default="90d", show_default=True, help="As of the service.")
@location_options
def drop_month(month: str, retention: timedelta, data: Path | None, database_url: str | None) -> None:
    """Drop the records of MONTH (2026-01), older than the retention, that the service does not drop by itself.

    Exit code: 2 an option cannot be used, 3 the database cannot, 75 it does not answer.
    """
    from kubernaut_datastorage.retention import drop_requested_month  # noqa: PLC0415
    from kubernaut_datastorage.server import open_store  # noqa: PLC0415
    from kubernaut_datastorage.store import Settings  # noqa: PLC0415

    wanted = _month(month)
    place = _existing_location(data, database_url)

    async def work() -> None:
        store = open_store(place, Settings(retention=retention))
        await store.start()
        try:
            await drop_requested_month(store, wanted)
        finally:
            await store.close()

    with plain_storage_errors(place):
        asyncio.run(work())
    click.echo(f"{wanted} is dropped.")


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError:
        raise click.UsageError(f"{text} is not a month; write it as {datetime.now(UTC):%Y-%m}.") from None


def main() -> None:
    """Run the service as a program of its own."""
    serve(prog_name="kubernaut-data-storage")
