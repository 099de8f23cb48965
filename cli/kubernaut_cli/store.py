"""Where records are: the Data Storage that the environment names, or the embedded one of this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernaut_datastorage.folder import data_folder
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient

__all__ = ["Store", "data_folder", "opened"]


@dataclass(frozen=True)
class Store:
    """A Data Storage Service that answers.

    Attributes:
        url: Its address.
        token_file: Its bearer token, where it wants one.
        embedded: Whether it lives only as long as this command.
    """

    url: str
    token_file: Path | None
    embedded: bool

    def client(self) -> StorageClient:
        """A connection of one's own."""
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
def opened(data: Path | None) -> Iterator[Store]:
    """The store at DATA_STORAGE_URL or, where that is not set or `--data` is given, the embedded one.

    Raises:
        InvalidWorkflow: if the embedded one cannot open its folder.
    """
    url = os.environ.get("DATA_STORAGE_URL")
    if url and data is None:
        token_file = os.environ.get("DATA_STORAGE_TOKEN_FILE")
        yield Store(url, Path(token_file) if token_file else None, embedded=False)
        return
    from kubernaut_datastorage import StorageError, embedded  # noqa: PLC0415 – the service's libraries take half a second

    folder = data_folder(data)
    try:
        with embedded(folder) as service:
            yield Store(service.url, None, embedded=True)
    except StorageError as error:
        from kubernaut_controller.faults import Fault, InvalidWorkflow  # noqa: PLC0415

        raise InvalidWorkflow([Fault(str(folder), str(error).rstrip("."))]) from None
