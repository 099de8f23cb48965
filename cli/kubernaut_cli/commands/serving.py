"""`kubernaut serve`: the Data Storage Service in the foreground, and what its operator needs beside it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubernaut_cli.store import data_folder
from kubernaut_cli.terminal import echo
from kubernaut_cli.window import AGE

if TYPE_CHECKING:
    from kubernaut_datastorage.server import Place

__all__ = ["PLACE", "place_of", "serve", "told_plainly"]

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_DATABASE = click.option(
    "--database-url",
    envvar="DATABASE_URL",
    show_envvar=True,
    help="A PostgreSQL, such as postgresql://user@host/name; its password in PGPASSWORD or PGPASSFILE.",
)
_DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="A folder, for SQLite.")


def PLACE(command: F) -> F:  # noqa: N802 – a decorator made of two
    """The options that say where records are."""
    return _DATA(_DATABASE(command))


def place_of(data: Path | None, database_url: str | None) -> "Place":
    """Where records are: a folder that was named, else the database, else the platform's folder."""
    from kubernaut_datastorage.server import Place  # noqa: PLC0415 – half a second of libraries

    return Place(data=data_folder(data), database_url=None if data is not None else database_url or None)


@contextmanager
def told_plainly(place: "Place") -> Iterator[None]:
    """Says what a store says of its trouble, as a person's mistake is told: with the place and without a traceback."""
    from kubernaut_datastorage import StorageError  # noqa: PLC0415

    try:
        yield
    except StorageError as error:
        from kubernaut_controller.faults import Fault, InvalidWorkflow  # noqa: PLC0415 – a service need not load it

        name = "the database" if place.database_url else str(place.data)
        raise InvalidWorkflow([Fault(name, str(error).rstrip("."))]) from None


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Other than loopback only with tokens.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@PLACE
@click.option("--retention", type=AGE, default="90d", show_default=True, help="How long records are kept, at least.")
@click.option("--access-file", type=_FILE, help="Who may do what: a line a token's hash, or a ServiceAccount.")
@click.option("--token-review", is_flag=True, help="Take ServiceAccounts' tokens: ask Kubernetes about them.")
@click.option("--signing-key", type=_FILE, help="Sign commits with this Ed25519 key (PEM).")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM); taken up anew when it is renewed.")
@click.option("--tls-key", type=_FILE, help="Its key (PEM).")
@click.option("--rate", type=click.FloatRange(min=1), default=2_000, show_default=True, help="Requests/s of a token.")
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
    """Run the Data Storage Service until SIGTERM or Ctrl-C."""
    if ctx.invoked_subcommand is not None:
        return
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    import kubernaut_datastorage  # noqa: PLC0415 – half a second of libraries

    place = place_of(data, database_url)
    tls = (tls_cert, tls_key) if tls_cert and tls_key else None
    with told_plainly(place):
        kubernaut_datastorage.serve(host, port, place.data, database_url=place.database_url, tls=tls, **options)


@serve.command()
@PLACE
@click.option("--retention", type=AGE, default="90d", show_default=True, help="As of the service.")
def migrate(data: Path | None, database_url: str | None, retention: timedelta) -> None:
    """Bring the database to the newest schema, and make its partitions. Harmless where that is done."""
    from kubernaut_datastorage.server import opened  # noqa: PLC0415
    from kubernaut_datastorage.store import Settings, Store  # noqa: PLC0415

    place = place_of(data, database_url)

    async def work() -> None:
        store: Store = opened(place, Settings(retention=retention))
        try:
            await store.prepare()
        finally:
            await store.close()

    with told_plainly(place):
        asyncio.run(work())
    echo("the schema is the newest.")


@serve.command()
@click.argument("name")
@click.option(
    "--role", "roles", multiple=True, required=True, metavar="ROLE", help="write, read, own-record=NAMESPACE."
)
def token(name: str, roles: tuple[str, ...]) -> None:
    """Make a token for NAME: printed once, on standard output; the line for the access file on standard error."""
    from kubernaut_datastorage.tokens import hashed, minted  # noqa: PLC0415

    made = minted()
    echo(f"{hashed(made)}  {','.join(roles)}  {name}", err=True)
    echo(made)


@serve.command()
@click.argument("month")
@click.option("--reason", help="Why; a case's number.")
@click.option("--release", is_flag=True, help="End the hold.")
@PLACE
def hold(month: str, reason: str | None, release: bool, data: Path | None, database_url: str | None) -> None:
    """Keep the records of MONTH (2026-01) whatever the retention, until the hold is released."""
    from kubernaut_datastorage.months import Month  # noqa: PLC0415
    from kubernaut_datastorage.server import opened  # noqa: PLC0415

    try:
        wanted = Month.parse(month)
    except ValueError:
        raise click.UsageError(f"{month} is not a month; write it as {datetime.now(UTC):%Y-%m}.") from None
    if release == (reason is not None):
        raise click.UsageError("say --reason to hold, or --release.")
    place = place_of(data, database_url)

    async def work() -> None:
        store = opened(place)
        await store.start()
        try:
            await store.hold(wanted, reason)
        finally:
            await store.close()

    with told_plainly(place):
        asyncio.run(work())
    echo(f"{wanted} is {'released' if release else 'held'}.")
