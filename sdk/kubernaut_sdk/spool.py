"""Events that could not be sent, kept in a folder until they can: one file an event, written whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Spool"]


class Spool:
    """A folder of events. Several processes may write and drain it at once: an event sent twice is one record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, event: dict[str, Any]) -> Path:
        """Keeps an event; returns when it is on disk (fsync of the file and of the folder).

        Raises:
            OSError: if the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{event['id']}.{event['attempt']}.{event['state']}.{_digits(event['at'])}.json"
        temporary = path.with_suffix(f".{os.getpid()}")
        try:
            with temporary.open("w", encoding="ascii") as file:
                json.dump(event, file)  # as ASCII: half a character, too, is kept as it came
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path

    def paths(self) -> list[Path]:
        """The files of the kept events, oldest record first."""
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


def _digits(time: str) -> str:
    return "".join(sign for sign in time if sign.isdigit())
