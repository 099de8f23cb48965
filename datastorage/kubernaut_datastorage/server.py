"""Running the service: in the foreground for `kubernaut serve`, or within another program for a local run.

The HTTP server and the routes are imported by what serves: commands that only open a store (`migrate`, `hold`) do
without.
"""

import asyncio
import gc
import logging
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernaut_datastorage.http.certificates import CertificateRenewal
from kubernaut_datastorage.http.locality import LocalOnly, is_loopback
from kubernaut_datastorage.log.checkpoints import Ed25519Signer, NoSigner, Signer
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import RETENTION, InvalidSetting, Settings, Store
from kubernaut_sdk.incluster import ServiceAccount, api_server
from kubernaut_sdk.logs import configure_service

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

__all__ = ["Embedded", "ServiceOptions", "StoreLocation", "embedded", "hosted", "open_store", "serve"]

logger = logging.getLogger(__name__)

AUDIENCE = "kubernaut-data-storage"
_GRACE = 10
"""Seconds for which requests may go on once the service is asked to stop."""


@dataclass(frozen=True)
class Embedded:
    """A service that runs within this program.

    Attributes:
        url: Its address on loopback.
    """

    url: str


@dataclass(frozen=True, kw_only=True)
class StoreLocation:
    """The location of records: a folder or, if it has a URL, a PostgreSQL database."""

    data: Path
    database_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """The options of a service.

    Attributes:
        host: The address to listen on; of loopback, unless there are tokens.
        port: The port; 0 takes a free one.
        place: The location of records.
        retention: The time for which they are kept.
        access_file: The file of tokens and roles (`tokens.py`).
        token_review: True to accept ServiceAccounts' tokens: Kubernetes is asked about them.
        kubernetes: The API server's address.
        service_account: The ServiceAccount of this pod.
        signing_key: The PEM file of the key that signs commits.
        tls: The files of the certificate chain and its key.
        rate: The requests a second of each token.
        patience: The seconds that a request waits for a database that is away.
        migrates: True to bring the schema up to date.
        alertmanager_url: Alertmanagers that are asked which alerts they hold back.
        watchdog: The name of the alert that always fires.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    place: StoreLocation
    retention: timedelta = RETENTION
    access_file: Path | None = None
    token_review: bool = False
    kubernetes: str = field(default_factory=lambda: api_server() or "https://kubernetes.default.svc")
    service_account: ServiceAccount = field(default_factory=ServiceAccount)
    signing_key: Path | None = None
    tls: tuple[Path, Path] | None = None
    rate: float = 2_000
    patience: float = 10.0
    migrates: bool = True
    alertmanager_url: tuple[str, ...] = ()
    watchdog: str = "Watchdog"


def serve(host: str, port: int, data: Path, **options: Any) -> None:
    """Serve until SIGTERM or SIGINT; then finish the accepted requests.

    Args:
        host: The address to listen on, see `ServiceOptions`.
        port: The port, see `ServiceOptions`.
        data: The folder of records, unless `database_url` is given.
        options: `database_url`, and the other fields of `ServiceOptions`.

    Raises:
        StorageError: if the folder cannot be used, or the address is not of this machine.
    """
    place = StoreLocation(data=data, database_url=options.pop("database_url", None))
    serving = ServiceOptions(host=host, port=port, place=place, **options)
    guarded = serving.access_file is not None or serving.token_review
    if not guarded and not is_loopback(host):
        fault = f"--host {host} is not of loopback; without tokens the service listens on 127.0.0.1 only."
        raise InvalidSetting(f"{fault} Give --access-file or --token-review.")
    import uvicorn  # noqa: PLC0415 – the half of a second that `kubernaut --help` should not take

    from kubernaut_datastorage.http.protocol import BoundedHttpProtocol  # noqa: PLC0415

    configure_service(quiet=("httpx", "asyncio", "alembic"))
    _allow_many_connections()
    with suppress(ImportError):  # not on every platform
        import uvloop  # noqa: PLC0415

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    config = uvicorn.Config(
        _guarded_app(serving),
        host,
        port,
        http=BoundedHttpProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who is asked for a token is not who says so in a header
        timeout_graceful_shutdown=_GRACE,
        ssl_certfile=serving.tls[0] if serving.tls else None,
        ssl_keyfile=serving.tls[1] if serving.tls else None,
    )
    _run(config, serving)


@contextmanager
def embedded(data: Path) -> Iterator[Embedded]:
    """Run the service on a free port of loopback, in a thread, as long as the block lasts.

    Raises:
        StorageError: if the folder cannot be used.
    """
    with hosted(SqliteStore(open_sqlite(data))) as service:
        yield service


@contextmanager
def hosted(store: Store, wrap: "Callable[[ASGIApp], ASGIApp]" = LocalOnly) -> Iterator[Embedded]:
    """Run the service over any store, behind any middleware; otherwise like `embedded`."""
    import uvicorn  # noqa: PLC0415

    from kubernaut_datastorage.http.api import create_app, with_fast_path  # noqa: PLC0415

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        app = wrap(with_fast_path(create_app(store)))
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="data-storage")
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        try:
            yield Embedded(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


def open_store(place: StoreLocation, settings: Settings | None = None, *, migrates: bool = True) -> Store:
    """Return the store of a location.

    Raises:
        StorageError: if a folder cannot be used; of a PostgreSQL, the store itself says what is wrong.
    """
    if place.database_url is None:
        return SqliteStore(open_sqlite(place.data), settings)
    _require_postgresql(place.database_url)
    from kubernaut_datastorage.postgresql import PostgresStore  # noqa: PLC0415 – a local run does without

    try:
        return PostgresStore(place.database_url, settings, migrates=migrates)
    except ValueError:  # it may quote a part of the address, and that may be its password
        raise InvalidSetting(
            "the database's address cannot be used; write it as postgresql://user@host:5432/name, with its password in "
            "PGPASSWORD or PGPASSFILE."
        ) from None


def _require_postgresql(url: str) -> None:
    """Refuse an address that cannot be used; repeat only its scheme, since it may hold a password.

    Raises:
        StorageError: which says how it is written.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme.isascii() or not scheme.replace("+", "").isalnum():
        fault = "it does not begin with postgresql://"
    elif scheme not in {"postgresql", "postgres"}:
        fault = f"it begins with {scheme[:32]}://, and the service stores in PostgreSQL or, with --data, in SQLite"
    else:
        place = min((rest.find(sign) for sign in "/?#" if sign in rest), default=len(rest))
        if rest.count("@") <= 1 and rest.find("@") < place:
            return
        fault = "a sign of its user or password has a meaning of its own in an address: write @ as %40, / as %2F"
    example = "write postgresql://user@host/database, with the password in PGPASSWORD or PGPASSFILE"
    raise InvalidSetting(f"the database's address (--database-url, DATABASE_URL) cannot be used: {fault}; {example}.")


