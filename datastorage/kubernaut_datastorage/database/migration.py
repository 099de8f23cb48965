"""Alembic's chain of migrations, the same for PostgreSQL and SQLite, run over one locked connection."""

import threading
from pathlib import Path

import sqlalchemy as sa

from kubernaut_datastorage.database.schema import NEWEST_REVISION, metadata
from kubernaut_datastorage.store import StorageError

__all__ = ["found_revision", "upgrade"]

_MIGRATING = threading.Lock()
"""Alembic keeps its migration context in a module, so that one thread at a time may use it."""


def found_revision(connection: sa.Connection) -> str | None:
    """Return the database's revision, or None if it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def upgrade(connection: sa.Connection, found: str | None) -> None:
    """Bring a database to the newest schema, within the connection's transaction.

    Args:
        connection: Nobody else migrates while it is used.
        found: What `found_revision` says.

    Raises:
        StorageError: if it has a schema that this version does not know.
    """
    if found == NEWEST_REVISION:
        return
    if found is None:
        # what the chain would make (a test says so), without the 0.2 s and the 10 MB that Alembic takes
        metadata.create_all(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{NEWEST_REVISION}')")  # noqa: S608 – a constant
        return
    from alembic import command  # noqa: PLC0415 – see above
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        with _MIGRATING:
            command.upgrade(config, "head")
    except CommandError:
        raise StorageError(
            f"the database has schema {found}, and this version knows {NEWEST_REVISION}; "
            "use the Kubernaut that wrote it."
        ) from None
