"""Reading a container's result files on this machine, as Tekton's entrypoint does in a pod.

Their author is not trusted: links are not followed, only plain files are read, and no more bytes than Tekton could
carry. Called by the local engine and by the conformance kit.
"""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubernaut_sdk.results import RESULT_NAMES, message_size

__all__ = ["LARGEST", "ResultFiles", "read_result_files"]

LARGEST = 4_096 - 300
"""The most bytes of all results of a container together: Tekton carries 4,096, with about 300 of its own."""


@dataclass(frozen=True)
class ResultFiles:
    """The result files of one container.

    Attributes:
        values: Name → text, of those that could be read. A missing file is in neither mapping.
        unreadable: Name → the reason why it was not read, to follow "the result NAME".
    """

    values: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


def read_result_files(folder: Path, names: Collection[str] = RESULT_NAMES, *, largest: int = LARGEST) -> ResultFiles:
    """Return the result files in a folder. Odd files raise no exception.

    Args:
        folder: RESULTS_DIR on this machine.
        names: The results that the Task declares; other files are ignored, as Tekton does.
        largest: The most bytes of all together.
    """
    values: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ResultFiles()
    try:
        for name in sorted(names):
            try:
                values[name] = _text(name, place, largest)
            except FileNotFoundError:
                continue
            except _OddFileError as odd:
                unreadable[name] = str(odd)
            except OSError as error:
                unreadable[name] = f"cannot be read ({error.strerror or error})"
    finally:
        os.close(place)
    size = message_size(values)
    if size > largest:
        longest = max(values, key=lambda name: len(values[name]))
        unreadable[longest] = f"is too large: the results have {size} bytes together, and Tekton carries {LARGEST}"
        values = {}
    return ResultFiles(values, unreadable)


class _OddFileError(Exception):
    """A file is not read, for the reason in the message."""


def _text(name: str, place: int, largest: int) -> str:
    kind = os.stat(name, dir_fd=place, follow_symlinks=False).st_mode
    if not stat.S_ISREG(kind):
        raise _OddFileError(_kind(kind))
    # the file may have been replaced since: a link is refused, and a pipe without a writer does not block
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=place)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise _OddFileError(_kind(found.st_mode))
        if found.st_size > largest:
            raise _OddFileError(
                f"is too large: it has {found.st_size} bytes, and Tekton carries {LARGEST} of all together"
            )
        content = os.read(file, largest + 1)
    finally:
        os.close(file)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _OddFileError("is not UTF-8") from None


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "is a link, which is not followed"
    return "is a folder" if stat.S_ISDIR(mode) else "is no plain file"
