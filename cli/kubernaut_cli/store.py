"""The place of the records: the Data Storage that the environment names, or the embedded one of this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernaut_datastorage.folder import DATABASE, data_folder
from kubernaut_sdk.addresses import require_web_address, without_userinfo
from kubernaut_sdk.errors import ActionError, InvalidInputs, NotFound, PreconditionFailed, Transient
from kubernaut_sdk.settings import spool_dir
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable

__all__ = ["RecordStore", "open_record_store", "require_records", "spool_folders", "storage_errors", "token_file"]


@dataclass(frozen=True)
class RecordStore:
    """The address of a Data Storage Service.

    Attributes:
        url: Its base URL.
        token_file: The file with its bearer token, if it needs one.
        embedded: True if it runs only as long as this command.
    """

    url: str
    token_file: Path | None
    embedded: bool

    @property
    def address(self) -> str:
        """Its URL without user and password, for people."""
        return without_userinfo(self.url)

    def client(self) -> StorageClient:
        """Return a new client of it."""
        return StorageClient(self.url, self.token_file)

    def spool(self, data: Path) -> Spool:
        """Return where this machine's runs keep the events that this store could not take.

        Args:
            data: The folder of this machine's data. An embedded store has another address each time, so that its
                events have a folder with its name.
        """
        if self.embedded:
            return Spool(data / "spool" / "embedded", f"the embedded store of {data.absolute()}")
        return Spool(data / "spool")


@contextmanager
def open_record_store(data: Path | None, *, reads: bool = False) -> Iterator[RecordStore]:
    """Yield the store at DATA_STORAGE_URL, or the embedded one where that is not set or `--data` is given.

    Args:
        data: The option `--data`.
        reads: True if the command only reads: a folder that `--data` names must then hold records.

    Raises:
        InvalidInputs: if DATA_STORAGE_URL is no address.
        NotFound: if the folder holds none.
        PreconditionFailed: if the folder of the embedded one, or the token's file, cannot be used.
    """
    url = os.environ.get("DATA_STORAGE_URL")
    if url and data is None:
        require_web_address(url, "DATA_STORAGE_URL")
        yield RecordStore(url, token_file(), embedded=False)
        return
    from kubernaut_datastorage import StorageError, embedded  # noqa: PLC0415 – the service's libraries take half a second

    folder = data_folder(data)
    if reads and data is not None:
        require_records(folder)
    try:
        with embedded(folder) as service:
            yield RecordStore(service.url, None, embedded=True)
    except StorageError as error:
        kind = Transient if error.exit_code == Transient.exit_code else PreconditionFailed
        raise kind(f"{folder}: {str(error).rstrip('.')}.", reason="DataFolderUnusable") from None


def token_file() -> Path | None:
    """Return the file that DATA_STORAGE_TOKEN_FILE names, if it does.

    Raises:
        PreconditionFailed: if that cannot be read.
    """
    name = os.environ.get("DATA_STORAGE_TOKEN_FILE")
    if not name:
        return None
    try:
        Path(name).read_bytes()
    except OSError as error:
        raise PreconditionFailed(
            f"DATA_STORAGE_TOKEN_FILE={name}: it cannot be read: {error.strerror}.", reason="NoToken"
        ) from None
    return Path(name)


def spool_folders(data: Path, store: RecordStore | None = None) -> list[Path]:
    """Return the folders in which steps on this machine keep events that could not be sent, also to this store."""
    usual = spool_dir({"HOME": os.environ.get("HOME", "")})
    folders = (spool_dir(os.environ), usual, data / "spool", *([store.spool(data).folder] if store else []))
    return list(dict.fromkeys(folder.absolute() for folder in folders))


def require_records(folder: Path) -> None:
    """Raise an error if a folder that a person named has no records, rather than make an empty store in it.

    Raises:
        NotFound: if so.
    """
    try:
        found = (folder / DATABASE).exists()
    except OSError:
        return  # opening it says why it cannot be used
    if not found:
        there = f"there is no {DATABASE} in it" if folder.is_dir() else "there is no such folder"
        raise NotFound(
            f"{folder}: holds no records: {there}. Name the folder that `kubernaut run --data` had, or set "
            f"DATA_STORAGE_URL for a service.",
            reason="NoRecords",
        )


@contextmanager
def storage_errors(purpose: str) -> Iterator[None]:
    """Turn a failed request to Data Storage into an error of the command.

    Args:
        purpose: The beginning of the message, such as "history cannot be read".

    Raises:
        InvalidInputs: if Data Storage refuses the query.
        NotFound: if it has no such record.
        PreconditionFailed: if it refuses the token.
        Transient: if it does not answer.
    """
    try:
        yield
    except StorageUnavailable as error:
        kinds: dict[int | None, type[ActionError]] = {
            400: InvalidInputs,
            422: InvalidInputs,
            401: PreconditionFailed,
            403: PreconditionFailed,
            404: NotFound,
        }
        text = str(error).rstrip(".")
        if error.status in {401, 403}:
            text += "; DATA_STORAGE_TOKEN_FILE names the file with the token"
        raise kinds.get(error.status, Transient)(f"{purpose}: {text}.", reason="DataStorage") from None
