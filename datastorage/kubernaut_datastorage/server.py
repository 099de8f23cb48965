"""Running the service: in the foreground for `kubernaut serve`, or within another program for a local run."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernaut_datastorage.locality import LocalOnly, is_loopback
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import StorageError, Store

__all__ = ["Embedded", "embedded", "hosted", "serve"]


@dataclass(frozen=True)
class Embedded:
    """A service that lives within this program.

    Attributes:
        url: Its address on loopback.
    """

    url: str


def serve(host: str, port: int, data: Path) -> None:
    """Serves until SIGTERM or SIGINT; then finishes what it has accepted.

    Raises:
        StorageError: if the folder cannot be used, or the address is not of this machine.
    """
    _require_loopback(host)
    import uvicorn  # noqa: PLC0415 – the half of a second that `kubernaut --help` should not take

    from kubernaut_datastorage.api import create_app  # noqa: PLC0415

    app = LocalOnly(create_app(SqliteStore(open_sqlite(data))))
    config = uvicorn.Config(app, host, port, log_level="info", access_log=False, timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit:
        if server.started:
            raise
        said = f"{host}:{port} cannot be listened on, most likely since another program does; choose another --port."
        raise StorageError(said) from None


@contextmanager
def embedded(data: Path) -> Iterator[Embedded]:
    """The service on a free port of loopback, in a thread, as long as the block lasts.

    Raises:
        StorageError: if the folder cannot be used.
    """
    with hosted(SqliteStore(open_sqlite(data))) as service:
        yield service


@contextmanager
def hosted(store: Store) -> Iterator[Embedded]:
    """As `embedded`, over any store."""
    import uvicorn  # noqa: PLC0415

    from kubernaut_datastorage.api import create_app  # noqa: PLC0415

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        app = LocalOnly(create_app(store))
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


def _require_loopback(host: str) -> None:
    """No open port without a token; and this version knows no tokens yet."""
    if not is_loopback(host):
        raise StorageError(f"--host {host} is not of loopback; without tokens the service listens on 127.0.0.1 only.")
