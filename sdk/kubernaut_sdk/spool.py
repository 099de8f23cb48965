"""The spool: events that could not be sent, in a folder. Each event is one file, written whole or not at all.

Each Data Storage Service has a sub-folder of its own, whose file `destination` contains its address. Events for one
service are never sent to another.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from kubernaut_sdk.addresses import without_userinfo

__all__ = ["Spool", "normalised"]

_DESTINATION = "destination"
_PROBLEM = "last-problem"
_PORTS = {"http": 80, "https": 443}


class Spool:
    """A folder of events. Several processes may write and drain it at once: an event sent twice is one record.

    Args:
        folder: Created with the first event.
        destination: The address of the service that its events are for, or the name of a store that has a different
            address each time. None reads it from the file `destination`, if there is one.
    """

    def __init__(self, folder: Path, destination: str | None = None) -> None:
        self.folder = folder
        self._destination = destination

    @property
    def destination(self) -> str | None:
        """The destination of the events directly in this folder; None if it is unknown."""
        if self._destination is not None:
            return self._destination
        try:
            return (self.folder / _DESTINATION).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def to(self, url: str) -> Self:
        """Return the part of this spool for one Data Storage Service.

        Args:
            url: The address of the service. A spool that belongs to a store without a lasting address (one that runs
                within a command) is returned unchanged.
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
        """Create the folder and its file `destination`. An address in it has no user and no password.

        Raises:
            OSError: if the folder cannot be written.
        """
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync(self.folder.parent)
        path = self.folder / _DESTINATION
        if self._destination is not None and not path.exists():
            _write(path, f"{self._destination}\n")

    def note_problem(self, problem: str) -> None:
        """Keep why the last attempt to send failed, for `last_problem`; a folder that cannot be written is no error."""
        with suppress(OSError):
            if self.folder.is_dir():
                _write(self.folder / _PROBLEM, problem)

    @property
    def last_problem(self) -> str | None:
        """The reason why the last attempt to send failed, or None if none is known."""
        try:
            return (self.folder / _PROBLEM).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    @property
    def oldest(self) -> datetime | None:
        """The time since which an event waits, or None if none does."""
        times = []
        for path in self.paths():
            with suppress(OSError):  # sent meanwhile
                times.append(path.stat().st_mtime)
        return datetime.fromtimestamp(min(times), UTC) if times else None

    @property
    def refused(self) -> int:
        """The number of events that the service refused, or that could not be read; they are sent no more."""
        if not self.folder.is_dir():
            return 0
        return sum(path.suffix in {".refused", ".unreadable"} for path in self.folder.iterdir())

    def paths(self) -> list[Path]:
        """Return the files of the events directly in this folder, oldest record first."""
        if not self.folder.is_dir():
            return []
        return [self.folder / name for name in sorted(os.listdir(self.folder)) if name.endswith(".json")]  # noqa: PTH208

    def waiting(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield path and event of each file, oldest record first, with one event in memory at a time.

        A file that another process has just removed is skipped. A file that contains no event (not written by us) is
        renamed to NAME.unreadable, so that it is not read again.
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
        """Delete events that the store has acknowledged."""
        for path in paths:
            path.unlink(missing_ok=True)

    def set_aside(self, paths: list[Path]) -> None:
        """Rename events that the store refused to `*.refused`: they are not sent again, and not lost."""
        for path in paths:
            with suppress(FileNotFoundError):
                path.replace(path.with_suffix(".refused"))


def normalised(url: str) -> str:
    """Return the normal form of an address: without user, password, the scheme's default port and a last slash."""
    plain = without_userinfo(url.strip().rstrip("/"))
    try:
        parts = urlsplit(plain)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # malformed: nothing can be sent there, but it still names a destination
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
