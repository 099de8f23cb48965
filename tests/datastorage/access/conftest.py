"""A guarded service over SQLite, and over each kind of store."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from guarded_service import ALERTS, CONTROLLER, READ, SCRAPER, SHOP, WRITE, MakeStore, TokenReviewServer, guarded

from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.tokens import hash_token


@pytest.fixture
def kubernetes() -> Iterator[TokenReviewServer]:
    server = TokenReviewServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def access(tmp_path: Path) -> Path:
    file = tmp_path / "access"
    file.write_text(
        f"# who          roles\n{hash_token(WRITE)}  write,read  the command\n{hash_token(READ)} read\n\n"
        f"{hash_token(SHOP)} own-record=shop  # a pipeline\n{CONTROLLER} write,read\n"
        f"{hash_token(ALERTS)} signals alertmanager\n{hash_token(SCRAPER)} metrics prometheus\n"
    )
    return file


@pytest.fixture
def client(access: Path, kubernetes: TokenReviewServer, tmp_path: Path) -> Iterator[Callable[[str], httpx.Client]]:
    with guarded(SqliteStore(open_sqlite(tmp_path / "data")), access, kubernetes, tmp_path) as made:
        yield made


@pytest.fixture
def either(
    make_store: MakeStore, access: Path, kubernetes: TokenReviewServer, tmp_path: Path
) -> Iterator[Callable[[str], httpx.Client]]:
    """Return `client` over each kind of store, for rules that depend on the stored record."""
    with guarded(make_store(), access, kubernetes, tmp_path) as made:
        yield made
