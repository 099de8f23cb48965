"""Events that could not be sent, kept in a folder until they can: one file an event, written whole or not at all.

Events are meant for one Data Storage Service, so each of them has a folder of its own within the spool, whose file
`destination` holds its address: what waits for one is never sent to another.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from kubernaut_sdk.addresses import without_userinfo

__all__ = ["Spool", "normalised"]

_DESTINATION = "destination"
_PORTS = {"http": 80, "https": 443}


class Spool:
    """A folder of events. Several processes may write and drain it at once: an event sent twice is one record.

    Args:
        folder: Made when the first event comes.
        destination: The address that its events are meant for, or the name of a store that has another address each
            time. None where that is as its file `destination` says, or nobody says it.
    """

    def __init__(self, folder: Path, destination: str | None = None) -> None:
        self.folder = folder
        self._destination = destination

    @property
    def destination(self) -> str | None:
        """Where the events of this very folder are meant to go; None where nobody said it."""
        if self._destination is not None:
            return self._destination
        try:
            return (self.folder / _DESTINATION).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def to(self, url: str) -> Self:
        """Return the part of this spool that is for one Data Storage Service.

        Args:
            url: Its address, by which it is known. A spool that belongs to a store without a lasting address (the one
                that lives within a command) is returned as it is.
        """
        known = self.destination
        address = normalised(url)
        if known is not None and (known == address or "://" not in known):
            return self
        digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return type(self)(self.folder / digest, address)

    def parts(self) -> "list[Spool]":
        """Return the spools within this one, each for one destination, in the order of their names."""
        if not self.folder.is_dir():
            return []
        return [Spool(path) for path in sorted(self.folder.iterdir()) if path.is_dir() and not path.is_symlink()]

    def put(self, event: dict[str, Any]) -> Path:
        """Keep an event; return when it is on disk (fsync of the file and of the folder).

        Raises:
            OSError: if the folder cannot be written.
        """
        self.prepare()
        path = self.folder / f"{event['id']}.{event['attempt']}.{event['state']}.{_digits(event['at'])}.json"
        _write(path, json.dumps(event))  # as ASCII: half a character, too, is kept as it came
        _sync(self.folder)
        return path

    def prepare(self) -> None:
        """Make the folder and write, once, where its events go: an address has no user and no password there.

        Raises:
            OSError: if the folder cannot be written.
        """
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync(self.folder.parent)
        path = self.folder / _DESTINATION
        if self._destination is not None and not path.exists():
            _write(path, f"{self._destination}\n")

    def paths(self) -> list[Path]:
        """Return the files of the events that are kept in this very folder, oldest record first."""
        if not self.folder.is_dir():
            return []
        return [self.folder / name for name in sorted(os.listdir(self.folder)) if name.endswith(".json")]  # noqa: PTH208

    def waiting(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The kept events, oldest record first, one in memory at a time.

        A file that another process has just removed is passed over. One that holds no event (somebody wrote to it: ours
        are whole, or not there) is set aside as NAME.unreadable, so that nothing waits for it.
        """
        for path in self.paths():
            try:
                event = json.loads(path.read_text(encoding="utf-8"))
            except OSError:
                continue
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict):
                yield path, event
            else:
                with suppress(OSError):
                    path.replace(path.with_name(f"{path.name}.unreadable"))

    def remove(self, paths: list[Path]) -> None:
        """Forget events that the store has acknowledged."""
        for path in paths:
            path.unlink(missing_ok=True)

    def set_aside(self, paths: list[Path]) -> None:
        """Keep events that the store refuses for good, as `*.refused`: they wait no longer, and are not lost."""
        for path in paths:
            with suppress(FileNotFoundError):
                path.replace(path.with_suffix(".refused"))


def normalised(url: str) -> str:
    """Return an address as one store is known by it: no user, no password, no port that is the scheme's own."""
    plain = without_userinfo(url.strip().rstrip("/"))
    try:
        parts = urlsplit(plain)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # an address that nothing can be sent to; it is still one
        return plain
    if not host:
        return plain
    host = f"[{host}]" if ":" in host else host
    port = None if port == _PORTS.get(parts.scheme) else port
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _digits(time: str) -> str:
    return "".join(sign for sign in time if sign.isdigit())
