"""The database behind a store: opened, brought to the newest schema, and with the pragmas that keep promises.

SQLite: WAL, so that readers do not wait for the writer; synchronous=FULL, so that what was acknowledged survives a
power cut; and a long busy timeout, so that a second process on the same folder waits for its turn.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kubernaut_datastorage.schema import HEAD

__all__ = ["StorageError", "open_sqlite", "reason"]

BUSY_SECONDS = 60
_MIGRATING = threading.Lock()
"""Alembic keeps its migration context in a module, so that one thread at a time may use it."""


class StorageError(Exception):
    """The store cannot be used; the message says why and what to do."""


def open_sqlite(folder: Path) -> sa.Engine:
    """The database in a folder, made where there is none, at the newest schema.

    Raises:
        StorageError: if the folder or the database in it cannot be used.
    """
    file = folder / "records.db"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / "lock"):
            # as a part of its own, so that a ? or % of the path stays what it is
            url = sa.URL.create("sqlite+pysqlite", database=str(file))
            engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
            sa.event.listen(engine, "connect", _configure)
            sa.event.listen(engine, "begin", _begin)
            _migrate(engine)
    except OSError as error:
        raise StorageError(f"the folder cannot be used: {error.strerror}; choose another with --data.") from None
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        said = f"{file.name} cannot be used as a database: {reason(error)}; move it away, or mend it."
        raise StorageError(said) from None
    return engine


def reason(error: Exception) -> str:
    """What the database itself said, without the statement (which would show what was to be stored)."""
    return str(getattr(error, "orig", None) or error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time makes or migrates the database."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin, below, says when a transaction starts
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: sa.Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection:
        known = sa.inspect(connection).has_table("alembic_version")
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if known else None
        if found == HEAD:
            return
        connection.rollback()
        from alembic import command  # noqa: PLC0415 – 0.2 s that a database of the newest schema does not cost
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            with _MIGRATING:
                command.upgrade(config, "head")
        except CommandError:
            said = f"the database has schema {found}, and this version knows {HEAD}; use the Kubernaut that wrote it."
            raise StorageError(said) from None
        connection.commit()
