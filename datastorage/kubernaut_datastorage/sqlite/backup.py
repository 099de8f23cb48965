"""A copy of the SQLite file while others write to it, by SQLite's own online backup."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kubernaut_datastorage.sqlite.connection import BUSY_SECONDS
from kubernaut_datastorage.store import InvalidSetting, StorageError

__all__ = ["copy_database", "scratch_copy"]


def copy_database(folder: Path, file: Path) -> None:
    """Copy the database of a folder into a new file; it holds one state, whatever is written meanwhile.

    Raises:
        InvalidSetting: if the folder has no database, or the file exists.
        StorageError: if it cannot be read or written.
    """
    source = folder / "records.db"
    if not source.is_file():
        raise InvalidSetting("there is no records.db; name the folder with --data.")
    if file.exists():
        raise InvalidSetting(f"{file} is there already; name a new file.")
    try:
        file.touch(mode=0o600)
        with (
            closing(sqlite3.connect(source, timeout=BUSY_SECONDS)) as database,
            closing(sqlite3.connect(file)) as copied,
        ):
            database.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
    except (OSError, sqlite3.Error) as error:
        file.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(f"records.db cannot be copied to {file}: {reason}.") from None


@contextmanager
def scratch_copy(folder: Path) -> Iterator[Path]:
    """Yield a copy that is deleted afterwards. It lies beside the database: a container has room nowhere else.

    Raises:
        InvalidSetting, StorageError: see `copy_database`.
    """
    if not folder.is_dir():
        raise InvalidSetting("there is no such folder; name the one of the records with --data.")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as scratch:
        copied = Path(scratch) / "records.db"
        copy_database(folder, copied)
        yield copied