def _guarded_app(serving: ServiceOptions) -> "ASGIApp":
    """Return the application behind its checks."""
    from kubernaut_datastorage.gate import Gate, MetricsMiddleware  # noqa: PLC0415
    from kubernaut_datastorage.http.api import create_app, with_fast_path  # noqa: PLC0415
    from kubernaut_datastorage.http.metrics import Metrics  # noqa: PLC0415
    from kubernaut_datastorage.polling import AlertmanagerPoller  # noqa: PLC0415
    from kubernaut_datastorage.tokens import AccessFile, Tokens  # noqa: PLC0415

    metrics = Metrics()
    settings = Settings(
        retention=serving.retention,
        signer=_signer(serving.signing_key),
        patience=serving.patience,
        observe=metrics.count_commit,
        watchdog=serving.watchdog,
    )
    store = open_store(serving.place, settings, migrates=serving.migrates)
    metrics.watch_queue(lambda: store.waiting)
    poller = AlertmanagerPoller(store, serving.alertmanager_url, metrics.count_poll)
    app = with_fast_path(
        create_app(
            store,
            on_events=metrics.count_events,
            on_alerts=metrics.count_alerts,
            metrics=metrics.render,
            beside=poller.run if serving.alertmanager_url else None,
        )
    )
    if serving.access_file is None and not serving.token_review:
        return MetricsMiddleware(LocalOnly(_with_pages(app) if serving.tls is None else app), metrics)
    file = AccessFile(serving.access_file) if serving.access_file is not None else None
    reviews = None
    if serving.token_review:
        from kubernaut_datastorage.tokenreview import KubernetesTokenReviewer  # noqa: PLC0415 – an HTTP client

        reviews = KubernetesTokenReviewer(serving.kubernetes, serving.service_account, AUDIENCE)
    return MetricsMiddleware(Gate(app, Tokens(file, reviews), serving.rate, metrics), metrics)


def _with_pages(app: "ASGIApp") -> "ASGIApp":
    """Return the service with pages beside it, where another part of Kubernaut is installed that has some."""
    from importlib.metadata import entry_points  # noqa: PLC0415

    from kubernaut_datastorage.http.beside import PagesBeside  # noqa: PLC0415

    found = next(iter(entry_points(group="kubernaut.pages")), None)
    return app if found is None else PagesBeside(app, found.load()())


def _signer(file: Path | None) -> Signer:
    if file is None:
        return NoSigner()
    try:
        return Ed25519Signer(file)
    except OSError as error:
        raise InvalidSetting(f"the signing key {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InvalidSetting(f"the signing key cannot be used: {error}.") from None


def _run(config: "uvicorn.Config", serving: ServiceOptions) -> None:
    import uvicorn  # noqa: PLC0415

    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise InvalidSetting(f"the certificate or its key cannot be used: {error}.") from None
    server = uvicorn.Server(config)
    _collect_seldom()
    if serving.tls is not None:
        assert config.ssl is not None
        CertificateRenewal(config.ssl, serving.tls).start()
    try:
        server.run()
    except SystemExit:
        if server.started:
            raise
        fault = f"{serving.host}:{serving.port} cannot be listened on, most likely since another program does; "
        raise InvalidSetting(f"{fault}choose another --port.") from None


def _allow_many_connections() -> None:
    """Raise the limit of file descriptors: each connection is one, and 1,024 is the usual limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _collect_seldom() -> None:
    """Keep the garbage collector from long-lived objects: its pauses made the slowest requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
